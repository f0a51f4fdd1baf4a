"""Which values may stand in one ranking: those of one protocol, after as many images. docs/metrics.md says why."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from saddlepoint.metrics.comparable import SAME_NUMBER
from saddlepoint.runs.record import Run, Score

SAME_MOMENT = 0.01  # images seen may differ by this share: budgets end with a whole batch
NAMES = {
    "extractor": "extractor", "digest": "extractor's weights", "resize": "resizing", "reference": "real data",
    "reference_digest": "real images", "num_real": "number of real images", "num_fake": "number of fakes",
    "ema": "averaged weights (EMA)", "batchnorm": "BatchNorm statistics", "image_size": "image size",
    "fake_framing": "framing of fakes", "settings.order": "order of the images",
}
REFERENCE = "reference_digest"
WORDS = {True: "yes", False: "no", None: "none"}


@dataclass(frozen=True)
class Measured:
    """A run's value, and after how many images it had it; images None: it does not matter (value=best)."""

    run: Run
    score: Score
    images: int | None


@dataclass(frozen=True)
class Column:
    """Values of one metric that may be ranked together."""

    metric: str  # fid_digits
    letter: str  # A, B, ... where a metric has several columns; else empty
    protocol: Mapping[str, Any]  # of its first value
    values: tuple[Measured, ...]

    @property
    def title(self) -> str:
        return f"{self.metric} [{self.letter}]" if self.letter else self.metric

    @property
    def images(self) -> tuple[int, int] | None:
        """The least and the most images seen; None: they do not matter"""
        seen = [each.images for each in self.values if each.images is not None]
        return (min(seen), max(seen)) if seen else None


def columns(measured: Iterable[Measured], across: Sequence[str] = ()) -> list[Column]:
    """Of each metric, the largest group first. `across`: fields of the protocol, or images_seen, that may differ within
    a column."""
    by_metric: dict[str, list[Measured]] = {}
    for each in measured:
        by_metric.setdefault(each.score.name, []).append(each)
    found = []
    for metric, values in by_metric.items():
        alike = _alike(values, across)
        groups = alike if "images_seen" in across else [group for each in alike for group in _at_one_moment(each)]
        groups.sort(key=len, reverse=True)
        letters = map(_letter, range(len(groups))) if len(groups) > 1 else ("",)
        found += [Column(metric, letter, group[0].score.protocol, tuple(group))
                  for letter, group in zip(letters, groups, strict=True)]
    return found


def that_binds(protocol: Mapping[str, Any], across: Sequence[str] = ()) -> dict[str, Any]:
    """What must agree, flat. A generator without BatchNorm has no choice of statistics, and is measured as if they were
    running ones. Fakes framed as the real images say nothing, as earlier versions did."""
    flat: dict[str, Any] = {}
    for name, value in protocol.items():
        if name not in SAME_NUMBER and name not in across:
            flat |= {f"{name}.{key}": inner for key, inner in value.items()} if isinstance(value, Mapping) else {
                name: value}
    if flat.get("batchnorm") == "none":
        flat["batchnorm"] = "running"
    if flat.get("fake_framing") is None:
        flat.pop("fake_framing", None)
    return flat


def difference(one: Column, other: Column, across: Sequence[str] = ()) -> str:
    """What keeps two columns of a metric apart, as a part of a sentence."""
    mine, others = that_binds(one.protocol, across), that_binds(other.protocol, across)
    names = [name for name in {**mine, **others} if mine.get(name) != others.get(name)]
    said = [f"{NAMES.get(name, name.replace('_', ' '))} ({_short(others.get(name))}, not {_short(mine.get(name))})"
            for name in names]
    if one.images and other.images and not _near(*_bounds(one, other)):
        said.append(f"images seen ({_span(other.images)}, not {_span(one.images)})")
    return ", ".join(said)


def _alike(values: Iterable[Measured], across: Sequence[str]) -> list[list[Measured]]:
    values, groups = [*values], {}
    known: dict[str, set[str]] = {}  # digests of the real images, beside an otherwise equal protocol
    for each in values:
        known.setdefault(_but_the_digest(each, across), set()).add(each.score.protocol.get(REFERENCE, ""))
    for each in values:
        rest = _but_the_digest(each, across)
        digests = known[rest] - {""}
        own = each.score.protocol.get(REFERENCE, "")
        own = next(iter(digests)) if not own and len(digests) == 1 else own  # older runs have not said
        groups.setdefault((rest, "" if REFERENCE in across else own), []).append(each)
    return [*groups.values()]


def _but_the_digest(measured: Measured, across: Sequence[str]) -> str:
    return repr(sorted(that_binds(measured.score.protocol, (*across, REFERENCE)).items()))


def _at_one_moment(values: list[Measured]) -> list[list[Measured]]:
    """Cut where images seen go beyond SAME_MOMENT of the least of their group."""
    groups: list[list[Measured]] = []
    for each in sorted(values, key=lambda value: value.images or 0):
        if groups and (each.images is None or _near(groups[-1][0].images, each.images)):
            groups[-1].append(each)
        else:
            groups.append([each])
    return groups


def _near(least: int, most: int) -> bool:
    return most <= least * (1 + SAME_MOMENT)


def _bounds(one: Column, other: Column) -> tuple[int, int]:
    return min(one.images[0], other.images[0]), max(one.images[1], other.images[1])


def _span(images: tuple[int, int]) -> str:
    return f"{images[0]:,}" if images[0] == images[1] else f"{images[0]:,} to {images[1]:,}"


def _short(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return WORDS[value]
    if isinstance(value, int):
        return f"{value:,}"
    words = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return words[:8] if len(words) == 64 and " " not in words else words  # a digest


def _letter(index: int) -> str:
    return chr(ord("A") + index) if index < 26 else f"{_letter(index // 26 - 1)}{chr(ord('A') + index % 26)}"

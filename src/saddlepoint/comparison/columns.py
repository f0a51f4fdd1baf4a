"""Groups measured values into columns. Values in one column may be ranked: they were measured by the same protocol,
after the same number of images. docs/metrics.md explains why."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from saddlepoint.metrics.comparable import FOLLOWING, MAY_DIFFER
from saddlepoint.runs.record import Run, Score

SAME_MOMENT = 0.01  # images seen may differ by this share, since a budget ends with a whole batch
FIELD_NAMES = {  # field of a protocol -> what sentences call it
    "extractor": "extractor", "digest": "extractor's weights", "resize": "resizing", "reference": "real data",
    "reference_digest": "real images", "num_real": "number of real images", "num_fake": "number of fakes",
    "ema": "averaged weights (EMA)", "batchnorm": "BatchNorm statistics", "image_size": "image size",
    "fake_framing": "framing of fakes", "reference_resize": "resizing of the reference",
    "truncation": "truncation of latents or styles", "settings.order": "order of the images",
    "settings.rule": "rule of modes",
}
REFERENCE = "reference_digest"
WORDS = {True: "yes", False: "no", None: "none"}


@dataclass(frozen=True)
class Measurement:
    """One value of one run."""

    run: Run
    score: Score
    images: int | None  # seen when it was measured; None: they do not decide about the column (value=best)


@dataclass(frozen=True)
class Column:
    """Values of one metric that may be ranked together."""

    metric: str  # with its extractor, e.g. fid_digits
    letter: str  # A, B, ... where a metric has several columns; else empty
    protocol: Mapping[str, Any]  # of its first value
    values: tuple[Measurement, ...]

    @property
    def title(self) -> str:
        return f"{self.metric} [{self.letter}]" if self.letter else self.metric

    @property
    def images(self) -> tuple[int, int] | None:
        """Returns the least and the most images seen when the values were measured; None for best checkpoints."""
        seen = [each.images for each in self.values if each.images is not None]
        return (min(seen), max(seen)) if seen else None


def group_into_columns(measurements: Iterable[Measurement], across: Sequence[str] = ()) -> list[Column]:
    """Returns the columns of all metrics; where a metric has several, the one with the most values comes first.

    `across` names fields of the protocol, or images_seen, in which the values of one column may differ.
    """
    by_metric: dict[str, list[Measurement]] = {}
    for measurement in measurements:
        by_metric.setdefault(measurement.score.name, []).append(measurement)
    columns = []
    for metric, values in by_metric.items():
        groups = _group_by_protocol(values, across)
        if "images_seen" not in across:
            groups = [part for group in groups for part in _group_by_images_seen(group)]
        groups.sort(key=len, reverse=True)
        letters = map(_letter, range(len(groups))) if len(groups) > 1 else ("",)
        columns += [Column(metric, letter, group[0].score.protocol, tuple(group))
                    for letter, group in zip(letters, groups, strict=True)]
    return columns


def binding_fields(protocol: Mapping[str, Any], across: Sequence[str] = ()) -> dict[str, Any]:
    """Returns the fields of a protocol that must be equal for two values to be compared, nested ones as `outer.inner`.

    A generator without BatchNorm has no statistics to choose; it counts as one with running statistics. The field
    fake_framing is absent where fakes are framed as the real images are, reference_resize where these are images, and
    truncation where there is none, since earlier versions did not write them.
    """
    flat: dict[str, Any] = {}
    for name, value in protocol.items():
        if name not in MAY_DIFFER:
            flat |= {f"{name}.{key}": inner for key, inner in value.items()} if isinstance(value, Mapping) else {
                name: value}
    if flat.get("batchnorm") == "none":
        flat["batchnorm"] = "running"
    for name in ("fake_framing", "reference_resize", "truncation"):
        if flat.get(name) is None:
            flat.pop(name, None)
    return {name: value for name, value in flat.items() if name not in (*FOLLOWING, *across)}


def describe_difference(one: Column, other: Column, across: Sequence[str] = ()) -> str:
    """Returns a phrase that says why the values of `other` are not in the column `one`."""
    ones, others = binding_fields(one.protocol, across), binding_fields(other.protocol, across)
    names = [name for name in {**ones, **others} if ones.get(name) != others.get(name)]
    phrases = [f"{FIELD_NAMES.get(name, name.replace('_', ' '))} "
               f"({_abbreviate(others.get(name))}, not {_abbreviate(ones.get(name))})" for name in names]
    if one.images and other.images and not _near(*_bounds(one, other)):
        phrases.append(f"images seen ({_span(other.images)}, not {_span(one.images)})")
    return ", ".join(phrases)


def _group_by_protocol(values: Sequence[Measurement], across: Sequence[str]) -> list[list[Measurement]]:
    """Groups values whose binding fields are equal. A value of an older run, which did not write the digest of the real
    images, joins the values that agree in everything else if these all have one digest."""
    groups = {}
    known: dict[str, set[str]] = {}  # binding fields without the digest -> the digests met beside them
    for each in values:
        known.setdefault(_key_without_digest(each, across), set()).add(each.score.protocol.get(REFERENCE, ""))
    for each in values:
        key = _key_without_digest(each, across)
        digests = known[key] - {""}
        digest = each.score.protocol.get(REFERENCE, "")
        if not digest and len(digests) == 1:
            digest = next(iter(digests))
        groups.setdefault((key, "" if REFERENCE in across else digest), []).append(each)
    return [*groups.values()]


def _key_without_digest(measurement: Measurement, across: Sequence[str]) -> str:
    return repr(sorted(binding_fields(measurement.score.protocol, (*across, REFERENCE)).items()))


def _group_by_images_seen(values: list[Measurement]) -> list[list[Measurement]]:
    """Groups values so that images seen exceed the least of their group by SAME_MOMENT at most."""
    groups: list[list[Measurement]] = []
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


def _abbreviate(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return WORDS[value]
    if isinstance(value, int):
        return f"{value:,}"
    words = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return words[:8] if len(words) == 64 and " " not in words else words  # a digest


def _letter(index: int) -> str:
    return chr(ord("A") + index) if index < 26 else f"{_letter(index // 26 - 1)}{chr(ord('A') + index % 26)}"

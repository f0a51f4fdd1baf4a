"""Prepares the page's section of pictures: those of every run side by side, with a slider through training."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase

from saddlepoint.comparison.report.pictures import Frame, select_pictures, timeline
from saddlepoint.comparison.report.rows import PageRow, seed
from saddlepoint.config.paths import at
from saddlepoint.runs.record import Run

BYTES = 9_000_000        # of all pictures of a page together, before base64, which makes them a third larger
MOST_KINDS = 4           # kinds of pictures shown: images, by_class, points, names of photographs that are enlarged
LATENTS = {"images": "callbacks.image_grid.count", "by_class": "callbacks.image_grid.per_class"}
TITLES = {"images": "Samples", "by_class": "By class, a row each",
          "points": "Points, their modes, and D over the plane"}


@dataclass(frozen=True)
class Figure:
    """One run's pictures through training; the script shows one of them at a time, at first the last."""

    row: PageRow
    seed: str
    latents: str  # letter of the latents that the pictures were drawn from; empty where all figures have the same
    frames: Sequence[Frame]

    @property
    def compressed(self) -> bool:
        return not all(frame.picture.exact for frame in self.frames)


@dataclass(frozen=True)
class Kind:
    """The figures of one kind of pictures."""

    title: str
    explanation: str  # which latents are shown; empty for pictures that are drawn from none
    small: bool       # grids of samples, against photographs
    figures: Sequence[Figure]


@dataclass(frozen=True)
class Pictures:
    """What the section shows."""

    kinds: Sequence[Kind]
    moments: Sequence[int]   # numbers of images seen at which there is a picture
    left_out: Sequence[str]  # kinds beyond MOST_KINDS


def pictures(rows: Sequence[PageRow]) -> Pictures | None:
    """Returns the pictures to show; None if no run wrote any."""
    series = [(row, run, kind, files) for row in rows for run in row.runs for kind, files in run.pictures().items()]
    kinds = sorted({kind for _, _, kind, _ in series}, key=lambda kind: (kind not in TITLES, kind != "images", kind))
    series = [each for each in series if each[2] in kinds[:MOST_KINDS]]
    most_bytes = None if fits(files for *_, files in series) else BYTES // len(series)
    timelines = [(row, run, kind, timeline(files, most_bytes)) for row, run, kind, files in series]
    timelines = [each for each in timelines if each[3]]
    if not timelines:
        return None
    moments = sorted({frame.images_seen for *_, frames in timelines for frame in frames})
    of_kind = [(kind, [each for each in timelines if each[2] == kind]) for kind in kinds]
    return Pictures([figures(kind, several) for kind, several in of_kind if several], moments, kinds[MOST_KINDS:])


def fits(timelines: Iterable[Sequence[tuple[int, Path]]]) -> bool:
    """Returns whether all files that are shown fit into the page as they are. A timeline is (images seen, file)."""
    size = 0
    for _, path in (frame for files in timelines for frame in select_pictures(files)):
        with suppress(OSError):  # the file is gone, and will be left out when it is to be read
            size += path.stat().st_size
    return size <= BYTES


def figures(kind: str, timelines: Sequence[tuple[PageRow, Run, str, list[Frame]]]) -> Kind:
    """Returns the figures of one kind of pictures. If runs drew them from different latents, each figure has a letter
    that says which, and the explanation lists the letters."""
    latents = [latents_of(run, kind) if kind in LATENTS else "" for _, run, *_ in timelines]
    letters = dict(zip(dict.fromkeys(latents), ascii_uppercase * len(latents), strict=False))
    if kind not in LATENTS:
        explanation = ""
    elif len(letters) == 1:
        explanation = f"Every grid shows the same latents, place by place: {latents[0]}."
    else:
        listed = "; ".join(f"{letter}: {each}" for each, letter in letters.items())
        explanation = f"Only grids of the same latents can be compared place by place. {listed}."
    return Kind(TITLES.get(kind, kind), explanation, kind in LATENTS,
                [Figure(row, seed(run), letters[each] if len(letters) > 1 else "", frames)
                 for (row, run, _, frames), each in zip(timelines, latents, strict=True)])


def latents_of(run: Run, kind: str) -> str:
    """Returns in words which latents a run's grid shows. Grids show the same latents if and only if the words are
    equal."""
    latents = {name: at(run.settings, f"model.latents.{name}") for name in ("size", "distribution", "low", "high")}
    distribution = latents["distribution"] or "of unknown distribution"
    if distribution == "uniform":
        distribution = f"uniform from {latents['low']} to {latents['high']}"
    elif distribution == "mixture":  # each run has learned its own
        distribution = f"from the mixture of {run.name}"
    count, grid_seed = at(run.settings, LATENTS[kind]), at(run.settings, "callbacks.image_grid.seed")
    return f"{count} latents of {latents['size']} numbers, {distribution}, seed {grid_seed}"

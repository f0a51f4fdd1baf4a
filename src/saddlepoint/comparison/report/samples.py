"""Builds the page's section of pictures: those of every run side by side, with a slider through training."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from string import ascii_uppercase

from saddlepoint.comparison.report.axes import format_images
from saddlepoint.comparison.report.markup import Html, element, html, join
from saddlepoint.comparison.report.pictures import Frame, select_pictures, timeline
from saddlepoint.comparison.report.rows import PageRow, paragraph, plural, section, seed
from saddlepoint.config.paths import at
from saddlepoint.runs.record import Run

BYTES = 11_000_000       # of all pictures of a page together, before base64, which makes them a third larger
MOST_KINDS = 4           # kinds of pictures shown: images, by_class, or the names of photographs that are enlarged
LATENTS = {"images": "callbacks.image_grid.count", "by_class": "callbacks.image_grid.per_class"}
TITLES = {"images": "Samples", "by_class": "By class, a row each"}


def pictures_section(rows: Sequence[PageRow]) -> Html:
    """Returns the section, or nothing if no run wrote pictures."""
    series = [(row, run, kind, pictures) for row in rows for run in row.runs
              for kind, pictures in run.pictures().items()]
    kinds = sorted({kind for _, _, kind, _ in series}, key=lambda kind: (kind not in TITLES, kind != "images", kind))
    series = [each for each in series if each[2] in kinds[:MOST_KINDS]]
    most_bytes = None if fits(pictures for *_, pictures in series) else BYTES // len(series)
    timelines = [(row, run, kind, timeline(pictures, most_bytes)) for row, run, kind, pictures in series]
    timelines = [each for each in timelines if each[3]]
    if not timelines:
        return html("")
    left_out = f" Not shown: {', '.join(kinds[MOST_KINDS:])}." if kinds[MOST_KINDS:] else ""
    moments = sorted({frame.images_seen for *_, frames in timelines for frame in frames})
    of_kind = [(kind, [each for each in timelines if each[2] == kind]) for kind in kinds]
    return section("Pictures", "pictures", paragraph(
        "The last picture of each run, and up to seven before it. Where this page would become too large they are "
        f"made smaller and compressed, which is said.{left_out}"), controls(moments),
        *(figures(kind, several) for kind, several in of_kind if several))


def controls(moments: Sequence[int]) -> Html:
    """Returns a slider over the numbers of images seen, and a box to show all of them; nothing for a single one."""
    last = len(moments) - 1
    slider = element("label", join("Moment: ", element("output", "the last picture of each run", id="moment-text")),
                     element("input", type="range", id="moment", min="0", max=last, value=last,
                             data_moments=" ".join(map(str, moments))), class_="slider")
    strips = element("label", element("input", type="checkbox", id="strips"), "All moments in a row", class_="beside")
    return element("div", slider if last else "", strips if last else "", class_="controls")


def fits(timelines: Iterable[Sequence[tuple[int, Path]]]) -> bool:
    """Returns whether all files that are shown fit into the page as they are. A timeline is (images seen, file)."""
    size = 0
    for _, path in (frame for pictures in timelines for frame in select_pictures(pictures)):
        with suppress(OSError):  # the file is gone, and will be left out when it is to be read
            size += path.stat().st_size
    return size <= BYTES


def figures(kind: str, timelines: Sequence[tuple[PageRow, Run, str, list[Frame]]]) -> Html:
    """Returns the figures of one kind of pictures. If runs drew them from different latents, each figure has a letter
    that says which, and a sentence lists the letters."""
    latents = [latents_of(run, kind) if kind in LATENTS else "" for _, run, *_ in timelines]
    letters = dict(zip(dict.fromkeys(latents), ascii_uppercase * len(latents), strict=False))
    if kind not in LATENTS:
        explanation = ""
    elif len(letters) == 1:
        explanation = f"Every grid shows the same latents, place by place: {latents[0]}."
    else:
        listed = "; ".join(f"{letter}: {each}" for each, letter in letters.items())
        explanation = f"Only grids of the same latents can be compared place by place. {listed}."
    each_figure = [figure(row, run, frames, f", latents {letters[each]}" if len(letters) > 1 else "")
                   for (row, run, _, frames), each in zip(timelines, latents, strict=True)]
    return join(element("h3", TITLES.get(kind, kind)), paragraph(explanation) if explanation else "",
                  element("div", *each_figure, class_="samples" if kind in LATENTS else "samples large"))


def latents_of(run: Run, kind: str) -> str:
    """Returns in words which latents a run's grid shows. Grids show the same latents if and only if the words are
    equal."""
    latents = {name: at(run.settings, f"model.latents.{name}") for name in ("size", "distribution", "low", "high")}
    distribution = latents["distribution"] or "of unknown distribution"
    if distribution == "uniform":
        distribution = f"uniform from {latents['low']} to {latents['high']}"
    count, grid_seed = at(run.settings, LATENTS[kind]), at(run.settings, "callbacks.image_grid.seed")
    return f"{count} latents of {latents['size']} numbers, {distribution}, seed {grid_seed}"


def figure(row: PageRow, run: Run, frames: Sequence[Frame], latents: str) -> Html:
    """Returns one run's pictures with a caption; the script shows one of them at a time, at first the last."""
    pictures = [element("span", picture(row, run, frame), element("small", format_images(frame.images_seen)),
                        class_="frame now" if frame is frames[-1] else "frame", data_at=frame.images_seen)
                for frame in frames]
    compressed = "" if all(frame.picture.exact for frame in frames) else ", compressed"
    caption = element("figcaption", element("b", f"#{row.number}, {seed(run)}"), f" {row.label}{latents}{compressed}",
                      element("span", ", ", element("span", f"{frames[-1].images_seen:,}", class_="at"), " images",
                              class_="moment"))
    return element("figure", element("div", *pictures, class_="frames"), caption, data_row=row.number)


def picture(row: PageRow, run: Run, frame: Frame) -> Html:
    address, width, height, exact = frame.picture
    return element("img", src=address, width=width, height=height, class_="exact" if exact else None,
                   loading="lazy", decoding="async",  # so the page opens in a third of the time
                   alt=f"Row {row.number}, {seed(run)}, after {plural(frame.images_seen, 'image')}")

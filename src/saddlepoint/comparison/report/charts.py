"""Draws line charts as inline SVG, which need no script; page.css colours them for light, dark and paper.

Each line has a colour, a dash pattern and its number at its end, so that lines can be distinguished without colours.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from saddlepoint.comparison.report.axes import (
    Axis,
    fit_axis,
    fit_axis_to_most,
    format_images,
    format_number,
    tick_labels,
)
from saddlepoint.comparison.report.markup import Html, escape_text
from saddlepoint.comparison.report.seed_bands import BandPoint, thin_out

COLOURS, DASHES = 6, 4   # page.css defines them: .colour-0 ... .dash-0 ...
MANY = "many"            # style of lines beyond those that can be distinguished: thin, grey, without a tag
LABEL_HEIGHT = 13        # units between tags at the ends of lines


@dataclass(frozen=True)
class Line:
    """A curve with a band, and how it looks."""

    points: Sequence[BandPoint]
    tag: str        # the text at its end
    name: str       # for screen readers and tooltips
    row: int        # number of its row; a row that is filtered out in the table disappears here too
    style: str      # classes of page.css, or MANY


@dataclass(frozen=True)
class Frame:
    """The sizes of a chart, in units of its picture, which the page scales."""

    width: int = 800
    height: int = 320
    left: int = 52             # margins
    right: int = 34
    top: int = 10
    bottom: int = 38
    x_ticks: int = 7           # about so many
    y_ticks: int = 5
    most_points: int = 240     # of one line
    most_in_all: int = 20_000  # of all lines together

    @property
    def inner_width(self) -> int:
        return self.width - self.left - self.right

    @property
    def inner_height(self) -> int:
        return self.height - self.top - self.bottom


WIDE = Frame()
SMALL = Frame(width=310, height=160, left=50, right=36, top=8, bottom=34, x_ticks=3, y_ticks=3, most_points=120)


def style_of(index: int) -> str:
    """Returns the classes of page.css for line 0, 1, 2, ...; those of the first 24 lines differ."""
    return f"colour-{index % COLOURS} dash-{(index + index // COLOURS) % DASHES}"


def chart(lines: Sequence[Line], title: str, frame: Frame = WIDE, may_be_logarithmic: bool = False,
          cut_spikes: bool = False) -> Html:
    """Returns a chart of the lines over images seen. `title`: what the vertical axis shows."""
    most = max(30, min(frame.most_points, frame.most_in_all // len(lines)))
    values = [value for line in lines for point in line.points for value in (point.low, point.high)]
    across = Axis(0, max(line.points[-1].images_seen for line in lines) or 1)
    up = fit_axis_to_most(values) if cut_spikes else fit_axis(values, may_be_logarithmic)
    lines = [replace(line, points=thin_out(line.points, most)) for line in lines]
    grey_first = sorted(lines, key=lambda line: line.style != MANY)
    curves = "".join(draw_line(line, across, up, frame) for line in grey_first)
    below = frame.height - 4
    return Html(
        f'<svg class="chart" viewBox="0 0 {frame.width} {frame.height}" role="img" '
        f'aria-label="{escape_text(summary(lines, title))}">{grid(across, up, frame)}'
        f'<text class="axis-title" x="{frame.left}" y="{below}">images seen</text>'
        f'<text class="axis-title note" x="{frame.left + frame.inner_width}" y="{below}">{beyond(values, up)}</text>'
        f'<svg x="{frame.left}" y="{frame.top}" width="{frame.inner_width}" height="{frame.inner_height}">'
        f"{curves}</svg>"
        f"{tags(lines, up, across, frame)}</svg>")


def summary(lines: Sequence[Line], title: str) -> str:
    """Returns what a screen reader says of the chart: its title, and the value at which each line ends."""
    ends = "; ".join(f"{line.name} ends at {format_number(line.points[-1].mean)}"
                     for line in lines if line.style != MANY)
    return f"{title} over images seen. {ends}"


def beyond(values: Sequence[float], up: Axis) -> str:
    """Returns what a reader cannot see from the ticks: that the scale is logarithmic, and how far cut spikes reach."""
    low, high = min(values), max(values)
    cut = [low] * (low < up.low) + [high] * (high > up.high)
    spikes = f"spikes to {' and '.join(map(format_number, cut))}" if cut else ""
    return ", ".join(filter(None, ["logarithmic scale" if up.logarithmic else "", spikes]))


def grid(across: Axis, up: Axis, frame: Frame) -> str:
    """Returns the ticks of both axes with their labels, and horizontal lines."""
    right, bottom = frame.left + frame.inner_width, frame.top + frame.inner_height
    parts = []
    ticks = up.ticks(frame.y_ticks)
    for tick, label in zip(ticks, tick_labels(ticks), strict=True):
        y = bottom - up.share(tick) * frame.inner_height
        parts.append(f'<path class="grid" d="M{frame.left} {y:.1f}H{right}"/>'
                     f'<text class="tick-y" x="{frame.left - 6}" y="{y + 4:.1f}">{label}</text>')
    for tick in across.ticks(frame.x_ticks):
        x = frame.left + across.share(tick) * frame.inner_width
        parts.append(f'<path class="grid tick" d="M{x:.1f} {bottom}v4"/>'
                     f'<text class="tick-x" x="{x:.1f}" y="{bottom + 16}">{format_images(tick)}</text>')
    return "".join(parts)


def draw_line(line: Line, across: Axis, up: Axis, frame: Frame) -> str:
    """Returns the line of means and the band around it; a single point becomes a dot."""
    def place(images_seen: float, value: float) -> str:
        share = min(max(up.share(value), -1), 2)  # far spikes need no long numbers
        return f"{across.share(images_seen) * frame.inner_width:.1f} {(1 - share) * frame.inner_height:.1f}"

    path = "L".join(place(point.images_seen, point.mean) for point in line.points)
    band = ""
    if line.style != MANY and any(point.high > point.low for point in line.points):
        upper = [place(point.images_seen, point.high) for point in line.points]
        lower = [place(point.images_seen, point.low) for point in reversed(line.points)]
        band = f'<path class="band" d="M{"L".join(upper + lower)}Z"/>'
    if len(line.points) == 1:
        path += "h.01"  # page.css rounds the ends of lines, so this is a dot
    return (f'<g class="line {line.style}" data-row="{line.row}"><title>{escape_text(line.name)}</title>'
            f'{band}<path class="middle" d="M{path}"/></g>')


def tags(lines: Sequence[Line], up: Axis, across: Axis, frame: Frame) -> str:
    """Returns each line's tag beside its last point, moved up or down so that none covers another."""
    def height(line: Line) -> float:
        return (1 - min(max(up.share(line.points[-1].mean), 0), 1)) * frame.inner_height

    ordered = sorted((line for line in lines if line.style != MANY), key=height)
    parts = []
    for line, y in zip(ordered, spread([height(line) for line in ordered], frame.inner_height), strict=True):
        x = frame.left + across.share(line.points[-1].images_seen) * frame.inner_width + 5
        parts.append(f'<text class="tag {line.style}" data-row="{line.row}" x="{x:.1f}" '
                     f'y="{frame.top + y + 4:.1f}">{escape_text(line.tag)}</text>')
    return "".join(parts)


def spread(heights: Sequence[float], room: float) -> list[float]:
    """Moves sorted heights apart, by LABEL_HEIGHT or as far as `room` permits, and as little as possible."""
    gap = min(LABEL_HEIGHT, room / max(len(heights), 1))
    placed: list[float] = []
    for height in heights:
        placed.append(max(height, placed[-1] + gap) if placed else height)
    limit = math.inf
    for index in range(len(placed) - 1, -1, -1):
        placed[index] = min(placed[index], limit if limit < math.inf else room)
        limit = placed[index] - gap
    return placed

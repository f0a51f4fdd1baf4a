"""Line charts as inline SVG: no script is needed to see them, page.css colours them for light, dark and paper.

A line has a colour, a dash pattern and its number at its end, so that it can be told without seeing colours.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from saddlepoint.comparison.report.axes import Axis, fitted, fitted_to_most, labels, written, written_images
from saddlepoint.comparison.report.markup import Html, escaped
from saddlepoint.comparison.report.seed_bands import BandPoint, thinned

COLOURS, DASHES = 6, 4   # page.css has them: .colour-0 ... .dash-0 ...
MANY = "many"
LABEL_HEIGHT = 13        # between tags at the ends of lines


@dataclass(frozen=True)
class Line:
    points: Sequence[BandPoint]
    tag: str        # written at its end
    name: str       # for screen readers and tooltips
    row: int        # of the table: what is filtered out there goes here too
    style: str      # classes of page.css; MANY: thin, grey, without a tag


@dataclass(frozen=True)
class Frame:
    """Sizes in units of the picture; the page scales it."""

    width: int = 800
    height: int = 320
    left: int = 52
    right: int = 34
    top: int = 10
    bottom: int = 38
    x_ticks: int = 7
    y_ticks: int = 5
    most_points: int = 240   # of a line
    most_in_all: int = 20_000  # of all lines of a chart

    @property
    def inner_width(self) -> int:
        return self.width - self.left - self.right

    @property
    def inner_height(self) -> int:
        return self.height - self.top - self.bottom


WIDE = Frame()
SMALL = Frame(width=310, height=160, left=50, right=36, top=8, bottom=34, x_ticks=3, y_ticks=3, most_points=120)


def style_of(index: int) -> str:
    """0, 1, 2, ... -> classes; the first 24 differ"""
    return f"colour-{index % COLOURS} dash-{(index + index // COLOURS) % DASHES}"


def chart(lines: Sequence[Line], title: str, frame: Frame = WIDE, may_be_logarithmic: bool = False,
          cut_spikes: bool = False) -> Html:
    """title: what the vertical axis shows; the horizontal one shows images seen"""
    most = max(30, min(frame.most_points, frame.most_in_all // len(lines)))
    values = [value for line in lines for point in line.points for value in (point.low, point.high)]
    across = Axis(0, max(line.points[-1].images_seen for line in lines) or 1)
    up = fitted_to_most(values) if cut_spikes else fitted(values, may_be_logarithmic)
    lines = [replace(line, points=thinned(line.points, most)) for line in lines]
    drawn = "".join(drawn_line(line, across, up, frame) for line in sorted(lines, key=lambda line: line.style != MANY))
    below = frame.height - 4
    return Html(
        f'<svg class="chart" viewBox="0 0 {frame.width} {frame.height}" role="img" '
        f'aria-label="{escaped(summary(lines, title))}">{grid(across, up, frame)}'
        f'<text class="axis-title" x="{frame.left}" y="{below}">images seen</text>'
        f'<text class="axis-title note" x="{frame.left + frame.inner_width}" y="{below}">{beyond(values, up)}</text>'
        f'<svg x="{frame.left}" y="{frame.top}" width="{frame.inner_width}" height="{frame.inner_height}">{drawn}</svg>'
        f"{tags(lines, up, across, frame)}</svg>")


def summary(lines: Sequence[Line], title: str) -> str:
    ends = "; ".join(f"{line.name} ends at {written(line.points[-1].mean)}" for line in lines if line.style != MANY)
    return f"{title} over images seen. {ends}"


def beyond(values: Sequence[float], up: Axis) -> str:
    """What is not to be seen from the ticks: a logarithmic scale, spikes that are cut"""
    low, high = min(values), max(values)
    cut = [low] * (low < up.low) + [high] * (high > up.high)
    spikes = f"spikes to {' and '.join(map(written, cut))}" if cut else ""
    return ", ".join(filter(None, ["logarithmic scale" if up.logarithmic else "", spikes]))


def grid(across: Axis, up: Axis, frame: Frame) -> str:
    right, bottom = frame.left + frame.inner_width, frame.top + frame.inner_height
    parts = []
    ticks = up.ticks(frame.y_ticks)
    for tick, label in zip(ticks, labels(ticks), strict=True):
        y = bottom - up.share(tick) * frame.inner_height
        parts.append(f'<path class="grid" d="M{frame.left} {y:.1f}H{right}"/>'
                     f'<text class="tick-y" x="{frame.left - 6}" y="{y + 4:.1f}">{label}</text>')
    for tick in across.ticks(frame.x_ticks):
        x = frame.left + across.share(tick) * frame.inner_width
        parts.append(f'<path class="grid tick" d="M{x:.1f} {bottom}v4"/>'
                     f'<text class="tick-x" x="{x:.1f}" y="{bottom + 16}">{written_images(tick)}</text>')
    return "".join(parts)


def drawn_line(line: Line, across: Axis, up: Axis, frame: Frame) -> str:
    def place(images_seen: float, value: float) -> str:
        share = min(max(up.share(value), -1), 2)  # far spikes need no long numbers
        return f"{across.share(images_seen) * frame.inner_width:.1f} {(1 - share) * frame.inner_height:.1f}"

    path = "L".join(place(point.images_seen, point.mean) for point in line.points)
    band = ""
    if line.style != MANY and any(point.high > point.low for point in line.points):
        there = [place(point.images_seen, point.high) for point in line.points]
        back = [place(point.images_seen, point.low) for point in reversed(line.points)]
        band = f'<path class="band" d="M{"L".join(there + back)}Z"/>'
    if len(line.points) == 1:
        path += "h.01"  # with round ends: a dot
    return (f'<g class="line {line.style}" data-row="{line.row}"><title>{escaped(line.name)}</title>'
            f'{band}<path class="middle" d="M{path}"/></g>')


def tags(lines: Sequence[Line], up: Axis, across: Axis, frame: Frame) -> str:
    """Each line's tag beside its last point, moved up or down so that none covers another"""
    def height(line: Line) -> float:
        return (1 - min(max(up.share(line.points[-1].mean), 0), 1)) * frame.inner_height

    ordered = sorted((line for line in lines if line.style != MANY), key=height)
    parts = []
    for line, y in zip(ordered, spread([height(line) for line in ordered], frame.inner_height), strict=True):
        x = frame.left + across.share(line.points[-1].images_seen) * frame.inner_width + 5
        parts.append(f'<text class="tag {line.style}" data-row="{line.row}" x="{x:.1f}" '
                     f'y="{frame.top + y + 4:.1f}">{escaped(line.tag)}</text>')
    return "".join(parts)


def spread(heights: Sequence[float], room: float) -> list[float]:
    """Sorted heights -> heights at least LABEL_HEIGHT apart, as near to the given ones as the room lets them"""
    apart = min(LABEL_HEIGHT, room / max(len(heights), 1))
    placed: list[float] = []
    for height in heights:
        placed.append(max(height, placed[-1] + apart) if placed else height)
    limit = math.inf
    for index in range(len(placed) - 1, -1, -1):
        placed[index] = min(placed[index], limit if limit < math.inf else room)
        limit = placed[index] - apart
    return placed

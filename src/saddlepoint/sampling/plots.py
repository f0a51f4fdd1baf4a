"""Draws charts as pictures: points, lines, arrows, bars and colour maps over two axes.

With Pillow alone, since runs draw them in training, on machines without a library for charts. Pictures are uint8
[3, height, width].
"""

import math
from collections.abc import Sequence

import numpy
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional as F

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")  # told apart by colour-blind eyes (Okabe and Ito 2008)
SIDE = 400                                  # pixels of a chart's width and height
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 26, 38   # pixels around the area that is drawn on
FINER = 2                                   # times as fine as the picture, of what is drawn, for smooth edges
LETTERS = 11                                # pixels of text
TICKS = 5                                   # numbers along an axis, about
# Ends and middle of the colour map: lightness and the two colour axes of OKLab, and what turns it into light.
NEGATIVE, MIDDLE, POSITIVE = (0.45, -0.03, -0.16), (0.97, 0.0, 0.0), (0.62, 0.12, 0.11)
OKLAB_TO_LMS = ((1.0, 0.3963377774, 0.2158037573), (1.0, -0.1055613458, -0.0638541728),
                (1.0, -0.0894841775, -1.2914855480))
LMS_TO_RGB = ((4.0767416621, -3.3077115913, 0.2309699292), (-1.2684380046, 2.6097574011, -0.3413193965),
              (-0.0041960863, -0.7034186147, 1.7076147010))

Limits = tuple[float, float, float, float]  # of x, low and high, and of y


class Chart:
    """An area with two axes, on which each method draws over what is there; `picture` returns the result.

    limits: lowest and highest x, lowest and highest y
    title, x, y: texts above the area, below it, and above the y axis
    """

    def __init__(self, limits: Limits, title: str = "", x: str = "", y: str = ""):
        self.limits, self.title, self.x, self.y = limits, title, x, y
        self.area = (LEFT * FINER, TOP * FINER, (SIDE - RIGHT) * FINER, (SIDE - BOTTOM) * FINER)
        self.canvas = Image.new("RGB", (SIDE * FINER, SIDE * FINER), "white")
        self.draw = ImageDraw.Draw(self.canvas)
        self.font = ImageFont.load_default(LETTERS * FINER)
        self.labels: list[tuple[str, str]] = []  # texts with their colours
        self.x_ticks = ticks(*limits[:2])

    def heat(self, values: Tensor, middle: float, reach: float) -> None:
        """Draws values [rows, columns] as colours over the whole area, the first row lowest: white at `middle`, blue
        below it and orange above, darkest at the distance `reach` and beyond."""
        colours = diverging((values - middle) / reach if reach else torch.zeros_like(values)).flip(0)
        left, top, right, bottom = self.area
        fine = Image.fromarray(colours.numpy()).resize((right - left, bottom - top), Image.Resampling.BILINEAR)
        self.canvas.paste(fine, (left, top))

    def points(self, places: Tensor, colour: str, radius: float = 1.5, label: str = "") -> None:
        """Draws a dot of this radius in pixels at each of the places [N, 2]; those outside of the area are left out."""
        reach = radius * FINER
        for x, y in self.pixels(places[self.is_inside(places)]).tolist():
            self.draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=colour)
        self._label(label, colour)

    def crosses(self, places: Tensor, colour: str, label: str = "") -> None:
        """Draws a small cross at each of the places [N, 2] within the area."""
        for x, y in self.pixels(places[self.is_inside(places)]).tolist():
            for across in (-1, 1):
                self.draw.line((x - 4 * FINER, y - 4 * across * FINER, x + 4 * FINER, y + 4 * across * FINER),
                               fill=colour, width=FINER)
        self._label(label, colour)

    def line(self, places: Tensor, colour: str, label: str = "") -> None:
        """Draws a line along the places [N, 2], up to where it leaves the area for good."""
        inside = self.is_inside(places).nonzero()
        if len(inside):
            last = inside[-1].item() + 2  # and one more place, so that the line is seen to leave
            self.draw.line([tuple(each) for each in self.pixels(places[:last]).tolist()], fill=colour,
                           width=round(1.5 * FINER))
        self._label(label, colour)

    def arrows(self, places: Tensor, directions: Tensor, colour: str = "#777777", longest: float = 18) -> None:
        """Draws an arrow at each of the places [N, 2] towards its direction [N, 2]; the fastest is `longest` pixels
        long, the others shorter by the root of their ratio, so that slow ones are seen as well."""
        scale = torch.tensor([self._per_unit(0), -self._per_unit(1)], dtype=directions.dtype)
        shown = directions * scale
        lengths = shown.norm(dim=1, keepdim=True)
        if not lengths.max() > 0:
            return
        tips = F.normalize(shown) * (lengths / lengths.max()).sqrt() * longest * FINER
        for (x, y), (along, up) in zip(self.pixels(places).tolist(), tips.tolist(), strict=True):
            end = (x + along, y + up)
            self.draw.line((x, y, *end), fill=colour, width=FINER)
            for turn in (2.6, -2.6):  # radians, to the sides of the head
                side = (math.cos(turn) * along - math.sin(turn) * up, math.sin(turn) * along + math.cos(turn) * up)
                self.draw.line((*end, end[0] + 0.35 * side[0], end[1] + 0.35 * side[1]), fill=colour, width=FINER)

    def bars(self, heights: Sequence[float], colour: str) -> None:
        """Draws a bar of each height from 0, the k-th around x = k."""
        self.x_ticks = [tick for tick in self.x_ticks if tick == round(tick)]
        for place, height in enumerate(heights):
            corners = torch.tensor([[place - 0.4, height], [place + 0.4, 0]], dtype=torch.float64)
            (left, top), (right, bottom) = self.pixels(corners).tolist()
            if height:
                self.draw.rectangle((left, min(top, bottom), right, max(top, bottom)), fill=colour)

    def level(self, y: float, colour: str, label: str = "") -> None:
        """Draws a horizontal line at a height."""
        self.line(torch.tensor([[self.limits[0], y], [self.limits[1], y]]), colour, label)

    def is_inside(self, places: Tensor) -> Tensor:
        """Returns for each of the places [N, 2] whether it lies within the limits, [N]."""
        low, high = (torch.tensor(self.limits[side::2], dtype=places.dtype) for side in (0, 1))
        return ((places >= low) & (places <= high)).all(1)

    def pixels(self, places: Tensor) -> Tensor:
        """Returns where places [N, 2] are on the canvas, far ones cut off, as Pillow takes no larger numbers."""
        left, _, _, bottom = self.area
        x = left + (places[:, 0].double() - self.limits[0]) * self._per_unit(0)
        y = bottom - (places[:, 1].double() - self.limits[2]) * self._per_unit(1)
        return torch.stack([x, y], 1).clamp(-SIDE * FINER, 2 * SIDE * FINER)

    def picture(self) -> Tensor:
        """Returns the chart with its axes and texts, uint8 [3, SIDE, SIDE]."""
        left, top, right, bottom = self.area
        for box in ((0, 0, left, SIDE * FINER), (0, 0, SIDE * FINER, top),
                    (right, 0, SIDE * FINER, SIDE * FINER), (0, bottom, SIDE * FINER, SIDE * FINER)):
            self.draw.rectangle(box, fill="white")  # what was drawn beyond the area
        self.draw.rectangle(self.area, outline="black", width=FINER)
        for tick in self.x_ticks:
            place = left + (tick - self.limits[0]) * self._per_unit(0)
            self._text((place, bottom + 3 * FINER), f"{tick:g}", "ma")
        for tick in ticks(*self.limits[2:]):
            self._text((left - 4 * FINER, bottom - (tick - self.limits[2]) * self._per_unit(1)), f"{tick:g}", "rm")
        self._text(((left + right) / 2, 6 * FINER), self.title, "ma")
        self._text(((left + right) / 2, (SIDE - 4) * FINER), self.x, "ms")
        self._text((3 * FINER, 6 * FINER), self.y, "la")
        for number, (label, colour) in enumerate(self.labels):
            place = (left + 6 * FINER, top + (5 + number * (LETTERS + 3)) * FINER)
            self.draw.rectangle(self.draw.textbbox(place, label, font=self.font, anchor="la"), fill="white")
            self._text(place, label, "la", colour)
        pixels = self.canvas.reduce(FINER)
        return torch.from_numpy(numpy.array(pixels)).permute(2, 0, 1)

    def _per_unit(self, axis: int) -> float:
        """Returns how many pixels of the canvas a unit of x (0) or y (1) is."""
        low, high = self.limits[2 * axis:2 * axis + 2]
        return (self.area[2 + axis] - self.area[axis]) / (high - low)

    def _label(self, label: str, colour: str) -> None:
        if label:
            self.labels.append((label, colour))

    def _text(self, place: tuple[float, float], text: str, anchor: str, colour: str = "black") -> None:
        self.draw.text(place, text, fill=colour, font=self.font, anchor=anchor)


def ticks(low: float, high: float) -> list[float]:
    """Returns round numbers from low to high, about TICKS of them, at distances of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = min((factor * power for factor in (1, 2, 5, 10)), key=lambda each: abs(math.log(each / rough)))
    numbers = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return [round(number * step, 12) for number in numbers]


def diverging(values: Tensor) -> Tensor:
    """Returns the colour of each value [..., ] in [-1, 1], uint8 [..., 3]: blue at -1, white at 0, orange at 1.

    Equal steps of a value look equally large: the colours go straight through OKLab (Ottosson 2020,
    https://bottosson.github.io/posts/oklab), whose distances are those that eyes see.
    """
    values = values.double().clamp(-1, 1).nan_to_num().unsqueeze(-1)
    ends = [torch.tensor(each, dtype=torch.float64) for each in (NEGATIVE, MIDDLE, POSITIVE)]
    lab = ends[1] + values.clamp(max=0) * (ends[1] - ends[0]) + values.clamp(min=0) * (ends[2] - ends[1])
    cones = (lab @ torch.tensor(OKLAB_TO_LMS, dtype=torch.float64).T) ** 3
    light = (cones @ torch.tensor(LMS_TO_RGB, dtype=torch.float64).T).clamp(0, 1)
    shown = torch.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)  # sRGB
    return (255 * shown).round().to(torch.uint8)


def lattice(limits: Limits, columns: int, rows: int | None = None) -> Tensor:
    """Returns places [rows * columns, 2] in the middle of equal cells, row by row from the lowest y, each from the
    lowest x; as many rows as columns by default."""
    x, y = ((torch.arange(count) + 0.5) / count * (high - low) + low for count, low, high in
            ((columns, *limits[:2]), (rows or columns, *limits[2:])))
    return torch.cartesian_prod(y, x).flip(1)


def beside(charts: Sequence[Tensor], columns: int) -> Tensor:
    """Arranges pictures of one size, uint8 [3, height, width], in rows of so many; places that stay empty are white."""
    empty = torch.full_like(charts[0], 255)
    filled = [*charts, *[empty] * (-len(charts) % columns)]
    return torch.cat([torch.cat(filled[first:first + columns], 2) for first in range(0, len(filled), columns)], 1)

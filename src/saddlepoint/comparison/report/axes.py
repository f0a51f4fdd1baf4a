"""Computes the axes of charts: their range, the places of their ticks, and the labels beside them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

MANY_TIMES = 12    # positive values whose largest is so many times the smallest get a logarithmic axis,
MOST_TIMES = 1e15  # unless it is so many times the smallest
MOST_DECADES = 7   # ticks of a logarithmic axis
SAME = 1e-9        # values that differ by a smaller share of the largest are drawn as one
UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class Axis:
    """The range of values that an axis shows."""

    low: float
    high: float
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """Returns the place of a value on the axis: 0 at its beginning, 1 at its end."""
        if self.logarithmic:
            value = max(value, 1e-300)
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self, count: int) -> list[float]:
        """Returns about `count` round numbers on the axis."""
        if self.logarithmic:
            ticks = self.decades()
            if len(ticks) >= 2:
                return ticks
        step = round_step((self.high - self.low) / count)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [index * step for index in range(first, last + 1)]

    def decades(self) -> list[float]:
        """Returns round numbers on a logarithmic axis, MOST_DECADES at most."""
        exponents = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for multiples in ((1, 2, 5), (1, 3), (1,)):
            ticks = [multiple * 10.0**exponent for exponent in exponents for multiple in multiples
                     if self.low <= multiple * 10.0**exponent <= self.high]
            if len(ticks) <= MOST_DECADES:
                break
        return ticks[::math.ceil(len(ticks) / MOST_DECADES)] if ticks else []


def round_step(step: float) -> float:
    """Returns the least number that is 1, 2 or 5 times a power of ten and not less than `step`."""
    power = 10.0 ** math.floor(math.log10(step))
    return next((multiple * power for multiple in (1, 2, 5) if step <= multiple * power * 1.0001), 10 * power)


def fit_axis(values: Sequence[float], may_be_logarithmic: bool = False) -> Axis:
    """Returns an axis that shows all values, with a little room at both ends."""
    low, high = min(values), max(values)
    if high - low < SAME * max(abs(low), abs(high)):
        low = high
    if may_be_logarithmic and low > 0 and MANY_TIMES * low < high < MOST_TIMES * low:
        return Axis(low / 1.08, high * 1.08, True)
    room = 0.04 * (high - low) or 0.05 * abs(high) or 1.0
    return Axis(low - room, high + room)


def fit_axis_to_most(values: Sequence[float]) -> Axis:
    """Returns an axis that leaves out spikes: the highest and the lowest 2 % of the values, if it would be more than
    twice as wide with them."""
    ordered = sorted(values)
    few = len(ordered) // 50
    middle = fit_axis(ordered[few:len(ordered) - few])
    everything = fit_axis(ordered)
    wide = everything.high - everything.low > 2 * (middle.high - middle.low)
    return middle if wide else everything


def tick_labels(ticks: Sequence[float]) -> list[str]:
    """Returns the numbers as texts with as few digits as make them differ."""
    for digits in range(2, 10):
        texts = [format_number(tick, digits) for tick in ticks]
        if len(set(texts)) == len(texts):
            break
    return texts


def format_number(value: float, digits: int = 3) -> str:
    """Returns a number with about `digits` significant digits: 1200 -> 1,200; 0.00012 -> 1.2e-4."""
    if value == 0:
        return "0"
    if not 1e-3 <= abs(value) < 1e6:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{int(exponent)}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def format_images(count: float) -> str:
    """Returns a number of images with a unit: 640000 -> 640k."""
    size, unit = next(((size, unit) for size, unit in UNITS if abs(count) >= size), (1, ""))
    return f"{count / size:.4g}{unit}"

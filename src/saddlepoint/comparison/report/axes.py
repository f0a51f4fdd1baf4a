"""Axes of charts: which range, where the ticks stand, and what is written beside them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

MANY_TIMES = 12  # a range of positive values this wide is drawn on a logarithmic axis
MOST_TIMES = 1e15
MOST_DECADES = 7  # ticks of a logarithmic axis
SAME = 1e-9       # values that differ by a smaller share are drawn as one
UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class Axis:
    low: float
    high: float
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """value -> where it stands on the axis: 0 at its beginning, 1 at its end"""
        if self.logarithmic:
            value = max(value, 1e-300)
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self, count: int) -> list[float]:
        """About `count` round numbers"""
        if self.logarithmic:
            ticks = self.decades()
            if len(ticks) >= 2:
                return ticks
        step = round_step((self.high - self.low) / count)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [index * step for index in range(first, last + 1)]

    def decades(self) -> list[float]:
        exponents = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for multiples in ((1, 2, 5), (1, 3), (1,)):
            ticks = [multiple * 10.0**exponent for exponent in exponents for multiple in multiples
                     if self.low <= multiple * 10.0**exponent <= self.high]
            if len(ticks) <= MOST_DECADES:
                break
        return ticks[::math.ceil(len(ticks) / MOST_DECADES)] if ticks else []


def round_step(step: float) -> float:
    """The next of 1, 2 or 5 times a power of ten"""
    power = 10.0 ** math.floor(math.log10(step))
    return next((multiple * power for multiple in (1, 2, 5) if step <= multiple * power * 1.0001), 10 * power)


def fitted(values: Sequence[float], may_be_logarithmic: bool = False) -> Axis:
    """An axis that shows all of the values, with a little room"""
    low, high = min(values), max(values)
    if high - low < SAME * max(abs(low), abs(high)):
        low = high
    if may_be_logarithmic and low > 0 and MANY_TIMES * low < high < MOST_TIMES * low:
        return Axis(low / 1.08, high * 1.08, True)
    room = 0.04 * (high - low) or 0.05 * abs(high) or 1.0
    return Axis(low - room, high + room)


def fitted_to_most(values: Sequence[float]) -> Axis:
    """As `fitted`, but a few spikes (up to 2 % of the values above, and below) do not decide about the range"""
    ordered = sorted(values)
    few = len(ordered) // 50
    middle = fitted(ordered[few:len(ordered) - few])
    everything = fitted(ordered)
    wide = everything.high - everything.low > 2 * (middle.high - middle.low)
    return middle if wide else everything


def labels(ticks: Sequence[float]) -> list[str]:
    """As short as they can be and still differ"""
    for digits in range(2, 10):
        texts = [written(tick, digits) for tick in ticks]
        if len(set(texts)) == len(texts):
            break
    return texts


def written(value: float, digits: int = 3) -> str:
    """1200 -> 1,200; 0.00012 -> 1.2e-4; with about `digits` significant digits"""
    if value == 0:
        return "0"
    if not 1e-3 <= abs(value) < 1e6:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{int(exponent)}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def written_images(count: float) -> str:
    """640000 -> 640k"""
    size, unit = next(((size, unit) for size, unit in UNITS if abs(count) >= size), (1, ""))
    return f"{count / size:.4g}{unit}"

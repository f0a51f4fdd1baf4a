"""The row that others are compared with."""

from collections.abc import Sequence
from dataclasses import replace

from saddlepoint.comparison.statistics import paired_difference, unpaired_difference
from saddlepoint.comparison.table import Cell, Row
from saddlepoint.config.rules import nearest
from saddlepoint.errors import RequestError


def find(asked: str | None, rows: Sequence[Row], settings: Sequence[str]) -> Row | None:
    """asked: a row's number, or setting=value of a setting that tells rows apart"""
    if asked is None:
        return None
    name, typed, value = asked.partition("=")
    if not typed:
        fitting = [row for row in rows if str(row.number) == asked.strip()]
        if not fitting:
            raise RequestError(f"baseline={asked} must be the number of a row, from 1 to {len(rows)}, or a setting and "
                               "its value, e.g. baseline=loss=hinge")
        return fitting[0]
    if name not in settings:
        raise RequestError(f"baseline={asked} must name a setting that rows differ in ({', '.join(settings) or 'none'})"
                           f"{nearest(name, settings)}, or the number of a row")
    place = settings.index(name)
    fitting = [row for row in rows if row.settings[place].replace(" ", "") == value.replace(" ", "")]
    if len(fitting) != 1:
        there = ", ".join(dict.fromkeys(row.settings[place] for row in rows))
        numbers = ", ".join(str(row.number) for row in fitting)
        raise RequestError(f"baseline={asked} fits rows {numbers}: type one of these numbers" if fitting else
                           f"baseline={asked} fits no row: {name} is {there}")
    return fitting[0]


def difference(cell: Cell | None, baseline: Cell | None) -> Cell | None:
    """Paired by seed where both have the same seeds: these share the order of the data and, networks being equal, the
    first weights."""
    if cell is None or baseline is None or cell is baseline:
        return cell
    values, others = ([each.score.value for each in each.values] for each in (cell, baseline))
    seeds, other_seeds = ([each.run.seed for each in each.values] for each in (cell, baseline))
    paired = seeds == other_seeds and None not in seeds and len(set(seeds)) == len(seeds)
    return replace(cell, difference=(paired_difference if paired else unpaired_difference)(values, others))

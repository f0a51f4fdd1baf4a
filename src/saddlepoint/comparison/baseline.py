"""Finds the baseline row of a table and computes the differences of other rows to it."""

from collections.abc import Sequence
from dataclasses import replace

from saddlepoint.comparison.statistics import paired_difference, unpaired_difference
from saddlepoint.comparison.table import Cell, Row
from saddlepoint.config.rules import nearest
from saddlepoint.errors import RequestError


def find_baseline(request: str | None, rows: Sequence[Row], settings: Sequence[str]) -> Row | None:
    """Returns the row that `baseline=` names, or None if the user named none.

    `request` is the number of a row (`2`) or a setting in which rows differ, with its value (`loss=hinge`). Raises a
    RequestError unless exactly one row fits.
    """
    if request is None:
        return None
    name, equals, value = request.partition("=")
    if not equals:
        matches = [row for row in rows if str(row.number) == request.strip()]
        if not matches:
            raise RequestError(f"baseline={request} must be the number of a row, from 1 to {len(rows)}, or a setting "
                               "and its value, e.g. baseline=loss=hinge")
        return matches[0]
    if name not in settings:
        raise RequestError(f"baseline={request} must name a setting that rows differ in "
                           f"({', '.join(settings) or 'none'}){nearest(name, settings)}, or the number of a row")
    place = settings.index(name)
    matches = [row for row in rows if row.settings[place].replace(" ", "") == value.replace(" ", "")]
    if len(matches) != 1:
        values = ", ".join(dict.fromkeys(row.settings[place] for row in rows))
        numbers = ", ".join(str(row.number) for row in matches)
        raise RequestError(f"baseline={request} fits rows {numbers}: type one of these numbers" if matches else
                           f"baseline={request} fits no row: {name} is {values}")
    return matches[0]


def with_difference(cell: Cell | None, baseline: Cell | None) -> Cell | None:
    """Returns the cell with its difference to the baseline's cell of the same column, where both have values.

    The difference is paired by seed if both rows have the same seeds: such runs share the order of the data and, where
    the networks are equal, the first weights.
    """
    if cell is None or baseline is None or cell is baseline:
        return cell
    values, baseline_values = ([each.score.value for each in side.values] for side in (cell, baseline))
    seeds, baseline_seeds = ([each.run.seed for each in side.values] for side in (cell, baseline))
    paired = seeds == baseline_seeds and None not in seeds and len(set(seeds)) == len(seeds)
    return replace(cell, difference=(paired_difference if paired else unpaired_difference)(values, baseline_values))

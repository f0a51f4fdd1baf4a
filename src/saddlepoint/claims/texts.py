"""Writes numbers, tables and commands for the pages of claims and reproductions."""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from saddlepoint.claims.results import Result
from saddlepoint.claims.running import without_repetition
from saddlepoint.claims.typed_words import Words
from saddlepoint.comparison.formats import markdown
from saddlepoint.comparison.layout import NOTHING, Sheet, Text
from saddlepoint.config.spelling import line

NUMBERS_FROM = 2  # the first column that is set flush right, where a table does not say


def figure(value: float | None) -> str:
    """Returns a number with three significant digits, whole ones as they are: 12.3, 0.0123, 12,300, 1000."""
    if value is None:
        return NOTHING
    if float(value).is_integer() and abs(value) < 1e6:
        return f"{value:.0f}"
    return f"{float(f'{value:.3g}'):,.10g}"


def span(interval: tuple[float, float] | None) -> str:
    return f"[{figure(interval[0])}, {figure(interval[1])}]" if interval else NOTHING


def estimate(value: float, interval: tuple[float, float] | None) -> str:
    """Returns a number and its interval, if it has one: 12.3 [10.1, 14.5]."""
    return f"{figure(value)} {span(interval)}" if interval else figure(value)


def probability(p: float | None) -> str:
    return NOTHING if p is None else "< 0.0001" if p < 0.0001 else f"{p:.2g}"


def middle(values: Sequence[float]) -> float | None:
    return median(values) if values else None


def table(header: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """Returns a Markdown table, of which the first `words` columns are texts and the others are set flush right."""
    lines = [tuple(Text(cell, number=place >= words) for place, cell in enumerate(line)) for line in (header, *rows)]
    return markdown(Sheet(lines[0], tuple(lines[1:]), words), ()).rstrip("\n")


def command(words: Words, seed: int = 0) -> str:
    """Returns the line that makes one run, as a code block of Markdown."""
    return f"    {line(['python', 'train.py', *without_repetition(words), f'seed={seed}'])}"


def commands(rows: Iterable[tuple[str, Words]]) -> str:
    """Returns the lines that make one run of each row, below the row's name."""
    return "\n".join(f"    # {name}\n{command(words)}" for name, words in rows)


def duration(minutes: float) -> str:
    """Returns a time of several runs: 45 minutes, 3.2 hours."""
    if minutes < 90:
        rounded = math.ceil(minutes)
        return f"{rounded} minute{'s' * (rounded != 1)}"
    return f"{minutes / 60:.1f} hours"


def total_minutes(runs: Iterable[Result]) -> float:
    return sum(run.minutes for run in runs if run.minutes is not None)


def made_on(runs: Sequence[Result]) -> str:
    """Returns what runs were made on: processors or cards, libraries, revisions and days."""
    machines = sorted({machine(run) for run in runs} - {""})
    versions = sorted({f"{name} {run.versions[name]}" for run in runs for name in ("torch", "saddlepoint")
                       if name in run.versions})
    revisions = sorted({run.revision[:8] for run in runs if run.revision})
    days = sorted({run.started[:10] for run in runs if run.started})
    parts = [", ".join(machines), ", ".join(versions), f"revision {', '.join(revisions)}" if revisions else "",
             f"{days[0]} to {days[-1]}" if days[:-1] else "".join(days)]
    return "; ".join(filter(None, parts))


def machine(run: Result) -> str:
    cards = [name for name in run.devices if name != "CPU"]
    return ", ".join(sorted({*cards})) or run.processor


def failures(reasons: Mapping[tuple[str, int], str]) -> list[str]:
    """Returns a sentence for each run without a value. Keys: its row or arm, and its seed."""
    return [f"{name}, seed {seed}: {' '.join(why.split()).rstrip('.')}." for (name, seed), why in reasons.items()]

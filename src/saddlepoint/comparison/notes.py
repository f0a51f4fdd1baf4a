"""Writes the sentences under a table: what its numbers are, and what a reader should not conclude from them."""

from collections.abc import Iterator
from statistics import fmean

from saddlepoint.comparison.columns import describe_difference
from saddlepoint.comparison.rows import ALWAYS_CHOSEN
from saddlepoint.comparison.statistics import MOST_EXACT
from saddlepoint.comparison.table import Cell, Table
from saddlepoint.comparison.values import curve
from saddlepoint.config.paths import at
from saddlepoint.data.describing import listed
from saddlepoint.metrics.comparable import perfect_value
from saddlepoint.runs.data_identity import ASSUMED
from saddlepoint.runs.record import Gathered, Run

MOST_NAMED = 12
WHICH = {
    "last": "the last value of a completed run",
    "best": "the value of a run's best checkpoint by its first metric (the best of several measurements is too good)",
}
TESTS = {  # (paired by seed, exact) -> how the permutation test was done
    (True, True): "all sign flips of differences paired by seed",
    (False, True): "all ways to deal the values of both rows",
    (True, False): f"{MOST_EXACT:,} random sign flips of differences paired by seed",
    (False, False): f"{MOST_EXACT:,} random ways to deal the values of both rows",
}


def notes(table: Table, gathered: Gathered) -> list[str]:
    """Returns the sentences to print under a table of the gathered runs, the most general first."""
    return [*_in_common(table), *_what_values_are(table), *_columns(table), *_rows(table), *_costs(table),
            *_baseline(table), *_published(table), *_problems(gathered)]


def _in_common(table: Table) -> Iterator[str]:
    """Yields the choices that all rows share, so that the table can be read without the command that made it."""
    runs = [row.runs[0] for row in table.rows]
    shared = [f"{group}={runs[0].choices[group]}" for group in ALWAYS_CHOSEN if runs and group in runs[0].choices
              and group not in table.differences.settings + table.differences.brought_along
              and runs[0].choices[group] is not None]
    tricks = runs[0].settings.get("trick") if runs and "trick" not in table.differences.settings else None
    if tricks:
        shared.append(f"trick=[{','.join(tricks)}]")
    if shared:
        yield f"All rows: {', '.join(shared)}."


def _what_values_are(table: Table) -> Iterator[str]:
    """Yields which measurement the values are, and what stands in brackets behind them."""
    which = WHICH.get(table.question.value) or f"the first value after {table.question.value:,} images"
    most = max((cell.summary.count for cell in _cells(table)), default=0)
    if most > 1:
        yield (f"Each number is {which}: mean over seeds, (sample standard deviation over seeds), "
               "[95 % interval of the mean, Student's t].")
    elif most:
        yield f"Each number is {which}, of one seed: one seed has no interval, and says little about a recipe."
    else:
        yield f"No run has a value to show: asked for was {which}."
    if any(cell.rank == 1 for cell in _cells(table)):
        yield "The best mean of a column is marked; overlapping intervals say that it may be chance."


def _columns(table: Table) -> Iterator[str]:
    """Yields why a metric has several columns, after how many images it was measured, and how else rows differ."""
    metrics: dict[str, list[str]] = {}  # the explanation -> the metrics that it is true of
    for metric in dict.fromkeys(column.metric for column in table.columns):
        first, *others = [column for column in table.columns if column.metric == metric]
        phrases = [f"[{other.letter}] differs from [{first.letter}] in "
                   f"{describe_difference(first, other, table.question.across)}" for other in others]
        metrics.setdefault("; ".join(phrases), []).append(metric)
    yield from (f"Columns of {' and of '.join(names)} do not compare: {explanation}."
                for explanation, names in metrics.items() if explanation)
    if table.question.across:
        yield f"Asked for with across=: values of one column may differ in {', '.join(table.question.across)}."
    yield from _moments(table)
    yield from _perfect(table)
    along = table.differences.brought_along
    if along:
        more = f" and {len(along) - MOST_NAMED} more" if len(along) > MOST_NAMED else ""
        yield f"Rows also differ in what comes with the choices above: {', '.join(along[:MOST_NAMED])}{more}."


def _moments(table: Table) -> Iterator[str]:
    bounds = {column.title: column.images for column in table.columns if column.images}
    spans = {title: f"{least:,}" + (f" to {most:,}" if most > least else "") for title, (least, most) in bounds.items()}
    if len({*spans.values()}) == 1:
        yield f"Measured after {next(iter(spans.values()))} images."
    elif spans:
        yield f"Measured after images: {', '.join(f'{title} {span}' for title, span in spans.items())}."
    elif table.columns:
        yield "Best checkpoints have seen different numbers of images."


def _perfect(table: Table) -> Iterator[str]:
    """Yields what a perfect generator would have, where it is known."""
    known = []
    for column in table.columns:
        found = [value for each in column.values if (value := perfect_value(each.score.details)) is not None]
        if found:
            known.append(f"{column.title} {fmean(found):.4g}")
    if known:
        yield f"A perfect generator, measured on as many fakes, would have {', '.join(known)}."


def _rows(table: Table) -> Iterator[str]:
    """Yields which runs and values are missing from the rows, and why."""
    for row in table.rows:
        if isinstance(table.question.value, int) and not any(row.cells):
            moments = sorted({images for run in row.runs for score in run.metrics for images, _ in curve(run, score)},
                             key=lambda images: abs(images - table.question.value))
            nearest = f"; nearest were {' and '.join(f'{each:,}' for each in moments[:2])}" if moments else ""
            yield f"Row {row.number} was not measured after {table.question.value:,} images{nearest}."
        incomplete = [run for run in row.runs if run.state != "completed"]
        for run in incomplete:
            reason = f": {_sentence(run.reason)}" if run.reason else ""
            yield f"Row {row.number}, {_run_name(run)} {run.state}{reason}."
        missing = [column.title for column, cell in zip(table.columns, row.cells, strict=True)
                   if cell and 0 < cell.summary.count < row.states["completed"]]
        if missing:
            yield f"Row {row.number} has fewer seeds of {', '.join(missing)} than it has completed runs."
    lacking = [(run, score) for row in table.rows for run in row.runs for score in run.metrics if score.value is None]
    if not_finite := [f"{run.name} ({score.name})" for run, score in lacking if not score.reason]:
        yield f"Not finite, and left out: {', '.join(not_finite)}."
    for run, score in lacking:
        if score.reason:
            yield f"{run.name} has no {score.name}: {_sentence(score.reason)}."


def _costs(table: Table) -> Iterator[str]:
    timed = [run for row in table.rows for run in row.runs if run.cost.seconds is not None]
    places, devices = {(run.host, run.threads) for run in timed}, {run.devices for run in timed if run.devices}
    if len(places) > 1 or len(devices) > 1:
        yield "Times do not compare: runs had different machines, devices or numbers of threads."


def _baseline(table: Table) -> Iterator[str]:
    differences = [cell.difference for cell in _cells(table) if cell.difference]
    if not table.baseline:
        return
    if not differences:
        yield f"No row compares with the baseline, row {table.baseline.number}: none has values in a column with it."
        return
    kinds = {(each.paired, each.exact) for each in differences}
    tests = [words for kind, words in TESTS.items() if kind in kinds]
    smallest = sorted({each.smallest_p for each in differences})
    yield (f"Δ is the difference to row {table.baseline.number}; p is two-sided, of a permutation test "
           f"({'; '.join(tests)}). The smallest p possible with these seeds is "
           f"{' or '.join(f'{p:.2g}' for p in smallest)}"
           + (": no difference can reach 0.05." if smallest[0] > 0.05 else "."))
    if len(differences) > 1:
        yield f"{len(differences)} differences were tested, and p is not corrected for that."


def _published(table: Table) -> Iterator[str]:
    for published in {id(cell.published): cell.published for cell in _cells(table) if cell.published}.values():
        protocol = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in published.protocol.items())
        known = f"tolerance ± {published.tolerance:g}" if published.tolerance is not None else "no spread is told"
        if published.summary and published.summary.deviation is not None:
            known = f"mean ± standard error [95 % interval of the mean] of {published.summary.count} runs"
        yield (f"Published {published.metric} {published.words} ({known}" + (f"; {protocol}" if protocol else "")
               + f"): {published.source}.")


def _problems(gathered: Gathered) -> Iterator[str]:
    """Yields how many directories have which problem, then each problem, then the runs whose data are not known."""
    counts = gathered.counted()
    if counts:
        runs = f"{len(gathered.runs)} run{'s' * (len(gathered.runs) != 1)}"
        yield f"Gathered: {runs}; {', '.join(f'{count} {kind}' for kind, count in counts.items())}."
    yield from (f"Note: {problem.text}." for problem in gathered.problems)
    every = (*gathered.runs, *gathered.duplicates)
    unrecorded = [run.name for run in every if (not run.data or run.data.get(ASSUMED))
                  and at(run.settings, "data.root") is not None]
    if unrecorded and len(every) > 1:
        yield f"What was trained on is not recorded of {listed(unrecorded)}: compared by settings alone."


def _cells(table: Table) -> list[Cell]:
    return [cell for row in table.rows for cell in row.cells if cell]


def _run_name(run: Run) -> str:
    return f"seed {run.seed} ({run.name})"


def _sentence(reason: str) -> str:
    return " ".join(reason.split()).rstrip(".")[:200]

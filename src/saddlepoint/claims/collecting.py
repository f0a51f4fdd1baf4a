"""Finds the runs that claims and reproductions need below a folder, and reads what they came to."""

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

from saddlepoint.claims.measures import Measure, read_all
from saddlepoint.claims.recipes import recorded
from saddlepoint.claims.results import COMPLETED, Result
from saddlepoint.claims.typed_words import Words, effective, of_command, of_recipe
from saddlepoint.environment import CHANGED, processor
from saddlepoint.metrics.comparable import perfect_value
from saddlepoint.runs import reading
from saddlepoint.runs.gathering import gather
from saddlepoint.runs.record import Run, Start


def find_results(folder: Path, measures: Mapping[Words, Sequence[Measure]]) -> list[Result]:
    """Returns what the runs of `find_runs` came to."""
    return [result_of(run, wanted) for run, wanted in find_runs(folder, measures)]


def find_runs(folder: Path, measures: Mapping[Words, Sequence[Measure]]) -> list[tuple[Run, Sequence[Measure]]]:
    """Returns the runs at or below a folder whose typed words are among those of `measures` (effective words -> what is
    read of such a run), or have the same recipe; each with its measures."""
    if not folder.is_dir():
        return []
    gathered = gather([folder])
    by_recipe = {of_recipe(words): words for words in measures}
    runs = []
    for run in (*gathered.runs, *gathered.duplicates):  # two that were watched otherwise count as duplicates there
        typed = words_of(run)
        wanted = typed if typed in measures else by_recipe.get(of_recipe(typed))
        if typed and wanted is not None and run.seed is not None:
            runs.append((run, measures[wanted]))
    return runs


def words_of(run: Run) -> Words:
    """Returns the effective words of a run: those that it was started with, and those of later starts, which come in
    their places."""
    return effective([word for line in (*(each.command for each in run.earlier_starts), run.command)
                      for word in of_command(line)])


def result_of(run: Run, measures: Sequence[Measure]) -> Result:
    """Returns what a run came to, with the last value of each of its metrics and what `measures` read."""
    is_completed = run.state == COMPLETED
    final = {score.name: score.value for score in run.metrics if score.value is not None} if is_completed else {}
    values, lacking = read_all(run, measures) if is_completed else ({}, {})
    perfect = {score.name: perfect_value(score.details) for score in run.metrics if is_completed}
    floors = {name: value for name, value in perfect.items() if value is not None}
    weights = {score.name: reading.text(score.protocol, "digest") for score in run.metrics if score.name in final}
    starts = [*run.earlier_starts, Start(run.command, run.revision, run.changes)]
    revisions = [each.revision.partition(CHANGED)[0] for each in starts]
    return Result(
        words_of(run), run.seed, run.state, run.reason, run.images_seen, run.started,
        revisions[-1], changes_of(starts),
        *(each / 60 if each is not None else None for each in (run.cost.seconds, run.cost.processor_seconds)),
        run.processor or (processor() if run.host == platform.node() else ""), run.devices, dict(run.versions),
        {**final, **values}, lacking, floors, recorded(run.settings),
        tuple(sorted({*revisions[:-1]} - {revisions[-1]})), {name: text for name, text in weights.items() if text})


def changes_of(starts: Sequence[Start]) -> Words | None:
    """Returns the files that differed from the revision at any start; None if one of them has not recorded which."""
    changes = [each.changes if each.changes is not None else None if each.revision.endswith(CHANGED) else ()
               for each in starts]
    return None if None in changes else tuple(sorted({file for files in changes for file in files}))

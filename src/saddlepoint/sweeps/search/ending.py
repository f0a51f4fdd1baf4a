"""Reports the end of a search: a table of its trials, the best first, and the line that trains the best one again."""

import signal
from collections.abc import Mapping, Sequence

from saddlepoint.comparison.columns import FIELD_NAMES
from saddlepoint.config import spelling
from saddlepoint.errors import EndOfRun, Stopped
from saddlepoint.sweeps.display import ORDER, align, cells, counts
from saddlepoint.sweeps.jobs import Job, signal_name
from saddlepoint.sweeps.search.objective import Objective
from saddlepoint.sweeps.summary import complaint
from saddlepoint.sweeps.sweep import Request, SweepIncomplete

EXPECTED = ("completed", "pruned", "diverged", "refused")  # ends that belong to a search
COLUMNS = ("job", "state", "images", "score", "time", "settings")


def rank(jobs: Sequence[Job], values: Mapping[int, float], objective: Objective) -> list[Job]:
    """Returns the jobs in the order of the table: completed ones from the best to the worst, then pruned ones, those
    that saw most images first, then the others. `values`: number of a job -> its score."""
    sign = -1 if objective.direction == "maximize" else 1
    order = ("completed", "pruned", "diverged", *(state for state in ORDER if state not in EXPECTED), "refused")
    return sorted(jobs, key=lambda job: (order.index(job.state), sign * values.get(job.number, 0.0), -job.images_seen))


def table(jobs: Sequence[Job], values: Mapping[int, float], objective: Objective) -> str:
    """Returns a table of all trials, the best first; below it stands why some are not complete."""
    def row(job: Job) -> tuple[str, ...]:
        number, state, images, _, latest, time, _, settings = cells(job)
        score = f"{score_name(job, objective)} {values[job.number]:.4g}" if job.number in values else latest
        return number, state, images, score, time, settings

    in_order = rank(jobs, values, objective)
    return "\n".join([*align([COLUMNS, *map(row, in_order)]), *complaints(in_order)])


def complaints(jobs: Sequence[Job]) -> list[str]:
    """Returns lines that say why jobs are not complete. Ends that belong to a search take one line for all jobs that
    have the same reason."""
    jobs_by_end: dict[tuple[str, str], list[Job]] = {}
    for job in jobs:
        if job.state not in ("completed", "waiting"):
            jobs_by_end.setdefault((job.state, job.reason), []).append(job)
    lines = []
    for (state, reason), group in jobs_by_end.items():
        if state not in EXPECTED:
            lines += [line for job in group for line in complaint(job)]
        elif len(group) == 1:
            lines += complaint(group[0])[:1]
        else:
            lines.append(f"jobs {', '.join(str(job.number) for job in group)} {state}: {reason}")
    return lines


def score_name(job: Job, objective: Objective) -> str:
    """Returns the objective's name in a job's metrics.csv, with its extractor."""
    return objective.points(job.directory)[0]


def best_job(jobs: Sequence[Job], values: Mapping[int, float], objective: Objective) -> Job | None:
    return next((job for job in rank(jobs, values, objective) if job.number in values), None)


def protocol_conflict(jobs: Sequence[Job], values: Mapping[int, float], objective: Objective) -> str:
    """Returns a sentence that says why no best trial can be named: scores were measured by different protocols. Empty
    if they were not."""
    protocols = {job.number: objective.protocol(job.directory) for job in jobs if job.number in values}
    protocols = {number: protocol for number, protocol in protocols.items() if protocol}
    fields = dict.fromkeys(field for protocol in protocols.values() for field in protocol)
    differing = [FIELD_NAMES.get(field, field.replace("_", " ")) for field in fields
                 if len({repr(protocol.get(field)) for protocol in protocols.values()}) > 1]
    if not differing:
        return ""
    first = next(iter(protocols.values()))
    others = ", ".join(str(number) for number, protocol in protocols.items() if protocol != first)
    return (f"No best trial is named: jobs {others} were measured otherwise than job {next(iter(protocols))} "
            f"({', '.join(differing)}), and scores of unlike protocol do not compare.")


def end_of(jobs: Sequence[Job], values: Mapping[int, float], objective: Objective, request: Request,
           stopped_by: signal.Signals | None, trials: int) -> tuple[str, EndOfRun | None]:
    """Returns the last words to print, and the end to report to the user; None if all went as it should."""
    repeated = f", and {trials - len(jobs)} trials had the settings of one of them" if trials > len(jobs) else ""
    message = f"{counts(jobs)}{repeated}: {request.directory / 'summary.json'}"
    conflict = protocol_conflict(jobs, values, objective)
    best = None if conflict else best_job(jobs, values, objective)
    if conflict:
        message += f"\n{conflict}"
    elif best:
        when = "at its end" if objective.value == "last" else "at its best"
        line = spelling.line([*request.called, *best.overrides])
        message = (f"{message}\nThe best, job {best.number}, has {score_name(best, objective)} "
                   f"{values[best.number]:.4g} {when}:\n  {line}")
    else:
        message += f"\nNo trial was completed, so {objective.metric} has no best one."
    if any(job.state in ("waiting", *request.again) for job in jobs) or stopped_by:
        message += f"\nTo go on:\n  {request.line}"
    if stopped_by:
        code = 130 if stopped_by == signal.SIGINT else 143
        return message, Stopped(f"Stopped by {signal_name(stopped_by)}. {message}", code)
    is_complete = best and all(job.state in EXPECTED for job in jobs)
    return message, None if is_complete else SweepIncomplete(message)

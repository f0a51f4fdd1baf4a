"""What a search has to say at its end: its trials, the best first, and the line that trains that one again."""

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from saddlepoint.comparison.columns import FIELD_NAMES
from saddlepoint.config import spelling
from saddlepoint.errors import EndOfRun, Stopped
from saddlepoint.sweeps.display import ORDER, aligned, cells, counts
from saddlepoint.sweeps.jobs import Job, name_of
from saddlepoint.sweeps.search.objective import Objective
from saddlepoint.sweeps.summary import complaint
from saddlepoint.sweeps.sweep import Request, SweepIncomplete

EXPECTED = ("completed", "pruned", "diverged", "refused")  # ends that belong to a search
COLUMNS = ("job", "state", "images", "score", "time", "settings")


def ranked(jobs: Sequence[Job], values: Mapping[int, float], objective: Objective) -> list[Job]:
    """Completed ones from the best on, then the pruned, those that came far first, then what else became of them"""
    sign = -1 if objective.direction == "maximize" else 1
    order = ("completed", "pruned", "diverged", *(state for state in ORDER if state not in EXPECTED), "refused")
    return sorted(jobs, key=lambda job: (order.index(job.state), sign * values.get(job.number, 0.0), -job.images_seen))


def table(jobs: Sequence[Job], values: Mapping[int, float], objective: Objective) -> str:
    def row(job: Job) -> tuple[str, ...]:
        number, state, images, _, latest, time, _, settings = cells(job)
        score = f"{name(job, objective)} {values[job.number]:.4g}" if job.number in values else latest
        return number, state, images, score, time, settings

    in_order = ranked(jobs, values, objective)
    return "\n".join([*aligned([COLUMNS, *map(row, in_order)]), *complaints(in_order)])


def complaints(jobs: Sequence[Job]) -> list[str]:
    """Why jobs are not complete: what is to be expected in a line, once for all of whom it is true"""
    alike: dict[tuple[str, str], list[Job]] = {}
    for job in jobs:
        if job.state not in ("completed", "waiting"):
            alike.setdefault((job.state, job.reason), []).append(job)
    lines = []
    for (state, reason), those in alike.items():
        if state not in EXPECTED:
            lines += [line for job in those for line in complaint(job)]
        elif len(those) == 1:
            lines += complaint(those[0])[:1]
        else:
            lines.append(f"jobs {', '.join(str(job.number) for job in those)} {state}: {reason}")
    return lines


def name(job: Job, objective: Objective) -> str:
    return objective.points(job.directory)[0]


def best_of(jobs: Sequence[Job], values: Mapping[int, float], objective: Objective) -> Job | None:
    return next((job for job in ranked(jobs, values, objective) if job.number in values), None)


def unlike(jobs: Sequence[Job], values: Mapping[int, float], objective: Objective) -> str:
    """Why completed trials have no best one, in a sentence; empty: their scores are of one protocol"""
    known = {job.number: objective.protocol(job.directory) for job in jobs if job.number in values}
    known = {number: protocol for number, protocol in known.items() if protocol}
    names = dict.fromkeys(name for protocol in known.values() for name in protocol)
    apart = [FIELD_NAMES.get(name, name.replace("_", " ")) for name in names
             if len({repr(protocol.get(name)) for protocol in known.values()}) > 1]
    if not apart:
        return ""
    first = next(iter(known.values()))
    others = ", ".join(str(number) for number, protocol in known.items() if protocol != first)
    return (f"No best trial is named: jobs {others} were measured otherwise than job {next(iter(known))} "
            f"({', '.join(apart)}), and scores of unlike protocol do not compare.")


def end_of(jobs: Sequence[Job], values: Mapping[int, float], objective: Objective, request: Request,
           stopped_by: signal.Signals | None, trials: int) -> tuple[str, EndOfRun | None]:
    """-> what is said last, and the end that it is; None: as it should be"""
    repeated = f", and {trials - len(jobs)} trials had the settings of one of them" if trials > len(jobs) else ""
    message = f"{counts(jobs)}{repeated}: {request.directory / 'summary.json'}"
    apart = unlike(jobs, values, objective)
    best = None if apart else best_of(jobs, values, objective)
    if apart:
        message += f"\n{apart}"
    elif best:
        where = "at its end" if objective.value == "last" else "at its best"
        line = spelling.line(["python", Path(request.program[-1]).name, *best.overrides])
        message = (f"{message}\nThe best, job {best.number}, has {name(best, objective)} {values[best.number]:.4g} "
                   f"{where}:\n  {line}")
    else:
        message += f"\nNo trial was completed, so {objective.metric} has no best one."
    if any(job.state in ("waiting", *request.again) for job in jobs) or stopped_by:
        message += f"\nTo go on:\n  {request.line}"
    if stopped_by:
        code = 130 if stopped_by == signal.SIGINT else 143
        return message, Stopped(f"Stopped by {name_of(stopped_by)}. {message}", code)
    well = best and all(job.state in EXPECTED for job in jobs)
    return message, None if well else SweepIncomplete(message)

"""From directories to runs: reading each, and saying what is odd about them."""

import os
import platform
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from saddlepoint.runs import reading
from saddlepoint.runs.data_identity import ASSUMED, digest
from saddlepoint.runs.finding import Finder
from saddlepoint.runs.recipe import recipe_key
from saddlepoint.runs.record import Cost, Gathered, Problem, Run, score, scores


def gather(paths: Iterable[str | Path]) -> Gathered:
    """All runs at or below directories (runs/, multirun/..., single runs) and globs. Never raises for a bad one: what
    cannot be used is a problem."""
    finder = Finder(paths)
    problems, directories = finder.problems, sorted(finder.directories, key=_natural)
    home = Path(os.path.commonpath([path.parent for path in directories])) if directories else Path()
    found = [_read(path, str(path.relative_to(home)), problems) for path in directories]
    runs, duplicates = _each_once(_with_known_data([run for run in found if run]), problems)
    _name_versions(runs, problems)
    return Gathered(tuple(runs), tuple(problems), tuple(duplicates))


def _read(path: Path, name: str, problems: list[Problem]) -> Run | None:
    """None: nothing can be said of it without its settings."""
    def read(file: str, reader: Callable[[Path], Mapping[str, Any]] = reading.read_json) -> Mapping[str, Any] | None:
        try:
            return reader(path / file)
        except reading.Unreadable as reason:
            complaints.append(str(reason))
            return None

    complaints: list[str] = []
    config = read("config.yaml", reading.read_yaml)
    if config is None:
        problems.append(Problem("unreadable", f"{name} is left out: {complaints[0]}", (path,)))
        return None
    status, environment = read("status.json") or {}, read("environment.json") or {}
    begun = reading.text(status, "state") == "running" and not (path / "metrics.json").exists()
    metrics = {} if begun else read("metrics.json") or {}
    run = _run(path, name, config, status, environment, metrics)
    if run.state == "killed":
        complaints.append("it says that it is running, and its process is gone (resume= goes on with it)")
    if complaints:
        problems.append(Problem("incomplete", f"{name}: {'; '.join(complaints)}", (path,)))
    elif run.state == "completed" and not run.metrics:
        problems.append(Problem("without a score", f"{name} is completed, and no score was measured", (path,)))
    return run


def _run(path: Path, name: str, config: Mapping, status: Mapping, environment: Mapping, metrics: Mapping) -> Run:
    state = reading.text(status, "state") or "unknown"
    cost = reading.mapping(metrics, "cost")
    return Run(
        path, name,
        settings={key: value for key, value in config.items() if key != "choices"},
        choices=reading.mapping(config, "choices"),
        state="killed" if state == "running" and _is_gone(environment) else state,
        reason=reading.text(status, "reason"),
        images_seen=reading.count(status, "images_seen"),
        seed=reading.count(config, "seed"),
        command=reading.text(environment, "command"),
        versions=_versions(environment),
        revision=reading.text(environment, "revision"),
        host=reading.text(environment, "host"),
        threads=reading.count(environment, "threads"),
        data=reading.mapping(environment, "data"),
        metrics=scores(metrics),
        best=score(metrics.get("best")),
        cost=Cost(reading.finite(cost, "seconds"), reading.finite(cost, "images_per_second"),
                  {network: number for network, number in reading.mapping(cost, "parameters").items()
                   if isinstance(number, int)},
                  reading.count(cost, "peak_memory_bytes")))


def _versions(environment: Mapping[str, Any]) -> dict[str, str]:
    python = {"python": reading.text(environment, "python")} if reading.text(environment, "python") else {}
    return python | {str(name): str(version) for name, version in reading.mapping(environment, "versions").items()}


def _is_gone(environment: Mapping[str, Any]) -> bool:
    """The process, where it was on this machine; of another nothing is known."""
    process = reading.count(environment, "process")
    if not process or reading.text(environment, "host") != platform.node():
        return False
    try:
        os.kill(process, 0)  # asks whether it is there; 0 is no signal
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:
        return False  # it is there, and somebody else's
    return False


def _natural(path: Path) -> list[tuple[int, str]]:
    """Jobs 0 to 12 of a sweep in this order, and not 0, 1, 10, 11, 12, 2"""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", str(path))]


def _with_known_data(runs: list[Run]) -> list[Run]:
    """Runs that have not said what they were trained on compare by their settings alone, as one row with those of the
    same settings that have, unless these were trained on several sets."""
    known: dict[Any, dict[str, Mapping[str, Any]]] = {}
    for run in runs:
        if run.data:
            known.setdefault(recipe_key(run.settings), {})[digest(run.data)] = run.data
    alike = {settings: {**next(iter(sets.values())), ASSUMED: True}
             for settings, sets in known.items() if len(sets) == 1}
    return [run if run.data else replace(run, data=alike.get(recipe_key(run.settings), {})) for run in runs]


def _each_once(runs: list[Run], problems: list[Problem]) -> tuple[list[Run], list[Run]]:
    """A seed that ran twice is no second seed: the run that got furthest stays."""
    groups: dict[Any, list[Run]] = {}
    for run in runs:
        groups.setdefault((recipe_key(run.settings, run.data), run.seed), []).append(run)
    kept, aside = [], []
    for group in groups.values():
        first, *others = sorted(group, key=lambda run: (run.state != "completed", -(run.images_seen or 0), run.name))
        kept.append(first)
        aside += others
        if others:
            said = f"set aside, with the settings and the seed of {first.name}: {_listed([run.name for run in others])}"
            problems.append(Problem("duplicate", said, tuple(run.path for run in others)))
    return sorted(kept, key=lambda run: _natural(run.path)), aside


def _name_versions(runs: list[Run], problems: list[Problem]) -> None:
    libraries = sorted({library for run in runs for library in run.versions})
    told = [run for run in runs if run.versions]
    for library in libraries:
        _name_difference(library, {run.path: run.versions.get(library, "none") for run in told}, runs, problems)
    _name_difference("the code (git revision)", {run.path: _short(run.revision) for run in told}, runs, problems)


def _name_difference(of: str, versions: Mapping[Path, str], runs: list[Run], problems: list[Problem]) -> None:
    """Each version with its runs; the paths are those of all but the commonest."""
    having: dict[str, list[Run]] = {}
    for run in runs:
        if run.path in versions:
            having.setdefault(versions[run.path], []).append(run)
    if len(having) < 2:
        return
    commonest, *others = sorted(having.items(), key=lambda each: -len(each[1]))
    said = [f"{commonest[0]} ({len(commonest[1])} runs)"]
    said += [f"{version} ({_listed([run.name for run in group])})" for version, group in others]
    problems.append(Problem("of another version", f"runs of different versions of {of}: {', '.join(said)}",
                            tuple(run.path for _, group in others for run in group)))


def _short(revision: str) -> str:
    digits, changes, _ = revision.partition("+changes")
    return digits[:8] + changes or "not known"


def _listed(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")

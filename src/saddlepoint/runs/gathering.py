"""Reads all runs at or below given directories, and reports problems with them."""

import os
import platform
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from saddlepoint.environment import CHANGED
from saddlepoint.runs import reading
from saddlepoint.runs.data_identity import ASSUMED, completed, digest
from saddlepoint.runs.finding import Finder
from saddlepoint.runs.recipe import recipe_key, with_digests_of_first_weights
from saddlepoint.runs.record import Cost, Gathered, Problem, Run, Start, score, scores


def gather(paths: Iterable[str | Path]) -> Gathered:
    """Returns all runs at or below `paths`: directories (runs/, multirun/..., single runs) and globs.

    A run that cannot be used raises no error; it is reported among the problems.
    """
    finder = Finder(paths)
    problems, directories = finder.problems, sorted(finder.directories, key=_natural_order)
    home = Path(os.path.commonpath([path.parent for path in directories])) if directories else Path()
    readable = [run for path in directories if (run := _read_run(path, str(path.relative_to(home)), problems))]
    runs, duplicates = _separate_duplicates(_with_assumed_data(readable), problems)
    _report_versions(runs, problems)
    return Gathered(tuple(runs), tuple(problems), tuple(duplicates))


def _read_run(path: Path, name: str, problems: list[Problem]) -> Run | None:
    """Returns the run in a directory and adds what is wrong with it to `problems`; None if its settings cannot be
    read."""
    def read(file: str, reader: Callable[[Path], Mapping[str, Any]] = reading.read_json) -> Mapping[str, Any] | None:
        try:
            return reader(path / file)
        except reading.Unreadable as reason:
            complaints.append(str(reason))
            return None

    complaints: list[str] = []
    config = read("config.yaml", reading.read_settings)
    if config is None:
        problems.append(Problem("unreadable", f"{name} is left out: {complaints[0]}", (path,)))
        return None
    status, environment = read("status.json") or {}, read("environment.json") or {}
    has_no_metrics_yet = reading.text(status, "state") == "running" and not (path / "metrics.json").exists()
    metrics = {} if has_no_metrics_yet else read("metrics.json") or {}
    run = _make_run(path, name, config, status, environment, metrics)
    if run.state == "killed":
        complaints.append("it says that it is running, and its process is gone (resume= goes on with it)")
    if complaints:
        problems.append(Problem("incomplete", f"{name}: {'; '.join(complaints)}", (path,)))
    elif run.state == "completed" and not run.metrics:
        problems.append(Problem("without a score", f"{name} is completed, and no score was measured", (path,)))
    return run


def _make_run(path: Path, name: str, config: Mapping, status: Mapping, environment: Mapping, metrics: Mapping) -> Run:
    state = reading.text(status, "state") or "unknown"
    cost = reading.mapping(metrics, "cost")
    return Run(
        path, name,
        settings=with_digests_of_first_weights({key: value for key, value in config.items() if key != "choices"},
                                               reading.mapping(environment, "first_weights")),
        choices=reading.mapping(config, "choices"),
        state="killed" if state == "running" and _process_is_gone(environment) else state,
        reason=reading.text(status, "reason"),
        images_seen=reading.count(status, "images_seen"),
        seed=reading.count(config, "seed"),
        command=reading.text(environment, "command"),
        versions=_versions(environment),
        revision=reading.text(environment, "revision"),
        host=reading.text(environment, "host"),
        threads=reading.count(environment, "threads"),
        changes=_changes(environment),
        extensions=_extensions(environment),
        started=reading.text(status, "started"),
        earlier_starts=tuple(map(_start, reading.mappings(environment, "earlier_starts"))),
        processor=reading.text(environment, "processor"),
        devices=reading.texts(reading.mapping(environment, "device"), "devices"),
        data=reading.mapping(environment, "data"),
        metrics=scores(metrics),
        best=score(metrics.get("best")),
        cost=Cost(reading.finite_number(cost, "seconds"), reading.finite_number(cost, "processor_seconds"),
                  reading.finite_number(cost, "images_per_second"),
                  {network: number for network, number in reading.mapping(cost, "parameters").items()
                   if isinstance(number, int)},
                  reading.count(cost, "peak_host_memory_bytes" if "peak_host_memory_bytes" in cost
                                else "peak_memory_bytes"),  # its name in earlier versions
                  reading.count(cost, "peak_device_memory_bytes")))


def _versions(environment: Mapping[str, Any]) -> dict[str, str]:
    python = {"python": reading.text(environment, "python")} if reading.text(environment, "python") else {}
    return python | {str(name): str(version) for name, version in reading.mapping(environment, "versions").items()}


def _extensions(environment: Mapping[str, Any]) -> dict[str, str]:
    recorded = reading.mappings(environment, "extensions")
    return {reading.text(each, "name"): reading.text(each, "code") for each in recorded if reading.text(each, "code")}


def _start(content: Mapping[str, Any]) -> Start:
    return Start(reading.text(content, "command"), reading.text(content, "revision"), _changes(content))


def _changes(content: Mapping[str, Any]) -> tuple[str, ...] | None:
    return reading.texts(content, "changes") if content.get("changes") is not None else None


def _process_is_gone(environment: Mapping[str, Any]) -> bool:
    """Returns whether the run's process has ended; False where this machine cannot know, since it ran on another."""
    process = reading.count(environment, "process")
    if not process or reading.text(environment, "host") != platform.node():
        return False
    try:
        os.kill(process, 0)  # sends no signal, and fails if there is no such process
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:
        return False  # the process exists, and belongs to another user
    return False


def _natural_order(path: Path) -> list[tuple[int, str]]:
    """Returns a sort key by which jobs 0 to 12 of a sweep stand in this order, and not as 0, 1, 10, 11, 12, 2."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", str(path))]


def _with_assumed_data(runs: list[Run]) -> list[Run]:
    """Gives runs that did not record their data the data of the runs with the same settings, marked as assumed, if
    these were all trained on one set. So they stand in one row; otherwise they are compared by their settings alone.
    Data of which an earlier version recorded less are taken for those that are equal in what it did record."""
    recorded = {digest(run.data): run.data for run in runs if run.data}
    whole = {key: completed(data, recorded.values()) for key, data in recorded.items()}
    runs = [replace(run, data=whole[digest(run.data)]) if run.data else run for run in runs]
    known: dict[Any, dict[str, Mapping[str, Any]]] = {}
    for run in runs:
        if run.data:
            known.setdefault(recipe_key(run.settings), {})[digest(run.data)] = run.data
    assumed = {settings: {**next(iter(sets.values())), ASSUMED: True}
               for settings, sets in known.items() if len(sets) == 1}
    return [run if run.data else replace(run, data=assumed.get(recipe_key(run.settings), {})) for run in runs]


def _separate_duplicates(runs: list[Run], problems: list[Problem]) -> tuple[list[Run], list[Run]]:
    """Returns the runs, each seed of a recipe once, and the duplicates, since a seed that ran twice is no second seed.
    Of several runs the one that got furthest is kept."""
    groups: dict[Any, list[Run]] = {}
    for run in runs:
        groups.setdefault((recipe_key(run.settings, run.data), run.seed), []).append(run)
    singles, duplicates = [], []
    for group in groups.values():
        first, *others = sorted(group, key=lambda run: (run.state != "completed", -(run.images_seen or 0), run.name))
        singles.append(first)
        duplicates += others
        if others:
            names = _list([run.name for run in others])
            problems.append(Problem("duplicate", f"set aside, with the settings and the seed of {first.name}: {names}",
                                    tuple(run.path for run in others)))
    return sorted(singles, key=lambda run: _natural_order(run.path)), duplicates


def _report_versions(runs: list[Run], problems: list[Problem]) -> None:
    """Adds a problem for each library, for the code, and for each extension, of which runs had different versions."""
    libraries = sorted({library for run in runs for library in run.versions})
    recorded = [run for run in runs if run.versions]
    for library in libraries:
        _report_version(library, {run.path: run.versions.get(library, "none") for run in recorded}, runs, problems)
    _report_version("the code (git revision)", {run.path: _short_revision(run.revision) for run in recorded}, runs,
                    problems)
    for extension in sorted({extension for run in runs for extension in run.extensions}):
        codes = {run.path: f"code {run.extensions[extension][:7]}" for run in runs if extension in run.extensions}
        _report_version(f"the extension {extension}", codes, runs, problems)


def _report_version(of: str, versions: Mapping[Path, str], runs: list[Run], problems: list[Problem]) -> None:
    """Adds a problem if `versions` (path of a run -> version) differ: it names each version with its runs, and its
    paths are those of all runs but the ones with the commonest version."""
    runs_of: dict[str, list[Run]] = {}
    for run in runs:
        if run.path in versions:
            runs_of.setdefault(versions[run.path], []).append(run)
    if len(runs_of) < 2:
        return
    commonest, *others = sorted(runs_of.items(), key=lambda each: -len(each[1]))
    phrases = [f"{commonest[0]} ({len(commonest[1])} runs)"]
    phrases += [f"{version} ({_list([run.name for run in group])})" for version, group in others]
    problems.append(Problem("of another version", f"runs of different versions of {of}: {', '.join(phrases)}",
                            tuple(run.path for _, group in others for run in group)))


def _short_revision(revision: str) -> str:
    """Returns eight digits of a git revision and whether the code had changes; `not known` if there is none."""
    digits, changes, _ = revision.partition(CHANGED)
    return digits[:8] + changes or "not known"


def _list(names: list[str], limit: int = 5) -> str:
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")

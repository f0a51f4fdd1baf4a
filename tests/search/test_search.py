"""Whole searches: what is tried, what ends early, what the study learns and what survives an interruption."""

import json
import os
import shlex
import signal
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from saddlepoint.errors import RequestError, RunDirectoryInUse
from saddlepoint.sweeps.sweep import locked
from tests.search.searching import SEARCH, X, objective, searched, summary, trials, x_of
from tests.search.stand_in import MEASURED, fid

ROOT = Path(__file__).parents[2]


def study(directory: Path = SEARCH) -> optuna.Study:
    """As Optuna's own tools open it"""
    storage = JournalStorage(JournalFileBackend(str(directory / "study.journal")))
    return optuna.load_study(study_name="search", storage=storage)


def test_the_best_of_what_was_tried_is_said_with_the_line_that_trains_it(capsys):
    jobs, end = searched(trials=12)
    assert end is None and len(jobs) == 12 and summary()["exit_code"] == 0
    best = min(jobs, key=lambda job: fid(x_of(job), 80))
    said = capsys.readouterr().out
    assert shlex.split(said.splitlines()[-1]) == ["python", "stand_in.py", *best.overrides]
    assert f"job {best.number}, has fid_x {fid(x_of(best), 80):.4g} at its end" in said
    rows = [line.split() for line in said.splitlines() if "completed" in line and "x=" in line]
    assert [int(row[0]) for row in rows] == [job.number for job in sorted(jobs, key=lambda j: fid(x_of(j), 80))]
    assert [value for _, _, value in trials()] == [fid(x_of(job), 80) for job in jobs]
    assert [trial.value for trial in study().trials] == [fid(x_of(job), 80) for job in jobs]


def test_a_search_is_a_function_of_its_seed():
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        searched(X, "kind=fine,diverging", trials=7, seed=seed, pruner="median", directory=Path(name))
    assert trials(Path("a")) == trials(Path("b")) != trials(Path("c"))


def test_a_search_that_grows_tries_what_one_long_one_would_have():
    for count in (2, 5, 5, 8):
        searched(trials=count, directory=Path("grown"))
    searched(trials=8, directory=Path("long"))
    assert trials(Path("grown")) == trials(Path("long"))
    assert [job["starts"] for job in summary(Path("grown"))["jobs"]] == [1] * 8


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_search_goes_on_to_the_same_end(number):
    """Interrupted at each trial that halts; by SIGKILL, which it cannot catch, as by a power failure."""
    interruptions = 0
    while True:
        process = subprocess.Popen([sys.executable, "-m", "tests.search.searching", "5"], text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"})
        halted = wait_for_a_halt(process)
        if not halted:
            break
        interruptions += 1
        process.send_signal(number)
        process.communicate(timeout=30)
        for each in halted if number == signal.SIGKILL else ():
            os.kill(each, signal.SIGKILL)  # the power fails for all
    assert process.returncode == 0 and interruptions == sum("halting" in str(each) for each, _, _ in trials()) > 0
    interrupted = trials()
    searched(X, "kind=halting,fine", trials=5)
    assert trials() == interrupted and {state for _, state, _ in interrupted} == {"completed"}
    assert {trial.state.name for trial in study().trials} == {"COMPLETE"} and len(interrupted) == 5
    values = [float(own[0].partition("=")[2]) for own, _, _ in interrupted]
    assert [value for _, _, value in interrupted] == [fid(x, 80) for x in values]
    assert len({job["directory"] for job in summary()["jobs"]}) == len(summary()["jobs"])


def is_alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for_a_halt(process: subprocess.Popen) -> list[int]:
    """-> process numbers of runs that have measured and go no further; empty once the search is over"""
    while process.poll() is None:
        for log in SEARCH.glob("*kind=halting.log"):
            pid, curve = log.read_text().rpartition("pid=")[2].strip(), Path(str(log)[:-4]) / "metrics.csv"
            if log.read_text().count("pid=") == 1 and is_alive(pid) and "\n20," in curve.read_text():
                time.sleep(0.2)
                return [int(pid)]
        time.sleep(0.02)
    return []


def test_median_ends_who_is_behind_half_of_the_completed_ones_and_the_process_is_ended():
    """Optuna's rule, computed here from the curves: the best so far against the median of the completed ones there."""
    searched(X, "pause=0.03,0.03001", trials=12, pruner="median", sampler="random")
    complete, seen = [], []
    for trial in study().trials:
        curve = {images: fid(x, images) for images in MEASURED for x in [trial.params["x"]]}
        ends = [images for images in MEASURED[:-1] if len(complete) >= 2 and
                min(curve[each] for each in MEASURED if each <= images) > statistics.median(
                    other[images] for other in complete)]
        seen.append("pruned" if ends else "completed")
        if ends:
            assert list(trial.intermediate_values) == [each for each in MEASURED if each <= ends[0]]
            assert "the median of" in trial.user_attrs["reason"]
        else:
            complete.append(curve)
    assert [state for _, state, _ in trials()] == seen and set(seen) == {"pruned", "completed"}
    pruned = [job for job in summary()["jobs"] if job["state"] == "pruned"]
    assert any(job["images_seen"] < 80 for job in pruned)


def test_a_hopeless_trial_is_asked_to_end_and_its_run_says_why():
    jobs, end = searched("x=0.3,1", "y=range(3)", "kind=choice(slow)", trials=12, pruner="median",
                         pruner_startup_trials=1, sampler="random")
    pruned = [job for job in jobs if job.state == "pruned"]
    assert end is None and pruned
    for job in pruned:
        status = json.loads((Path(job.directory) / "status.json").read_text())
        assert (status["state"], status["reason"], status["images_seen"]) == ("stopped", job.reason, 20)
        assert job.reason.startswith(f"fid_x {fid(1, 20):.4g} at 20 images, the median of ") and job.exit_code == 143


def test_the_same_scores_are_behind_none():
    jobs, _ = searched("x=choice(0.3)", "y=range(3)", trials=9, pruner="median")
    assert {job.state for job in jobs} == {"completed"}


def test_warming_up_and_later_rungs_end_nobody_before():
    searched(trials=10, pruner="percentile", percentile=30, pruner_warmup_images=60, sampler="random")
    assert {max(trial.intermediate_values) for trial in study().trials} == {60, 80}
    searched(trials=14, pruner="hyperband", sampler="random", directory=Path("b"))
    reasons = [trial.user_attrs["reason"] for trial in study(Path("b")).trials if trial.state.name == "PRUNED"]
    assert reasons and all("(hyperband)" in reason for reason in reasons)


def test_what_diverges_is_learnt_from_what_is_refused_is_replaced_and_neither_fails_the_search(capsys):
    jobs, end = searched(X, "kind=fine,diverging,impossible", trials=9, sampler="random")
    states = [state for _, state, _ in trials()]
    assert end is None and {*states} == {"completed", "diverged", "refused"}
    assert len(states) - states.count("refused") == 9
    found = {"completed": "COMPLETE", "diverged": "PRUNED", "refused": "FAIL"}
    assert [trial.state.name for trial in study().trials] == [found[state] for state in states]
    assert "it was diverging" in (said := capsys.readouterr().out) and "This recipe cannot train" in said


def test_a_space_of_refusals_alone_comes_to_an_end():
    jobs, end = searched(X, "kind=choice(impossible)", trials=4)
    assert [job.state for job in jobs] == ["refused"] * 4 and end.exit_code == 1
    assert "No trial was completed" in str(end) and "To go on" not in str(end)


def test_a_failed_trial_is_said_and_tried_again_in_its_own_place_when_the_search_is():
    jobs, end = searched(X, "kind=fine,raising", trials=5)
    failed = [job.number for job in jobs if job.state == "failed"]
    assert end.exit_code == 1 and failed and str(end).endswith(f"hydra.sweep.dir={SEARCH}")
    before = trials()
    assert [trial.state.name for trial in study().trials].count("RUNNING") == len(failed)
    _, end = searched(X, "kind=fine,raising", trials=5)
    assert end.exit_code == 1 and trials() == before
    assert [job["starts"] for job in summary()["jobs"]] == [1 + (job["number"] in failed) for job in summary()["jobs"]]
    searched(X, "kind=fine,raising", trials=5, again=())
    assert [trial.state.name for trial in study().trials].count("FAIL") == len(failed)


def test_a_killed_trial_goes_on_once_as_in_a_sweep():
    jobs, end = searched(X, "kind=choice(killed)", trials=2)
    assert end is None and [(job.state, job.starts) for job in jobs] == [("completed", 2)] * 2


def test_the_same_settings_are_run_once_and_counted_each_time():
    jobs, end = searched("x=0.1,0.9", "kind=fine,diverging,killed", trials=20, at_once=3)
    assert end is None and len(jobs) <= 6 and len(trials()) == 20
    assert len({tuple(job.overrides) for job in jobs}) == len(jobs)
    by_settings = {}
    for trial in study().trials:
        by_settings.setdefault(str(trial.params), []).append((trial.state, trial.value, trial.intermediate_values))
    assert all(one == other for ends in by_settings.values() for one, other in pairwise(ends))


def test_several_at_once_are_all_tried_once():
    jobs, end = searched(trials=9, at_once=3)
    assert end is None and len({x_of(job) for job in jobs}) == 9 and [job.starts for job in jobs] == [1] * 9


def test_the_best_of_a_curve_and_more_instead_of_less():
    of = objective(metric="fid_infinity", value="best", direction="maximize")
    searched(trials=2, of=of)
    assert [value for _, _, value in trials()] == [-20.0] * 2, "which the stand-in has at its first measurement"


def test_a_run_without_the_score_has_failed():
    jobs, end = searched(trials=1, of=objective(metric="kid"))
    assert jobs[0].reason == "completed without a finite kid in its metrics.csv" and end.exit_code == 1


@pytest.mark.parametrize(("typed", "changes", "words"), [
    (["x=interval(0, 2)"], {}, "of another space: x=(0 to 1) there, x=(0 to 2) now"),
    ([X, "kind=choice(fine)"], {}, "of another space: nothing there, kind=fine now"),
    ([X, "more=1"], {}, "of another settings of all trials: nothing there, more=1 now"),
    ([X], {"of": objective(direction="maximize")}, "of another direction: minimize there, maximize now"),
    ([X], {"of": objective(value="best")}, "of another value: last there, best now"),
])
def test_another_search_in_the_same_directory_is_refused(typed, changes, words):
    searched(X, trials=1)
    before = (SEARCH / "study.journal").read_bytes()
    with pytest.raises(RequestError) as refusal:
        searched(*typed, trials=1, **changes)
    assert words in str(refusal.value) and (SEARCH / "study.journal").read_bytes() == before


def test_two_searches_at_once_and_a_search_in_a_sweep_are_refused():
    with locked(SEARCH), pytest.raises(RunDirectoryInUse, match="is in use"):
        searched()
    searched(trials=1)
    (SEARCH / "study.journal").unlink()
    with pytest.raises(RequestError, match="holds a sweep and no search"):
        searched(trials=1)


def test_a_journal_with_a_torn_end_goes_on_and_one_that_is_none_is_refused():
    searched(trials=2)
    journal = SEARCH / "study.journal"
    journal.write_bytes(journal.read_bytes() + b'{"op_code": 4, "wor')
    searched(trials=3)
    assert len(trials()) == len(study().trials) == 3
    for content in (b"nonsense\nmore\n", b'{"op_code": 4}\n'):
        journal.write_bytes(content)
        with pytest.raises(RequestError, match="study.journal cannot be read"):
            searched(trials=3)


def test_a_lost_summary_is_written_anew_from_the_study_and_the_runs():
    searched(X, "kind=fine,diverging", trials=4)
    before = trials()
    (SEARCH / "summary.json").write_text('{"jobs": []}')
    _, end = searched(X, "kind=fine,diverging", trials=4)
    assert end is None and trials() == before

"""What a search leaves, goes on from, and refuses to go on with."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from optuna.storages.journal import JournalFileBackend

from saddlepoint.errors import RequestError, RunDirectoryInUse
from saddlepoint.files.json_files import read_json, write_json
from saddlepoint.sweeps import runner
from saddlepoint.sweeps.search.study import Study
from saddlepoint.sweeps.sweep import locking
from tests.sweeps.search.searching import SEARCH, X, objective, searched, study, summary, trials
from tests.sweeps.search.stand_in import fid

ROOT = Path(__file__).parents[3]


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
        process = subprocess.Popen([sys.executable, "-m", "tests.sweeps.search.searching", "4"], text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"})
        halted = wait_for_a_halt(process)
        if not halted:
            break
        interruptions += 1
        process.send_signal(number)
        process.communicate()
        for each in halted if number == signal.SIGKILL else ():
            os.kill(each, signal.SIGKILL)  # the power fails for all
        while any(is_alive(str(each)) for each in halted):
            time.sleep(0.02)
    assert process.returncode == 0 and interruptions == sum("halting" in str(each) for each, _, _ in trials()) > 0
    interrupted = trials()
    searched(X, "kind=halting,fine", trials=4)
    assert trials() == interrupted and {state for _, state, _ in interrupted} == {"completed"}
    assert {trial.state.name for trial in study().trials} == {"COMPLETE"} and len(interrupted) == 4
    values = [float(own[0].partition("=")[2]) for own, _, _ in interrupted]
    assert [value for _, _, value in interrupted] == [fid(x, 80) for x in values]
    assert len({job["directory"] for job in summary()["jobs"]}) == len(summary()["jobs"])


def test_a_trial_that_was_to_be_pruned_when_its_search_died_is_pruned():
    """As after a power failure between the decision and the end of the run."""
    pruning = {"pruner": "percentile", "pruner_startup_trials": 1, "trials": 6}
    searched(X, **pruning)
    expected = trials()
    number = next(number for number, (_, state, _) in enumerate(expected) if state == "pruned")
    assert number > 0
    journal, content = SEARCH / "study.journal", summary()
    lines = journal.read_text().splitlines(keepends=True)
    decided = next(place for place, line in enumerate(map(json.loads, lines))
                   if line.get("trial_id") == number and "pruned" in line.get("user_attr", {}))
    journal.write_text("".join(lines[:decided + 1]))
    content["jobs"] = content["jobs"][:number + 1]
    content["jobs"][number] |= {"state": "running", "reason": "", "images_seen": 0}
    write_json(SEARCH / "summary.json", content)
    run = Path(content["jobs"][number]["directory"])
    write_json(run / "status.json", {"state": "stopped", "started": "2026-01-01", "images_seen": 20})
    for job in summary()["jobs"][number + 1:]:
        shutil.rmtree(job["directory"])
    for other in SEARCH.iterdir():
        if other.is_dir() and int(other.name.partition("_")[0]) > number:
            shutil.rmtree(other)
    assert searched(X, **pruning)[1] is None
    assert trials() == expected
    status = read_json(run / "status.json")
    assert (status["state"], status["images_seen"], status["reason"].partition(":")[0]) == ("stopped", 20, "pruned")


@pytest.mark.parametrize("written", ["tell", "ask"])
def test_a_full_disk_lets_the_running_jobs_end_and_the_search_goes_on_to_the_same_end(written, monkeypatch):
    write, full = getattr(Study, written), [False] * (written == "ask") * 2 + [True]  # two jobs may be asked for

    def writing(self, *given):
        if full and full.pop(0):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, *given)
    monkeypatch.setattr(Study, written, writing)
    with pytest.raises(OSError, match="No space left"):
        searched(X, "pause=0.1", at_once=2)
    assert {job["state"] for job in summary()["jobs"]} == {"completed"} and len(summary()["jobs"]) == 2
    assert searched(X, "pause=0.1")[1] is None and len(trials()) == 6
    assert {state for _, state, _ in trials()} == {"completed"}


@pytest.mark.parametrize("cut", ["param_name", "user_attr"])
def test_a_line_that_a_full_disk_has_cut_off_stays_the_last_of_the_study(cut, monkeypatch):
    """The settings of the second trial, or the end of the first, while another job runs that ends later."""
    append, lines = JournalFileBackend.append_logs, []

    def appending(self, logs):
        lines.extend(log for log in logs if cut in log)
        if len(lines) == 2 and cut in logs[0]:
            with Path(self._file_path).open("a") as journal:
                journal.write(json.dumps(logs[0])[:-9])
            raise OSError(errno.ENOSPC, "No space left on device")
        append(self, logs)
    with monkeypatch.context() as patch:
        patch.setattr(JournalFileBackend, "append_logs", appending)
        with pytest.raises(OSError, match="No space left"):
            searched(X, "pause=0.1", at_once=2)
    assert {job["state"] for job in summary()["jobs"]} == {"completed"}
    assert searched(X, "pause=0.1")[1] is None and len(trials()) == 6
    assert {state for _, state, _ in trials()} == {"completed"}


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
            has_measured = curve.exists() and "\n20," in curve.read_text()
            if log.read_text().count("pid=") == 1 and is_alive(pid) and has_measured:
                return [int(pid)]
        time.sleep(0.02)
    return []


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


def test_a_trial_that_was_to_be_pruned_and_failed_is_pruned_and_not_left_open(monkeypatch):
    monkeypatch.setattr(runner, "READ_SECONDS", 3600)  # so that no trial is asked to end before it fails
    pruning = {"pruner": "percentile", "pruner_startup_trials": 1, "trials": 8}
    jobs, end = searched(X, "kind=fine,raising", **pruning)
    decided = {trial.number: trial.state.name for trial in study().trials if "pruned" in trial.user_attrs}
    assert set(decided.values()) == {"PRUNED"}
    raising = [job for job in jobs if "kind=raising" in job.overrides and job.state == "pruned"]
    assert raising and all(read_json(Path(job.directory) / "status.json")["state"] == "failed" for job in raising)


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
    with locking(SEARCH), pytest.raises(RunDirectoryInUse, match="is in use"):
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

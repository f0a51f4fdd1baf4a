"""Whole sweeps, of jobs that end in every way there is."""

import json
import os
import shlex
import signal
import threading
import time
from pathlib import Path

import pytest

from saddlepoint.errors import RequestError, RunDirectoryInUse
from saddlepoint.sweeps import runner
from saddlepoint.sweeps.jobs import Job
from saddlepoint.sweeps.runner import Limits
from saddlepoint.sweeps.sweep import locked
from tests.sweeps.sweeping import SWEEP, request, starts, states, summary, swept

FINE = [f"fine{number}" for number in range(8)]
SOON = Limits(hang_minutes=0.04, grace_seconds=0.2)


@pytest.fixture(autouse=True)
def looks_often(monkeypatch):
    monkeypatch.setattr(runner, "READ", 0.05)


def send_when_there(file: Path, *numbers: signal.Signals) -> None:
    """Signals to this process, which a sweep runs in, one after the other"""
    def wait() -> None:
        while not (file.exists() and file.read_text()):
            time.sleep(0.02)
        for number in numbers:
            os.kill(os.getpid(), number)
            time.sleep(0.5)
    threading.Thread(target=wait, daemon=True).start()


def test_twelve_jobs_of_which_one_raises_one_is_killed_one_is_impossible_and_one_hangs(capsys):
    jobs = [*FINE[:3], "raising", *FINE[3:5], "killed", "impossible", *FINE[5:7], "deaf", FINE[7]]
    ended, end = swept(*jobs, limits=SOON)
    ends = ["completed"] * 3 + ["failed"] + ["completed"] * 3 + ["refused"] + ["completed"] * 2 + ["hung", "completed"]
    assert [job.state for job in ended] == states() == ends
    assert end.exit_code == summary()["exit_code"] == 1
    assert starts() == [1] * 6 + [2] + [1] * 5
    reasons = [job["reason"] for job in summary()["jobs"]]
    assert reasons[3] == "ValueError: by design" and "no progress" in reasons[10] and reasons[7] == (
        "This recipe cannot train: - an impossible loss")
    assert [reason for reason, state in zip(reasons, ends, strict=True) if state == "completed"] == [""] * 9
    said = capsys.readouterr().out
    assert "job 3 (job=raising) failed: ValueError: by design" in said and 'raise ValueError("by design")' in said
    assert str(end).splitlines()[-1] == "  python stand_in.py job=a,b -m hydra.sweep.dir=sweep"

    _, end = swept(*jobs, limits=SOON)
    assert states() == ends and end.exit_code == 1
    assert starts() == [1] * 3 + [2] + [1] * 2 + [2, 1, 1, 1, 2, 1]
    assert "sweep/3.log has all" in capsys.readouterr().out


def test_a_job_says_how_far_it_came_and_its_run_how_it_ended():
    swept("fine", "diverging", "doomed", "leaving")
    fine, diverging, doomed, leaving = summary()["jobs"]
    assert (fine["images_seen"], fine["images_per_second"], fine["budget_images"]) == (80, 33.0, 80)
    assert fine["score"] == {"name": "fid_x", "value": 12.5} and fine["differs"] == ["job=fine"]
    assert (diverging["state"], diverging["reason"], diverging["exit_code"]) == ("diverged", "a loss is nan", 3)
    assert (doomed["state"], doomed["reason"], doomed["exit_code"], doomed["starts"]) == (
        "killed", "killed by SIGKILL", -9, 2)
    assert leaving["state"] == "failed" and "exit code 0" in leaving["reason"]
    assert json.loads((SWEEP / "2" / "status.json").read_text())["reason"] == "killed by SIGKILL"
    assert "resume=None" in (log := (SWEEP / "2.log").read_text()) and "resume=auto" in log


def test_what_a_killed_job_started_does_not_outlive_it():
    swept("parent")
    child = Path(f"/proc/{(SWEEP / '0' / 'child').read_text()}/stat")
    assert not child.exists() or child.read_text().split()[2] == "Z"


def test_a_sweep_of_completed_jobs_exits_0_and_starts_none_again(capsys):
    assert swept("fine", "good")[1] is None and summary()["exit_code"] == 0
    assert swept("fine", "good")[1] is None
    assert starts() == [1, 1] and "2 of 2 jobs have ended in sweep before" in capsys.readouterr().err


def test_jobs_keep_their_directories_when_the_line_changes():
    swept("b", "c")
    ended, _ = swept("a", "b", "c", "b")
    assert [(job.number, job.starts) for job in ended] == [(2, 1), (0, 1), (1, 1), (0, 1)]
    assert sorted(path.name for path in SWEEP.glob("*.log")) == ["0.log", "1.log", "2.log"]


def test_ends_that_another_start_would_meet_again_stand_unless_asked_for():
    _, end = swept("impossible", "diverging")
    assert str(end).endswith("hydra.sweep.dir=sweep 'hydra.launcher.again=[diverged,refused]'")
    swept("impossible", "diverging")
    assert starts() == [1, 1]
    swept("impossible", "diverging", again=["refused"])
    assert starts() == [2, 1]


def test_a_job_that_completed_while_the_sweep_was_killed_is_completed_and_one_whose_run_is_gone_runs_again():
    swept("fine", "good")
    content = summary()
    content["jobs"][0] |= {"state": "running", "images_seen": 0}
    (SWEEP / "summary.json").write_text(json.dumps(content))
    for file in ("status.json", "config.yaml", "metrics.csv", "metrics.json"):
        (SWEEP / "1" / file).unlink()
    assert swept("fine", "good")[1] is None
    assert starts() == [1, 2] and summary()["jobs"][0]["images_seen"] == 80


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 143)])
def test_a_stopped_sweep_hands_the_signal_on_and_goes_on_with_what_is_missing(number, exit_code):
    before = signal.getsignal(number)
    send_when_there(SWEEP / "1.log", number)
    _, end = swept("fine", "patient", "good", places=[{}])
    assert end.exit_code == exit_code and states() == ["completed", "stopped", "waiting"]
    assert json.loads((SWEEP / "1" / "status.json").read_text())["reason"] == f"Stopped by {number.name}"
    assert (SWEEP / "1" / "checkpoints" / "last.ckpt").is_file()
    assert signal.getsignal(number) == before
    assert swept("fine", "patient", "good")[1] is None
    assert starts() == [1, 2, 1]


def test_a_second_signal_ends_jobs_that_are_deaf_to_the_first():
    send_when_there(SWEEP / "0.log", signal.SIGTERM, signal.SIGTERM)
    began = time.monotonic()
    assert swept("deaf")[1].exit_code == 143 and states() == ["stopped"]
    assert time.monotonic() - began < 60 < Limits().grace_seconds


def test_a_limit_ends_a_job_whatever_its_progress():
    _, end = swept("patient", limits=Limits(limit_minutes=0.02))
    assert states() == ["hung"] and "not over after 0.02 minutes" in summary()["jobs"][0]["reason"]
    assert (SWEEP / "0" / "checkpoints" / "last.ckpt").is_file()  # it was asked, and not killed


def test_each_job_at_a_time_has_a_place_of_its_own():
    swept("a", "b", places=[{"CUDA_VISIBLE_DEVICES": "5"}, {"CUDA_VISIBLE_DEVICES": "7"}])
    assert "gpu=5" in (SWEEP / "0.log").read_text() and "gpu=7" in (SWEEP / "1.log").read_text()


def test_what_a_job_sets_itself_is_not_set_for_it():
    swept("a", shared=["threads=3"])
    assert "threads=3" in (SWEEP / "0.log").read_text()
    typed = Job(0, ["job=a", "+threads=8"], "sweep/0")
    assert "threads=3" not in request(shared=["threads=3"]).command(typed)


def test_the_line_to_type_survives_a_shell():
    line = request(directory=Path("a b"), typed=["trick=[],[ema]", "hydra.sweep.dir=old", "-m"]).line
    assert shlex.split(line) == ["python", "stand_in.py", "trick=[],[ema]", "-m", "hydra.sweep.dir=a b"]


def test_two_sweeps_do_not_share_a_directory():
    with locked(SWEEP), pytest.raises(RunDirectoryInUse, match="hydra.sweep.dir=sweep is in use"):
        swept("fine")
    assert swept("fine")[1] is None and not (SWEEP / ".lock").exists()


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"jobs": [{"nummer": 1}]}'])
def test_a_summary_that_cannot_be_read_is_refused(content):
    SWEEP.mkdir()
    (SWEEP / "summary.json").write_text(content)
    with pytest.raises(RequestError, match="summary.json that cannot be read"):
        swept("fine")


def test_a_program_that_is_not_there_fails_its_jobs_with_a_reason():
    _, end = swept("fine", program=["/nowhere/python", "train.py"])
    assert states() == ["failed"] and "cannot be started" in summary()["jobs"][0]["reason"] and end.exit_code == 1

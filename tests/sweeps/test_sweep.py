"""Whole sweeps, of jobs that end in every way there is."""

import json
import shlex
from pathlib import Path

import pytest

from saddlepoint.errors import DiskFull, RequestError, RunDirectoryInUse
from saddlepoint.sweeps.jobs import Job
from saddlepoint.sweeps.runner import Limits
from saddlepoint.sweeps.summary import Summary
from saddlepoint.sweeps.sweep import locking
from tests.sweeps.sweeping import SWEEP, an_hour_passes, request, starts, states, summary, swept

FINE = [f"fine{number}" for number in range(8)]
SOON = Limits(hang_minutes=30, grace_seconds=0.2)


def test_twelve_jobs_of_which_one_raises_one_is_killed_one_is_impossible_and_one_hangs(capsys, monkeypatch):
    an_hour_passes(monkeypatch, "deaf")
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
    assert "sweep/3_job=raising.log has all" in capsys.readouterr().out


def test_a_job_says_how_far_it_came_and_its_run_how_it_ended():
    swept("fine", "diverging", "doomed", "leaving")
    fine, diverging, doomed, leaving = summary()["jobs"]
    assert (fine["images_seen"], fine["images_per_second"], fine["budget_images"]) == (80, 33.0, 80)
    assert fine["score"] == {"name": "fid_x", "value": 12.5} and fine["differs"] == ["job=fine"]
    assert (diverging["state"], diverging["reason"], diverging["exit_code"]) == ("diverged", "a loss is nan", 3)
    assert (doomed["state"], doomed["reason"], doomed["exit_code"], doomed["starts"]) == (
        "killed", "killed by SIGKILL", -9, 2)
    assert leaving["state"] == "failed" and "exit code 0" in leaving["reason"]
    assert json.loads((SWEEP / "2_job=doomed" / "status.json").read_text())["reason"] == "killed by SIGKILL"
    assert "resume=None" in (log := (SWEEP / "2_job=doomed.log").read_text()) and "resume=auto" in log


def test_a_sweep_of_completed_jobs_exits_0_and_starts_none_again(capsys):
    assert swept("fine", "good")[1] is None and summary()["exit_code"] == 0
    assert swept("fine", "good")[1] is None
    assert starts() == [1, 1] and "2 of 2 jobs have ended in sweep before" in capsys.readouterr().err


def test_a_page_shows_the_runs_of_the_newest_end_also_where_jobs_failed(capsys):
    swept("fine", "raising")
    said, page = capsys.readouterr().out, SWEEP / "comparison.html"
    assert f"curves and pictures: {page}" in said
    assert "2 runs (1 completed, 1 failed)" in page.read_text() and "by design" in page.read_text()
    swept("fine", "raising", "good")
    assert "3 runs (2 completed, 1 failed)" in page.read_text()


def test_a_sweep_that_left_no_run_has_no_page():
    swept("impossible")
    assert not (SWEEP / "comparison.html").exists()


def test_jobs_keep_their_directories_when_the_line_changes():
    swept("b", "c")
    ended, _ = swept("a", "b", "c", "b")
    assert [(job.number, job.starts) for job in ended] == [(2, 1), (0, 1), (1, 1), (0, 1)]
    assert sorted(path.name for path in SWEEP.glob("*.log")) == ["0_job=b.log", "1_job=c.log", "2_job=a.log"]


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
        (SWEEP / "1_job=good" / file).unlink()
    assert swept("fine", "good")[1] is None
    assert starts() == [1, 2] and summary()["jobs"][0]["images_seen"] == 80


def test_each_job_at_a_time_has_a_place_of_its_own():
    swept("a", "b", places=[{"CUDA_VISIBLE_DEVICES": "5"}, {"CUDA_VISIBLE_DEVICES": "7"}])
    assert "gpu=5" in (SWEEP / "0_job=a.log").read_text() and "gpu=7" in (SWEEP / "1_job=b.log").read_text()


def test_what_a_job_sets_itself_is_not_set_for_it():
    swept("a", shared=["threads=3"])
    assert "threads=3" in (SWEEP / "0_seed=0,job=a.log").read_text()
    typed = Job(0, ["job=a", "+threads=8"], "sweep/0")
    assert "threads=3" not in request(shared=["threads=3"]).command(typed)


def test_the_line_to_type_survives_a_shell():
    line = request(directory=Path("a b"), typed=["trick=[],[ema]", "hydra.sweep.dir=old", "-m"]).line
    assert shlex.split(line) == ["python", "stand_in.py", "trick=[],[ema]", "-m", "hydra.sweep.dir=a b"]


def test_two_sweeps_do_not_share_a_directory():
    with locking(SWEEP), pytest.raises(RunDirectoryInUse, match="hydra.sweep.dir=sweep is in use"):
        swept("fine")
    assert swept("fine")[1] is None and not (SWEEP / ".lock").exists()


@pytest.mark.parametrize("place", ["taken/sweep", "/proc/sweep"])
def test_a_directory_that_cannot_be_written_is_refused_before_any_job(place):
    Path("taken").write_text("a file")
    with pytest.raises(RequestError, match=f"hydra.sweep.dir={place} cannot be written: "):
        swept("fine", directory=Path(place))
    assert [path.name for path in Path().iterdir()] == ["taken"]


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"jobs": [{"nummer": 1}]}'])
def test_a_summary_that_cannot_be_read_is_refused(content):
    SWEEP.mkdir()
    (SWEEP / "summary.json").write_text(content)
    with pytest.raises(RequestError, match="summary.json that cannot be read"):
        swept("fine")


def test_a_program_that_is_not_there_fails_its_jobs_with_a_reason():
    _, end = swept("fine", program=["/nowhere/python", "train.py"])
    assert states() == ["failed"] and "cannot be started" in summary()["jobs"][0]["reason"] and end.exit_code == 1


def test_a_full_disk_ends_no_job_and_is_said_at_the_end(monkeypatch, capsys):
    def full(self, **more) -> None:
        raise DiskFull("summary.json cannot be written")
    monkeypatch.setattr(Summary, "save", full)
    with pytest.raises(DiskFull):
        swept("fine", "good")
    assert "1  completed" in capsys.readouterr().out

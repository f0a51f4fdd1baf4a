"""What is read of a run, what its end is called, what the machine is divided into, and what is shown."""

import io
import os
import re
from pathlib import Path

import pytest

from saddlepoint.errors import RequestError
from saddlepoint.sweeps import display
from saddlepoint.sweeps.display import Lines, LiveTable, clock
from saddlepoint.sweeps.jobs import Job, outcome
from saddlepoint.sweeps.launch_checks import refuse_single_runs
from saddlepoint.sweeps.machine import gpus, places, threads
from saddlepoint.sweeps.run_files import TAIL, RunFiles


@pytest.mark.parametrize(("exit_code", "status", "asked", "state", "reason"), [
    (0, "completed", None, "completed", ""),
    (0, "completed", ("stopped", "by a signal"), "completed", ""),
    (0, "running", None, "failed", "ended before it was complete, with exit code 0: last words"),
    (1, "failed", None, "failed", "its own"),
    (1, None, None, "failed", "last words"),
    (1, "failed", ("stopped", "by a signal"), "failed", "its own"),
    (2, None, None, "refused", "first words last words"),
    (3, "diverged", None, "diverged", "its own"),
    (5, "failed", None, "failed", "its own"),
    (6, "failed", None, "failed", "its own"),
    (130, "stopped", None, "stopped", "its own"),
    (143, "stopped", ("hung", "too long"), "hung", "too long"),
    (-9, "running", ("hung", "too long"), "hung", "too long"),
    (-15, None, ("stopped", "by a signal"), "stopped", "by a signal"),
    (-9, "running", None, "killed", "killed by SIGKILL"),
    (-11, "running", None, "killed", "killed by SIGSEGV"),
    (-40, None, None, "killed", "killed by signal 40"),
])
def test_an_end_is_called_what_it_was(exit_code, status, asked, state, reason):
    said = ["warning: beside", "first words", "", " last words ", ""]
    noted = {"state": status, "reason": "its own"} if status else {}
    assert outcome(exit_code, said, noted, asked) == (state, reason)


def test_a_job_that_said_nothing_has_a_reason_too():
    assert outcome(1, [], {}, None) == ("failed", "ended with exit code 1, without a word")


def test_the_newest_row_and_the_newest_score_count_even_of_a_long_table_with_a_broken_end():
    run, job = Path("run"), Job(0, [], "run")
    run.mkdir()
    files = RunFiles(job)
    assert not files.refresh()
    rows = [f"{number},{'9.5' if number == 7990 else ''},{number / 10}\n" for number in range(8000)]
    columns = "images_seen,quality/fid_x,throughput/images_per_second\n"
    (run / "metrics.csv").write_text(columns + "".join(rows) + "8000,,1")
    assert (run / "metrics.csv").stat().st_size > TAIL
    assert files.refresh() and not files.refresh()
    assert (job.images_seen, job.images_per_second, job.score) == (7999, 799.9, {"name": "fid_x", "value": 9.5})


@pytest.mark.parametrize("content", ["", "images_seen\n", "a,b\n1,2\n", "images_seen\nmany\n", "\x00\xff\n1\n"])
def test_a_table_that_says_nothing_is_no_hindrance(content):
    job = Job(0, [], ".")
    files = RunFiles(job)
    Path("metrics.csv").write_text(content)
    assert files.refresh() and job.images_seen == 0


def test_a_score_that_is_not_finite_is_none():
    job = Job(0, [], ".")
    files = RunFiles(job)
    Path("metrics.csv").write_text("images_seen,quality/fid_x\n8,nan\n")
    files.refresh()
    assert job.images_seen == 8 and job.score is None


@pytest.mark.parametrize(("asked", "gpus", "gpus_each", "cores", "expected"), [
    (None, [], 1, 2, [""]),
    (None, [], 1, 17, [""] * 4),
    (3, [], None, 2, [""] * 3),
    (None, ["0", "1"], 1, 64, ["0", "1"]),
    (4, ["0", "1"], 1, 64, ["0", "1", "0", "1"]),
    (None, ["2", "3", "5", "7", "8"], 2, 64, ["2,3", "5,7"]),
    (None, ["0", "1"], None, 64, ["0,1"]),
    (None, ["0"], 4, 64, ["0"]),
])
def test_gpus_are_shared_out_evenly_and_without_them_cores_decide(asked, gpus, gpus_each, cores, expected):
    assert [place.get("CUDA_VISIBLE_DEVICES", "") for place in places(asked, gpus, gpus_each, cores)] == expected


def test_threads_are_cores_over_processes_and_a_single_one_chooses_itself():
    assert [threads(1, 1, 8), threads(2, 1, 8), threads(3, 1, 8), threads(2, 2, 8), threads(4, 1, 2)] == [
        None, 4, 2, 2, 1]


def test_visible_gpus_are_those_that_cuda_visible_devices_names(monkeypatch):
    assert gpus({"CUDA_VISIBLE_DEVICES": "3, GPU-1f"}) == ["3", "GPU-1f"]
    assert gpus({"CUDA_VISIBLE_DEVICES": ""}) == gpus({"CUDA_VISIBLE_DEVICES": "-1"}) == []
    Path("nvidia-smi").write_text("#!/bin/sh\necho 'GPU 0: A (UUID: x)'\necho 'GPU 1: B (UUID: y)'\n")
    Path("nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{Path.cwd()}:{os.environ['PATH']}")
    assert gpus({}) == ["0", "1"]
    monkeypatch.setenv("PATH", "/nowhere")
    assert gpus({}) == []


def some_jobs(count: int) -> list[Job]:
    return [Job(number, [], str(number), [f"seed={number}", "trick=[wgan_gp,ema,instance_noise]" * 3],
                state="waiting" if number else "running", images_seen=600, budget_images=1200, seconds=3723,
                images_per_second=10, score={"name": "fid_x", "value": 12.345}) for number in range(count)]


def drawn(text: str, rows: int) -> list[str]:
    """What stands on a terminal after that, as it understands the two sequences that are used"""
    screen = []
    for part in re.split(r"(\x1b\[\d+F\x1b\[J|\n)", text):
        if part.startswith("\x1b"):
            up = int(re.search(r"\d+", part)[0])
            assert up < rows, "what has scrolled away cannot be drawn over"
            del screen[len(screen) - up:]
        elif part and part != "\n":
            screen.append(part)
    return screen


@pytest.mark.parametrize(("count", "rows"), [(3, 24), (200, 24), (200, 5), (1, 3)])
def test_the_live_table_fits_the_terminal_and_is_drawn_over_itself(count, rows, monkeypatch):
    monkeypatch.setattr(display.shutil, "get_terminal_size", lambda: os.terminal_size((60, rows)))
    stream = io.StringIO()
    shown = LiveTable(some_jobs(count), stream)
    shown.on_refresh()
    once = drawn(stream.getvalue(), rows)
    shown.on_change(shown.jobs[0])
    assert drawn(stream.getvalue(), max(rows, 5)) == once and all(len(line) < 60 for line in once)
    assert once[0] == ("1 job: 1 running" if count == 1 else f"{count} jobs: {count - 1} waiting, 1 running")
    assert once[2].split()[:8] == ["0", "running", "600", "10", "fid_x", "12.35", "1:02:03", "1:00"]
    shown.close()
    assert drawn(stream.getvalue(), max(rows, 5)) == []


def test_without_a_terminal_each_change_is_a_line():
    stream, jobs = io.StringIO(), some_jobs(2)
    jobs[1].differs, jobs[1].state, jobs[1].reason = ["seed=1"], "failed", "ValueError: x"
    Lines(jobs, stream).on_change(jobs[1])
    assert stream.getvalue() == ("1 of 2 over, job 1 (seed=1) failed: ValueError: x: 600 images, 10 images/s, "
                                 "fid_x 12.35\n")


def test_clocks():
    assert [clock(seconds) for seconds in (None, 0.4, 59.6, 3599, 86400)] == ["", "0:00", "1:00", "59:59", "24:00:00"]


@pytest.mark.parametrize("typed", ["run.dir=x", "+run.dir=x", "resume=auto", "describe=true", "hydra.sweep.subdir=x"])
def test_what_one_run_has_and_a_sweep_has_not_is_refused(typed):
    with pytest.raises(RequestError, match="^" + typed.partition("=")[0].lstrip("+") + "= "):
        refuse_single_runs(["seed=1", typed], {})


def test_processes_that_were_started_for_a_sweep_are_refused():
    for started in ({"WORLD_SIZE": "2"}, {"SLURM_NTASKS": "4"}):
        with pytest.raises(RequestError, match="trainer.devices=N"):
            refuse_single_runs(["seed=1"], started)
    refuse_single_runs(["seed=1"], {"WORLD_SIZE": "1", "SLURM_NTASKS": ""})

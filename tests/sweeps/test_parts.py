"""What is read of a run, what its end is called, what the machine is divided into, and what is shown."""

import io
import os
import re
from collections import deque
from pathlib import Path

import pytest

from saddlepoint.errors import RequestError
from saddlepoint.sweeps import display
from saddlepoint.sweeps.display import Lines, LiveTable, clock
from saddlepoint.sweeps.jobs import Job, outcome
from saddlepoint.sweeps.launch_checks import refuse_places, refuse_single_runs
from saddlepoint.sweeps.machine import gpus, places, shares, threads
from saddlepoint.sweeps.run_files import TAIL, RunFiles
from saddlepoint.sweeps.runner import Limits, Runner


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


@pytest.mark.parametrize(("asked", "gpus", "gpus_each", "jobs_per_gpu", "cores", "expected"), [
    (None, [], 1, 1, 2, [""]),
    (None, [], 1, 1, 17, [""] * 4),
    (3, [], None, 1, 2, [""] * 3),
    (None, ["0", "1"], 1, 1, 64, ["0", "1"]),
    (None, ["2", "3", "5", "7", "8"], 2, 1, 64, ["2,3", "5,7"]),
    (None, ["0", "1"], None, 1, 64, ["0,1"]),
    (None, ["0"], 4, 1, 64, ["0"]),
    (None, ["0"], 1, 3, 2, ["0 of 3"] * 3),
    (None, ["4", "GPU-1f"], 1, 2, 64, ["4 of 2", "GPU-1f of 2"] * 2),
    (3, ["0", "1"], 1, 4, 64, ["0 of 2", "1 of 2", "0 of 2"]),
    (2, ["0", "1"], 1, 4, 64, ["0", "1"]),
])
def test_gpus_are_shared_out_evenly_and_without_them_cores_decide(asked, gpus, gpus_each, jobs_per_gpu, cores,
                                                                  expected):
    """`0 of 3`: GPU 0, which is shared by 3 jobs"""
    made = places(asked, shares(gpus, gpus_each), jobs_per_gpu, cores)
    assert [" of ".join(place.values()) for place in made] == expected
    assert {name for place in made for name in place} <= {"CUDA_VISIBLE_DEVICES", "SADDLEPOINT_JOBS_ON_GPU"}


ONE = {"accelerator": "auto", "devices": 1}


@pytest.mark.parametrize(("at_once", "per_gpu", "gpus", "trainer", "answer"), [
    (None, 4, [], ONE, "jobs_per_gpu=4 lets 4 jobs share each GPU, and this machine has none .*: leave it out. "
                       "hydra.launcher.jobs_at_once=4 runs as many"),
    (None, 4, [], ONE | {"accelerator": "cpu"}, "with trainer.accelerator=cpu no job uses one: leave it out"),
    (None, 2, ["0", "1"], ONE | {"devices": None}, "trainer.devices=null takes a whole one for each process"),
    (None, 2, ["0", "1"], ONE | {"devices": 2}, "trainer.devices=2 takes .* type trainer=auto trainer.devices=1"),
    (4, 1, ["0", "1"], ONE, "jobs_at_once=4 is more than 2 GPUs take with hydra.launcher.jobs_per_gpu=1 and "
                            "trainer.devices=1: type hydra.launcher.jobs_at_once=2 or hydra.launcher.jobs_per_gpu=2, "),
    (7, 3, ["0", "1"], ONE, "type hydra.launcher.jobs_at_once=6 or hydra.launcher.jobs_per_gpu=4, or trainer=cpu"),
    (2, 1, ["0"], ONE, "jobs_at_once=2 is more than 1 GPU takes"),
    (3, 1, ["0", "1", "2", "3"], ONE | {"devices": 2}, "trainer.devices=2: type hydra.launcher.jobs_at_once=2, or "),
])
def test_gpus_that_cannot_be_shared_so_are_refused_in_a_sentence(at_once, per_gpu, gpus, trainer, answer):
    with pytest.raises(RequestError, match=answer):
        refuse_places(at_once, per_gpu, gpus, shares(gpus, trainer["devices"]), trainer)


@pytest.mark.parametrize(("at_once", "per_gpu", "gpus", "trainer"), [
    (8, 1, [], ONE), (None, 1, [], ONE), (None, 4, ["0"], ONE), (8, 4, ["0", "1"], ONE),
    (8, 1, [], ONE | {"accelerator": "cpu"}), (2, 1, ["0", "1", "2", "3"], ONE | {"devices": 2}),
    (1, 1, ["0", "1"], ONE | {"devices": None}), (1, 1, ["0"], ONE | {"devices": 4})])
def test_what_the_gpus_take_is_allowed(at_once, per_gpu, gpus, trainer):
    refuse_places(at_once, per_gpu, gpus, shares(gpus, trainer["devices"]), trainer)


def test_a_job_goes_to_the_gpu_with_the_fewest_jobs_though_another_has_been_free_for_longer():
    runner = Runner(lambda job: [], places(None, ["0", "1", "2"], 2, 64), Limits(), watcher=None)
    runner.running = dict.fromkeys([0, 1, 4])  # GPU 0 has one job, GPU 1 two, GPU 2 none
    runner.free = deque([3, 5, 2])
    assert runner._take_place() == 5 and [*runner.free] == [3, 2]
    runner.running[5] = None
    assert runner._take_place() == 3
    without_gpus = Runner(lambda job: [], [{}] * 3, Limits(), watcher=None)
    without_gpus.running, without_gpus.free = {0: None}, deque([2, 1])
    assert without_gpus._take_place() == 2


def test_threads_are_cores_over_processes_and_a_single_one_chooses_itself():
    assert [threads(1, 1, 8), threads(2, 1, 8), threads(3, 1, 8), threads(2, 2, 8), threads(4, 1, 2)] == [
        None, 4, 2, 2, 1]


def test_visible_gpus_are_those_that_cuda_visible_devices_names(monkeypatch):
    assert gpus({"CUDA_VISIBLE_DEVICES": "3, GPU-1f"}) == ["3", "GPU-1f"]
    assert gpus({"CUDA_VISIBLE_DEVICES": ""}) == gpus({"CUDA_VISIBLE_DEVICES": "-1"}) == []
    assert gpus({"CUDA_VISIBLE_DEVICES": "NoDevFiles"}) == [] and gpus({"CUDA_VISIBLE_DEVICES": "1,-1,2"}) == ["1"]
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


def test_what_a_run_wrote_before_anybody_looked_is_read_at_its_end(tmp_path):
    """As of a job that ended while its sweep was dead."""
    (tmp_path / "metrics.csv").write_text("images_seen,quality/fid_x\n40,9.5\n80,7.5\n")
    job = Job(0, ["seed=0"], str(tmp_path))
    RunFiles(job).conclude({"state": "completed", "images_seen": 80})
    assert job.score == {"name": "fid_x", "value": 7.5} and job.images_seen == 80


@pytest.mark.parametrize("typed", ["run.dir=x", "+run.dir=x", "resume=auto", "describe=true", "hydra.sweep.subdir=x"])
def test_what_one_run_has_and_a_sweep_has_not_is_refused(typed):
    with pytest.raises(RequestError, match="^" + typed.partition("=")[0].lstrip("+") + "= "):
        refuse_single_runs(["seed=1", typed], {})


def test_processes_that_were_started_for_a_sweep_are_refused():
    for started in ({"WORLD_SIZE": "2"}, {"SLURM_NTASKS": "4"}):
        with pytest.raises(RequestError, match="trainer.devices=N"):
            refuse_single_runs(["seed=1"], started)
    refuse_single_runs(["seed=1"], {"WORLD_SIZE": "1", "SLURM_NTASKS": ""})

"""Several processes as a person starts them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest
from PIL import Image

from saddlepoint.runs import checkpoint
from tests.comparing_runs import differences, status
from tests.processes import ROOT, beside_two_busy_processes, ended, free_port, started, wait_until
from tests.warm import Command, environments, warm

OF_ANY_DATA = ("trainer=ddp", "trainer.accelerator=cpu", "threads=1", "data.batch_size=8", "seed=5", "model=dcgan",
               "model.generator.width=4", "model.discriminator.width=4", "model.discriminator.dropout=0.2",
               "trick=[ema]", "callbacks=none", "callbacks.scalars.every_images=160", "budget.images=480",
               "callbacks.checkpointing.every_images=80")
# The fewer layers, the fewer messages between processes, which take most of the time here
SMALL = (*OF_ANY_DATA, "data.subset_size=40", "data.image_size=16", "data.fit=resize")


def start(*arguments: str, where: Path, launcher: Sequence[str] = ()) -> AbstractContextManager[subprocess.Popen]:
    return started([sys.executable, *launcher, str(ROOT / "train.py"), *SMALL, *arguments], where, OMP_NUM_THREADS="1")


def start_warm(*arguments: str, where: Path, starts: int = 0, **environment: str) -> AbstractContextManager[Command]:
    """Where the end of the interpreter, which may wait for the group's threads, is no part of the claim"""
    return warm([sys.executable, ROOT / "train.py", *SMALL, *arguments], where, starts, OMP_NUM_THREADS="1",
                **environment)


def wait_for_checkpoint(process: subprocess.Popen, run: Path, later_than: float = 0.0) -> None:
    last = run / "checkpoints" / "last.ckpt"
    wait_until(lambda: last.exists() and last.stat().st_mtime > later_than, process)


@contextmanager
def beside_others_at_its_end(process: subprocess.Popen, run: Path) -> Iterator[None]:
    """The last 20 of 60 steps, and all that follows"""
    table = run / "metrics.csv"
    wait_until(lambda: process.poll() is not None or table.exists() and "\n320," in table.read_text(), process)
    with beside_two_busy_processes():
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Never interrupted: one process on each of two machines, each with a torchrun of its own"""
    run = tmp_path_factory.mktemp("whole") / "run"
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1",
                "--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{free_port()}", "--rdzv-id", "whole",
                ROOT / "train.py", *SMALL, f"run.dir={run}"]
    with ExitStack() as stack:
        agents = [stack.enter_context(warm(torchrun, run.parent, 1, OMP_NUM_THREADS="1")) for _ in range(2)]
        for done in map(ended, agents):
            assert done.returncode == 0, done.stderr
    return run


def test_a_run_that_lost_a_process_and_was_stopped_goes_on_to_the_same_end(whole, tmp_path):
    """Started by Lightning's own launcher, it ends by itself when one process died, with a checkpoint"""
    run, two = tmp_path / "run", ("trainer.devices=2", f"run.dir={tmp_path / 'run'}", "resume=auto")
    with start_warm(*two, where=tmp_path, starts=1) as process:
        wait_for_checkpoint(process, run)
        [child] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(child), signal.SIGKILL)
        killed = ended(process)
    assert killed.returncode not in (0, None)
    before = checkpoint.newest_good(run / "checkpoints")
    assert 0 < before["images_seen"] < 480 and len(before["processes"]) == 2

    began = time.time()
    with start_warm(*two, where=tmp_path, starts=1) as process:
        wait_for_checkpoint(process, run, later_than=began)
        with beside_two_busy_processes():
            process.send_signal(signal.SIGTERM)
            stopped = ended(process)
    assert stopped.returncode == 143, stopped.stderr
    assert status(run)["state"] == "stopped" and "Stopped by SIGTERM" in stopped.stderr

    with start_warm(*two, where=tmp_path, starts=1) as process, beside_others_at_its_end(process, run):
        done = ended(process)
    assert done.returncode == 0, done.stderr
    assert [odd for odd in differences(whole, run) if ".settings.trainer" not in odd] == []


def test_another_number_of_processes_goes_on_and_says_what_changes(whole, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "checkpoints").symlink_to(whole / "checkpoints")
    with start_warm(f"resume={run}", "trainer.devices=1", "budget.images=496", where=tmp_path) as process:
        done = ended(process)
    assert done.returncode == 0, done.stderr
    assert "saved by 2 processes and goes on with 1" in done.stderr


def test_a_batch_that_cannot_be_shared_is_refused_once(tmp_path):
    with start_warm("data.batch_size=9", "trainer.devices=2", f"run.dir={tmp_path / 'run'}", where=tmp_path,
                    starts=1) as process:
        done = ended(process)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("data.batch_size=9") == 1 and "data.batch_size=18" in done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "run").exists()


@pytest.mark.slow
def test_processes_that_were_started_and_not_asked_for_are_refused(tmp_path):
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    with start("trainer=cpu", f"run.dir={tmp_path / 'run'}", where=tmp_path, launcher=torchrun) as process:
        done = ended(process)
    assert done.returncode != 0
    assert done.stderr.count("type trainer=ddp") == 1 and not (tmp_path / "run").exists()


def test_what_one_machine_alone_refuses_is_said_by_the_first_and_nothing_is_written(tmp_path):
    """The folder of images is on the first machine only."""
    machines = [tmp_path / "first", tmp_path / "second"]
    for machine in machines:
        machine.mkdir()
    (machines[0] / "photos").mkdir()
    for number in range(8):
        Image.new("RGB", (32, 32), (30 * number, 0, 0)).save(machines[0] / "photos" / f"{number}.png")
    folder = ("data=image_folder", "data.root=photos", "data.image_size=32", "run.dir=run")
    line = [sys.executable, ROOT / "train.py", *OF_ANY_DATA, *folder]
    with ExitStack() as stack:
        first, _ = map(ended, [stack.enter_context(warm(line, machine, OMP_NUM_THREADS="1", **environment))
                               for machine, environment in zip(machines, environments(machines=2), strict=True)])
    assert first.returncode != 0 and "process 1: data.root=photos" in first.stderr
    assert not any((machine / "run").exists() for machine in machines)

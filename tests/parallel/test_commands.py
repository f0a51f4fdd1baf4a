"""Several processes as a person starts them."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from saddlepoint import checkpoint
from tests.comparing_runs import differences, status

ROOT = Path(__file__).parents[2]
SMALL = ("trainer=ddp", "trainer.accelerator=cpu", "threads=1", "data.batch_size=8", "data.subset_size=40", "seed=5",
         "model=dcgan", "model.generator.width=4", "model.discriminator.width=4", "model.discriminator.dropout=0.2",
         "trick=[ema]", "callbacks=none", "callbacks.scalars.every_images=160", "budget.images=1600",
         "callbacks.checkpointing.every_images=80")


def start(*arguments: str, launcher: tuple[str, ...] = (), where: Path | None = None) -> subprocess.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, *launcher, str(ROOT / "train.py"), *SMALL, *arguments], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd=where)


def ended(process: subprocess.Popen, seconds: float = 200) -> subprocess.CompletedProcess:
    out, err = process.communicate(timeout=seconds)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def wait_for_checkpoint(run: Path, later_than: float = 0.0) -> None:
    last = run / "checkpoints" / "last.ckpt"
    while not last.exists() or last.stat().st_mtime <= later_than:
        time.sleep(0.05)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Never interrupted: one process on each of two machines, each with a torchrun of its own"""
    run = tmp_path_factory.mktemp("whole") / "run"
    torchrun = ("-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d",
                "--rdzv-endpoint", f"127.0.0.1:{free_port()}", "--rdzv-id", "whole")
    agents = [start(f"run.dir={run}", launcher=torchrun) for _ in range(2)]
    for agent in agents:
        done = ended(agent)
        assert done.returncode == 0, done.stderr
    return run


def test_a_run_that_lost_a_process_and_was_stopped_goes_on_to_the_same_end(whole, tmp_path):
    """Started by Lightning's own launcher, it ends within 15 s of one process's death, with a checkpoint"""
    run, two = tmp_path / "run", ("trainer.devices=2", f"run.dir={tmp_path / 'run'}", "resume=auto")
    process = start(*two)
    wait_for_checkpoint(run)
    [child] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(child), signal.SIGKILL)
    killed = ended(process, seconds=15)
    assert killed.returncode not in (0, None)
    before = checkpoint.newest_good(run / "checkpoints")
    assert 0 < before["images_seen"] < 1600 and len(before["processes"]) == 2

    process, started = start(*two), time.time()
    wait_for_checkpoint(run, later_than=started)
    process.send_signal(signal.SIGTERM)
    stopped = ended(process)
    assert stopped.returncode == 143, stopped.stderr
    assert status(run)["state"] == "stopped" and "Stopped by SIGTERM" in stopped.stderr

    done = ended(start(*two))
    assert done.returncode == 0, done.stderr
    assert [odd for odd in differences(whole, run) if ".settings.trainer" not in odd] == []


def test_another_number_of_processes_goes_on_and_says_what_changes(whole, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "checkpoints").symlink_to(whole / "checkpoints")
    done = ended(start(f"resume={run}", "trainer.devices=1", "budget.images=1616"))
    assert done.returncode == 0, done.stderr
    assert "saved by 2 processes and goes on with 1" in done.stderr


def test_a_batch_that_cannot_be_shared_is_refused_once(tmp_path):
    done = ended(start("data.batch_size=9", "trainer.devices=2", f"run.dir={tmp_path / 'run'}"))
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("data.batch_size=9") == 1 and "data.batch_size=18" in done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "run").exists()


@pytest.mark.slow
def test_processes_that_were_started_and_not_asked_for_are_refused(tmp_path):
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    done = ended(start("trainer=cpu", f"run.dir={tmp_path / 'run'}", launcher=torchrun))
    assert done.returncode != 0
    assert done.stderr.count("type trainer=ddp") == 1 and not (tmp_path / "run").exists()


def test_what_one_machine_alone_refuses_is_said_by_the_first_and_nothing_is_written(tmp_path):
    """The folder of images is on the first machine only."""
    port = free_port()
    machines = [tmp_path / "first", tmp_path / "second"]
    for machine in machines:
        machine.mkdir()
    (machines[0] / "photos").mkdir()
    for number in range(8):
        Image.new("RGB", (32, 32), (30 * number, 0, 0)).save(machines[0] / "photos" / f"{number}.png")
    folder = ("data=image_folder", "data.root=photos", "data.subset_size=null", "data.image_size=32", "run.dir=run")
    torchrun = ("-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1", "--master-addr", "127.0.0.1",
                "--master-port", str(port))
    agents = [start(*folder, where=machine, launcher=(*torchrun, "--node-rank", str(number)))
              for number, machine in enumerate(machines)]
    first, _ = map(ended, agents)
    assert first.returncode != 0 and "process 1: data.root=photos" in first.stderr
    assert not any((machine / "run").exists() for machine in machines)

"""Starts the processes of a run, connects them, shares their results and ends them all if one of them dies."""

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
import torch
import torch.distributed as distributed
from pytorch_lightning.plugins.environments import SLURMEnvironment, TorchElasticEnvironment

from saddlepoint.errors import EndOfRun, ProcessLost, RequestError
from saddlepoint.parallel.collectives import is_alone, is_lost_process, leaving, place, share_results
from saddlepoint.parallel.first import print_end
from saddlepoint.parallel.strategy import GameStrategy
from saddlepoint.parallel.watching import Watch

SECONDS_TO_END = 10  # that the other processes get when the first one has ended


def trainer_arguments(settings: Mapping[str, Any], sweeping: bool = False) -> dict[str, Any]:
    """Returns the arguments of pl.Trainer that the settings of the group `trainer` decide. If torchrun or SLURM started
    the processes, their number is taken. Raises a RequestError if the settings ask for another number."""
    trainer = settings["trainer"]
    devices, num_nodes = trainer["devices"], trainer["num_nodes"]
    started = count_started()
    if started:
        if (devices or started[0], num_nodes or started[1]) != started:
            raise RequestError(
                f"{started[0]} processes on each of {started[1]} machines were started for this run, and "
                f"trainer.devices={devices} trainer.num_nodes={num_nodes} asks for others: type trainer=ddp, which "
                "takes them as they are")
        devices, num_nodes = started
    devices = devices or _count_gpus(trainer["accelerator"])
    plugins = _slurm_plugin()
    if devices * (num_nodes or 1) == 1:
        return {"devices": 1, "plugins": plugins}
    if sweeping and not started:
        raise RequestError(f"a sweep of runs of {devices} processes needs hydra/launcher=processes, which starts each "
                           "run by itself: leave the other launcher out")
    return {"devices": devices, "num_nodes": num_nodes or 1, "strategy": GameStrategy(), "plugins": plugins}


def count_started() -> tuple[int, int] | None:
    """Returns the numbers of processes on each machine and of machines that torchrun or SLURM started; None if neither
    did."""
    if TorchElasticEnvironment.detect():
        on_each = int(os.environ["LOCAL_WORLD_SIZE"])
        return on_each, int(os.environ["WORLD_SIZE"]) // on_each
    if SLURMEnvironment.detect():
        num_nodes = int(os.environ.get("SLURM_NNODES", "1"))
        return int(os.environ["SLURM_NTASKS"]) // num_nodes, num_nodes
    return None


def _slurm_plugin() -> list[SLURMEnvironment] | None:
    """Returns Lightning's plugin for processes that SLURM started; None for others, also those that torchrun started in
    a SLURM job, whose numbers are torchrun's."""
    if TorchElasticEnvironment.detect() or not SLURMEnvironment.detect():
        return None
    try:
        return [SLURMEnvironment(auto_requeue=False)]  # we handle the signals
    except RuntimeError as error:
        count = os.environ["SLURM_NTASKS"]
        raise RequestError(f"SLURM started {count} processes and was not told how many on each machine: instead of "
                           "--ntasks, type --nodes and --ntasks-per-node, e.g. on one machine srun --nodes 1 "
                           f"--ntasks-per-node {count} python train.py trainer=ddp ...") from error


def count_here() -> int:
    """Returns how many processes of this run are on this machine, once they have met."""
    started = count_started()
    return started[0] if started else place()[1]


def _count_gpus(accelerator: str) -> int:
    count = 0 if accelerator == "cpu" else torch.cuda.device_count()
    if not count:
        raise RequestError("trainer.devices=null takes all GPUs, and there are none: type how many processes, e.g. "
                           "trainer.devices=2, or start them: torchrun --nproc-per-node 2 train.py trainer=ddp ...")
    return count


def connect(trainer: pl.Trainer) -> None:
    """Connects to the other processes, after it has started them unless a launcher did. It must be called before
    anything is written, since only connected processes can agree on that."""
    if trainer.strategy.launcher is not None:
        trainer.strategy.launcher.launch(trainer.strategy.setup_environment, trainer=trainer)


def one_process_first(trainer: pl.Trainer, act: Callable[[], None]) -> None:
    """Calls `act` in the first process of each machine, which may download and decode files, then in the others, which
    find these files."""
    first_here = trainer.local_rank == 0
    share_results(act if first_here else lambda: None)
    share_results(lambda: None if first_here else act())


@contextmanager
def ending_together(trainer: pl.Trainer, note_end: Callable[[EndOfRun], None] = lambda end: None) -> Iterator[Watch]:
    """Ends all processes of a run together: if one dies in the block, raises a ProcessLost in the others; after the
    block, waits for the processes that this one started with `trainer`, and kills those that do not end.

    Yields a watch, which begins where the processes are connected by NCCL. Where it finds that another process has
    died, it ends this one without returning to the block, and calls `note_end` before.
    """
    children: list[subprocess.Popen] = []

    def end() -> None:
        lost = _process_lost(trainer)
        note_end(lost)
        print_end(lost)
        for process in [*children, *_take_children(trainer)]:
            process.kill()
        os._exit(lost.exit_code)

    watch, agreed = Watch(end), False
    try:
        with leaving(lambda: children.extend(_take_children(trainer))):
            yield watch
        agreed = True
    except EndOfRun as end_of_run:
        agreed = end_of_run.of_all
        raise
    except RuntimeError as error:
        if trainer.world_size == 1 or not is_lost_process(error):
            raise
        raise _process_lost(trainer, error) from error
    finally:
        watch.leave(agreed)
        _end_children([*children, *_take_children(trainer)])


def _process_lost(trainer: pl.Trainer, error: RuntimeError | None = None) -> ProcessLost:
    return ProcessLost("A process of this run died or cannot be reached, so all of them end. To go on from the newest "
                       f"checkpoint, type resume={trainer.default_root_dir}" + (f" ({error})" if error else ""))


def watch_processes(watch: Watch) -> None:
    """Lets this process end when another one has died, where its collectives would not notice."""
    if not is_alone() and distributed.get_backend() == "nccl":
        watch.begin()


def _take_children(trainer: pl.Trainer) -> list[subprocess.Popen]:
    """Removes the processes that Lightning started from its list, and returns them. Otherwise its observer, which
    watches that list, would kill this process when a child fails."""
    started = getattr(trainer.strategy.launcher, "procs", [])
    children = started.copy()
    started.clear()
    return children


def _end_children(children: list[subprocess.Popen]) -> None:
    for process in children:
        try:
            process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

"""Starts the processes of a run, connects them and ends them together."""

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.environments import SLURMEnvironment, TorchElasticEnvironment

from saddlepoint.errors import EndOfRun, ProcessLost, RequestError
from saddlepoint.parallel.collectives import gathered_objects, is_lost_process, leaving
from saddlepoint.parallel.strategy import GameStrategy

SECONDS_TO_END = 10  # which the other processes get when the first one is through


def processes(settings: Mapping[str, Any], sweeping: bool = False) -> dict[str, Any]:
    """Returns the arguments of pl.Trainer that the group trainer decides. Processes that torchrun or SLURM started
    are taken as they are."""
    trainer = settings["trainer"]
    devices, num_nodes = trainer["devices"], trainer["num_nodes"]
    started = _started()
    if started:
        if (devices or started[0], num_nodes or started[1]) != started:
            raise RequestError(
                f"{started[0]} processes on each of {started[1]} machines were started for this run, and "
                f"trainer.devices={devices} trainer.num_nodes={num_nodes} asks for others: type trainer=ddp, which "
                "takes them as they are")
        devices, num_nodes = started
    devices = devices or _gpus(trainer["accelerator"])
    plugins = [SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else None  # signals are ours
    if devices * (num_nodes or 1) == 1:
        return {"devices": 1, "plugins": plugins}
    if sweeping and not started:
        raise RequestError(f"a sweep of runs of {devices} processes needs hydra/launcher=processes, which starts each "
                           "run by itself: leave the other launcher out")
    return {"devices": devices, "num_nodes": num_nodes or 1, "strategy": GameStrategy(), "plugins": plugins}


def _started() -> tuple[int, int] | None:
    """Returns the number of processes on each machine, and the number of machines."""
    if TorchElasticEnvironment.detect():
        here = int(os.environ["LOCAL_WORLD_SIZE"])
        return here, int(os.environ["WORLD_SIZE"]) // here
    if SLURMEnvironment.detect():
        num_nodes = int(os.environ.get("SLURM_NNODES", "1"))
        return int(os.environ["SLURM_NTASKS"]) // num_nodes, num_nodes
    return None


def _gpus(accelerator: str) -> int:
    count = 0 if accelerator == "cpu" else torch.cuda.device_count()
    if not count:
        raise RequestError("trainer.devices=null takes all GPUs, and there are none: type how many processes, e.g. "
                           "trainer.devices=2, or start them: torchrun --nproc-per-node 2 train.py trainer=ddp ...")
    return count


def connect(trainer: pl.Trainer) -> None:
    """Starts the other processes unless somebody has, and connects to them. Call it before anything is written: only
    connected processes can agree."""
    if trainer.strategy.launcher is not None:
        trainer.strategy.launcher.launch(trainer.strategy.setup_environment, trainer=trainer)


def in_agreement(act: Callable[[], Any]) -> list[Any]:
    """Shares the outcome of each process with all of them. If one refuses, all of them end, and the first one says
    why."""
    result, refusal = None, None
    try:
        result = act()
    except EndOfRun as end:
        refusal = end
    outcomes = gathered_objects((result, refusal and (refusal.exit_code, str(refusal))))
    if refusal:
        refusal.of_all = refusal.agreed = True
        raise refusal
    for number, (_, refused) in enumerate(outcomes):
        if refused:
            end = EndOfRun(f"process {number}: {refused[1]}")
            end.of_all, end.agreed, end.exit_code = True, True, refused[0]
            raise end
    return [outcome for outcome, _ in outcomes]


def one_after_the_other(trainer: pl.Trainer, act: Callable[[], None]) -> None:
    """Lets one process of each machine go first, which may download and decode; the others then find that done."""
    first_here = trainer.local_rank == 0
    in_agreement(act if first_here else lambda: None)
    in_agreement(lambda: None if first_here else act())


@contextmanager
def together(trainer: pl.Trainer) -> Iterator[None]:
    """Trains by several processes, of which this one may start others with `trainer`. If one dies, it ends them all
    with a message for the user and leaves none behind."""
    children: list[subprocess.Popen] = []
    try:
        with leaving(lambda: children.extend(_taken_from(trainer))):
            yield
    except RuntimeError as error:
        if trainer.world_size == 1 or not is_lost_process(error):
            raise
        raise ProcessLost("A process of this run died or cannot be reached, so all of them end. To go on from the "
                          f"newest checkpoint, type resume={trainer.default_root_dir} ({error})") from error
    finally:
        _end([*children, *_taken_from(trainer)])


def _taken_from(trainer: pl.Trainer) -> list[subprocess.Popen]:
    """Removes the processes that Lightning started from its list and returns them. Its observer looks through the
    same list, and would kill this process for the way a child ended."""
    started = getattr(trainer.strategy.launcher, "procs", [])
    children = started.copy()
    started.clear()
    return children


def _end(children: list[subprocess.Popen]) -> None:
    for process in children:
        try:
            process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

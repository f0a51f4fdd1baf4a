"""How exactly a run computes, and on what: refuses what is not there, sets torch for the length of a run, and describes
both for its files."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from saddlepoint import environment
from saddlepoint.config import spelling
from saddlepoint.config.rules import as_typed
from saddlepoint.errors import EndOfRun, OutOfMemory, RequestError
from saddlepoint.files.disk_space import find_full_disk
from saddlepoint.game import device_memory, devices
from saddlepoint.game.compiling import torchs_settings
from saddlepoint.game.modes import tf32
from saddlepoint.parallel.collectives import gather_objects
from saddlepoint.runs.directory import RunDirectory
from saddlepoint.training import compiling

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"  # cuBLAS reads it once, when CUDA starts
DETERMINISTIC_WORKSPACES = (":4096:8", ":16:8")
AMPERE = 8  # the first compute capability with bfloat16 and TF32


def refuse_missing(settings: Mapping[str, Any], processes: int) -> None:
    """Raises a RequestError if the settings ask for a precision or for GPUs that are not here.

    processes: on this machine, each of which takes a GPU unless it computes on the CPU
    """
    precision, trainer = settings["precision"], settings["trainer"]
    wants_cpu, count = trainer["accelerator"] == "cpu", torch.cuda.device_count() if torch.cuda.is_available() else 0
    if precision == "16-mixed" and (wants_cpu or not count):
        raise RequestError("precision=16-mixed needs a GPU: type precision=bf16-mixed or precision=32-true")
    if precision == "16-mixed" and settings["model"]["turns"]["order"] == "simultaneous":
        raise RequestError("precision=16-mixed changes the scale of the losses between two updates, and "
                           "model.turns.order=simultaneous takes both gradients before either: type "
                           "precision=bf16-mixed")
    if trainer["record"] and (wants_cpu or not count):
        raise RequestError("trainer.record=true records steps as CUDA graphs, which needs an NVIDIA GPU, and this run "
                           "computes on the CPU: type trainer.record=false")
    if trainer["record"] and processes * (trainer["num_nodes"] or 1) > 1:
        raise RequestError(f"trainer.record=true records the steps of one process, and trainer.devices={processes} "
                           "starts several: type trainer.record=false or trainer.devices=1")
    in_bfloat16 = [f"bf16.{player}={as_typed(value)}" for player, value in settings["bf16"].items()
                   if value is not None]
    if in_bfloat16 and precision != "32-true":
        raise RequestError(f"precision={precision} computes all networks in half precision, and {in_bfloat16[0]} only "
                           f"some: type precision=32-true, or leave {in_bfloat16[0]} out")
    if wants_cpu:
        return
    if trainer["accelerator"] == "gpu" and not count:
        raise RequestError("trainer.accelerator=gpu: torch finds no GPU here: type trainer=cpu or trainer=auto")
    if count and processes > count:
        raise RequestError(f"trainer.devices={processes} takes a GPU for each process, and torch finds {count} here: "
                           f"type trainer.devices={count} (of torchrun: --nproc-per-node {count}), or "
                           "trainer.accelerator=cpu for processes without GPUs")
    if count and (precision == "bf16-mixed" or in_bfloat16) and _capability()[0] < AMPERE:
        raise RequestError(f"{(in_bfloat16 or ['precision=bf16-mixed'])[0]} needs a GPU of compute capability "
                           f"{AMPERE}.0 or more, and "
                           f"{torch.cuda.get_device_name()} has {'.'.join(map(str, _capability()))}: type "
                           "precision=16-mixed or precision=32-true")


@contextmanager
def as_set(settings: Mapping[str, Any]) -> Iterator[None]:
    """Lets torch compute as the settings of the group `trainer` say, for the length of the block, and in a job of a
    sweep that shares a GPU with others, with no more memory than its share."""
    trainer = settings["trainer"]
    retains_graphs = settings["model"]["turns"]["order"] == "simultaneous"
    compiler = torchs_settings(retains_graphs) if trainer["compile"] else nullcontext()
    with (tf32(trainer["tf32"]), deterministic(trainer["deterministic"]), share_of_a_gpu(trainer["accelerator"]),
          compiler):
        yield


@contextmanager
def deterministic(active: bool) -> Iterator[None]:
    """Lets torch use only operations that give the same bits each time, for the length of the block. Raises a
    RequestError where that is no longer possible."""
    if not active:
        yield
        return
    _set_workspace()
    cudnn = torch.backends.cudnn
    before = (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled(),
              cudnn.benchmark)
    torch.use_deterministic_algorithms(True)
    cudnn.benchmark = False  # which kernel was the fastest differs from time to time
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        cudnn.benchmark = before[2]


@contextmanager
def share_of_a_gpu(accelerator: str) -> Iterator[None]:
    """Lets torch take no more of a GPU that jobs of a sweep share than this job's part of it, for the length of the
    block. Raises a RequestError if that is nothing."""
    jobs = environment.jobs_on_gpu()
    if jobs == 1 or accelerator == "cpu" or not torch.cuda.is_available():
        yield
        return
    total = torch.cuda.get_device_properties(0).total_memory  # a job that shares a GPU sees that one alone
    share = device_memory.share(total, jobs)
    if share <= 0:
        raise RequestError(f"{jobs} jobs are to share {torch.cuda.get_device_name()}, and CUDA itself takes about "
                           f"{_gibibytes(device_memory.CUDA_ITSELF)} of its {_gibibytes(total)} for each: type "
                           f"hydra.launcher.jobs_per_gpu={max(1, total // (2 * device_memory.CUDA_ITSELF))} or fewer")
    torch.cuda.set_per_process_memory_fraction(share / total)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def _set_workspace() -> None:
    """Sets the variable that makes cuBLAS deterministic. It stays set after the run, as cuBLAS does not read it again,
    and the next run of this process needs to know what it read."""
    if not torch.cuda.is_initialized():
        os.environ.setdefault(WORKSPACE, DETERMINISTIC_WORKSPACES[0])
    value = os.environ.get(WORKSPACE)
    if value not in DETERMINISTIC_WORKSPACES:
        raise RequestError(f"trainer.deterministic=true needs {WORKSPACE}={DETERMINISTIC_WORKSPACES[0]} before CUDA "
                           f"starts, and it is {value or 'not set'}: set it in the environment before Python starts, "
                           "or type trainer.deterministic=false")


def nondeterministic(error: BaseException) -> RequestError | None:
    """Returns a refusal in place of torch's error about an operation without a deterministic kernel, else None."""
    match = re.match(r"(\S+) does not have a deterministic implementation", str(error))
    if not match and "is not deterministic because it uses CuBLAS" not in str(error):
        return None
    operation = match[1] if match else "cuBLAS"
    return RequestError(f"trainer.deterministic=true cannot be kept: {operation} has no kernel here that gives the "
                        "same bits each time. Type trainer.deterministic=false, and resuming is exact to rounding, or "
                        "trainer=cpu")


def description(settings: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    """Returns what the run computes on and how, for environment.json and checkpoints. All processes must call it."""
    trainer = settings["trainer"]
    return {"type": device.type, "devices": gather_objects(devices.name_of(device)), **devices.versions_of_cuda(device),
            "precision": settings["precision"], "tf32": trainer["tf32"], "deterministic": trainer["deterministic"],
            "compile": trainer["compile"]}


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Returns what differs between two descriptions and changes the last bits of a run, e.g. `trainer.tf32=true (was
    false)`. On a CPU neither TF32 nor kernels that must be deterministic change any. Runs of earlier versions were not
    compiled."""
    cards = [" and ".join(sorted(set(each["devices"]))) for each in (before, now)]
    changes = [] if cards[0] == cards[1] else [f"{cards[1]} (was {cards[0]})"]
    before, names = {"compile": False, **before}, ["compile"]
    if "cuda" in (before["type"], now["type"]):
        names += ["tf32", "deterministic"]
    return changes + [f"trainer.{name}={as_typed(now[name])} (was {as_typed(before[name])})"
                      for name in names if before[name] != now[name]]


def explained(error: BaseException, settings: Mapping[str, Any], device: torch.device, run: RunDirectory,
              ) -> EndOfRun | None:
    """Returns the end of a run, in a sentence that says what to type, if memory ran out or an operation has no
    deterministic kernel or cannot be compiled; None for another error."""
    if isinstance(error, EndOfRun) or find_full_disk(error):
        return None
    if devices.is_out_of_memory(error):
        return out_of_memory(error, settings, device, run)
    return nondeterministic(error) or compiling.refusal(error)


def out_of_memory(error: BaseException, settings: Mapping[str, Any], device: torch.device, run: RunDirectory,
                  ) -> OutOfMemory:
    """Returns the end of a run whose memory ran out, with what was asked for and what to try."""
    size, requested = settings["data"]["batch_size"], devices.requested_bytes(error)
    free, total = devices.memory_of(device, error)
    jobs = environment.jobs_on_gpu() if device.type == "cuda" else 1
    attempts = [f"data.batch_size={size // 2}"] if size > 1 else []
    if settings["precision"] == "32-true" and (device.type != "cuda" or _capability(device)[0] >= AMPERE):
        attempts.append("precision=bf16-mixed")
    if run.last.is_file():
        saved = (f"{run.last} is whole: to go on where more memory is free, type "
                 f"{spelling.command('train', f'resume={run.path}')}")
    else:
        saved = "No checkpoint was written before"
    asked = f"{_gibibytes(requested)} more were asked for, and " if requested else ""
    had = f"{_gibibytes(free)} of {_gibibytes(total)} were free"
    if jobs > 1:
        had = (f"this is one of {jobs} jobs that share the GPU, of whose {_gibibytes(total)} each may fill "
               f"{_gibibytes(device_memory.share(total, jobs))}")
        attempts.insert(0, f"hydra.launcher.jobs_per_gpu={jobs // 2}")
    return OutOfMemory(f"Out of memory with data.batch_size={size} on {devices.name_of(device)}: {asked}{had}. Start "
                       f"{'the sweep' if jobs > 1 else 'a run'} with {' or '.join(attempts) or 'a smaller model'}. "
                       f"{saved}")


def _capability(device: torch.device | None = None) -> tuple[int, int]:
    return torch.cuda.get_device_capability(device)


def _gibibytes(count: int) -> str:
    return f"{count / 2**30:.2f} GiB"

"""The checks of gpu.py about whole runs: exact resuming, and the end of memory."""

import hashlib
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from _gpu_cases import Case, Machine, Outcome

from saddlepoint.errors import OutOfMemory
from saddlepoint.runs import resuming
from saddlepoint.training import train
from tests.composing import settings


def resume(machine: Machine) -> Iterator[Case]:
    """Checks that a run that stopped half-way and went on ends with the weights of a run that went straight through.

    The verdict is on trainer.deterministic=true. A failure there means that resuming loses something on a GPU: a state
    that is not restored, or draws that depend on more than the seed and the step. Without it the result is measured
    only, since kernels may add up in any order; where even two straight runs differ, resuming cannot be exact.
    """
    if not machine.is_dry:  # a CPU does the same either way
        yield "as it comes", partial(straight_and_resumed, machine, deterministic=False)
    yield "trainer.deterministic=true", partial(straight_and_resumed, machine, deterministic=True)


def straight_and_resumed(machine: Machine, deterministic: bool) -> Outcome:
    images = 256 if machine.is_dry else 6400
    base = ("model=dcgan_small", "data.batch_size=64", "trick=[ema]", *machine.quiet,
            f"trainer.deterministic={str(deterministic).lower()}")
    place = machine.folder / ("deterministic" if deterministic else "as_it_comes")
    straight = []
    for number in (1, 2):
        run = place / f"straight_{number}"
        train.train(settings(*base, f"budget.images={images}"), run)
        straight.append(digest_of_weights(run))
    halves = place / "halves"
    train.train(settings(*base, f"budget.images={images // 2}"), halves)
    typed = [f"budget.images={images}", f"resume={halves}"]
    wanted = settings(*base, typed[0], f"resume='{halves}'")
    going_on = resuming.continuation(wanted, typed, None)
    train.train(going_on.settings, None, going_on)
    same_twice, resumed_same = straight[0] == straight[1], straight[0] == digest_of_weights(halves)
    return Outcome({"two straight runs are equal": same_twice, "the resumed run is equal": resumed_same},
                   passed=same_twice and resumed_same if deterministic else None)


def digest_of_weights(run: Path) -> str:
    return hashlib.sha256((run / "generator.safetensors").read_bytes()).hexdigest()


def memory(machine: Machine) -> Iterator[Case]:
    """Checks that a run whose GPU memory ends has the exit code 6, a sentence with what to type, and the state failed.

    torch is allowed a fiftieth of the card. A failure means that users get a traceback, or lose their checkpoint.
    """
    yield "", partial(out_of_memory, machine)


def out_of_memory(machine: Machine) -> Outcome:
    machine.require_gpu()
    run = machine.folder / "too_large"
    torch.cuda.set_per_process_memory_fraction(0.02)
    try:
        train.train(settings("model=dcgan", "data=mnist5k", "data.batch_size=4096", "model.discriminator.width=256",
                             "budget.images=40960", *machine.quiet), run)
    except OutOfMemory as end:
        state = json.loads((run / "status.json").read_text())["state"]
        return Outcome({"exit code": end.exit_code, "state": state, "sentence": str(end)},
                       passed=end.exit_code == 6 and state == "failed" and "data.batch_size=2048" in str(end))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()
    return Outcome({"ended": "with enough memory"}, passed=False)


CHECKS = {"resume": resume, "memory": memory}

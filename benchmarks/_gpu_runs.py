"""The checks of gpu.py about whole runs: exact resuming, and the end of memory."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from _gpu_cases import Case, Machine, Outcome

from saddlepoint.errors import OutOfMemory
from saddlepoint.runs import checkpoint, resuming
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
    images, batch_size = (64, 16) if machine.is_dry else (6400, 64)
    base = ("model=dcgan_small", f"data.batch_size={batch_size}", "trick=[ema]", *machine.narrow, *machine.quiet,
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


RECORDED = {
    "dcgan, tricks whose numbers change": (
        "model=dcgan_small", "trick=[instance_noise,label_flip,ema]",
        "optimizer.schedule={_target_: saddlepoint.game.schedule.Linear, start: 1.0, end: 0.5, images: 6400}"),
    "penalties": ("model=dcgan_small", "model.discriminator.normalization=none", "loss=relativistic",
                  "tricks.r1.every=4", "trick=[r1,r2,ema]"),
    "spectral norm, three updates of D": ("model=resnet", "model.generator.width=32", "model.discriminator.width=32",
                                          "model.discriminator.normalization=none", "loss=hinge",
                                          "trick=[spectral_norm]", "model.turns.discriminator_steps=3"),
    "dropout": ("model=mlp", "model.discriminator.dropout=0.3"),
    "shared fakes and a pool": ("model=cyclegan", "data=coloured_digits", "model.generator.num_blocks=1",
                                "model.module.pool_size=64"),
    "both players at once": ("model=dcgan_small", "model.turns.order=simultaneous"),
    "bf16-mixed": ("model=dcgan_small", "precision=bf16-mixed"),
}


def record(machine: Machine) -> Iterator[Case]:
    """Checks that a run with trainer.record=true ends with the checkpoint of one without, to the bit.

    Both have trainer.deterministic=true. A failure means that a recording computes something else than the code: it has
    kept a number that changes, or draws other random numbers, or reads memory that something else writes. Then
    trainer.record must stay off.
    """
    for name, overrides in RECORDED.items():
        yield name, partial(recorded_and_not, machine, overrides)


def recorded_and_not(machine: Machine, overrides: Sequence[str]) -> Outcome:
    machine.require_gpu()
    states = []
    for recorded in ("false", "true"):
        run = machine.folder / f"recorded_{recorded}_{len(list(machine.folder.iterdir()))}"
        train.train(settings("data.batch_size=64", *overrides, *machine.quiet, "budget.images=3200",
                             "trainer.deterministic=true", f"trainer.record={recorded}"), run)
        saved = checkpoint.load(run / "checkpoints" / "last.ckpt")
        states.append(dict(tensors_of({name: saved[name] for name in ("module", "optimizers", "processes")})))
    odd = [name for name, tensor in states[0].items() if not torch.equal(tensor, states[1][name])]
    return Outcome({"tensors": len(states[0]), "differ": len(odd), "the first": odd[:1]}, passed=not odd)


def tensors_of(value: Any, name: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """-> the tensors of nested containers, by their place"""
    if isinstance(value, torch.Tensor):
        yield name, value
    elif isinstance(value, dict | list | tuple):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from tensors_of(inner, f"{name}.{key}")


CHECKS = {"resume": resume, "memory": memory, "record": record}

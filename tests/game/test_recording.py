"""A step that is played by its recording ends as one that is played by its code, to the bit.

The recordings are made on the CPU, by a stand-in for CUDA graphs that keeps operations and the memory they work in.
"""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from saddlepoint import build
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.game.guard import FiniteGuard, leaves_out
from saddlepoint.game.recording import Recorder
from tests.composing import options, settings
from tests.game.playing import Later
from tests.game.recording import OnCPU, tensors
from tests.game.test_waits import batch_of

SMALL = {"width": 4, "hidden": 8, "num_blocks": 1, "growth": 4, "pool_size": 2}  # of networks
STEPS = 6  # of each kind of step: one is played, one rehearsed, one recorded, and the recording is played


def shrunk(settings: Any) -> Any:
    if isinstance(settings, list):
        return [*map(shrunk, settings)]
    if not isinstance(settings, Mapping):
        return settings
    return {name: SMALL[name] if name in SMALL and type(value) is int else
            [4 + 4 * (each > 4) for each in value] if name in ("widths", "maps") else shrunk(value)
            for name, value in settings.items()}


def game(made: dict, recorded: bool) -> AdversarialModule:
    """A module that is ready for training_step, guarded as on a GPU"""
    module = build.module(made | {"model": shrunk(made["model"])})
    module.budget_images = 10**9
    module._trainer = SimpleNamespace(world_size=1, global_rank=0)
    module.turns.discriminator_steps = min(module.turns.discriminator_steps, 2)
    module.players_optimizers.rates_on = ("cpu",) if recorded else ()
    optimizers = module.configure_optimizers()
    wrapped = [SimpleNamespace(optimizer=each, param_groups=each.param_groups) for each in optimizers]
    module.optimizers = lambda: wrapped
    module.players_optimizers.directly = True
    module.guard = FiniteGuard(optimizers, torch.device("cpu"), None, later=Later)
    if recorded:
        module.refusals = []
        module.recorder = Recorder(OnCPU(lambda: static(module, optimizers)), module.refusals.append)
    return module


def static(module: AdversarialModule, optimizers: list[torch.optim.Optimizer]) -> list[Tensor]:
    """What keeps its place from step to step"""
    kinds, guard = module.recorder.kinds.values(), module.guard
    return [*module.parameters(), *module.buffers(), guard.flag, guard.left_out,
            *tensors([[*optimizer.state.values()] for optimizer in optimizers]),
            *tensors([group["lr"] for optimizer in optimizers for group in optimizer.param_groups]),
            *tensors([kind.batch for kind in kinds]), *tensors([tape.values for kind in kinds for tape in kind.tapes])]


def content(module: AdversarialModule) -> dict[str, Any]:
    optimizers = module.players_optimizers.states(each.optimizer for each in module.optimizers())
    return {"state": dict(module.state_dict()), "optimizers": optimizers, "latest": dict(module.latest),
            "norms": {player: torch.stack([*norms]) for player, norms in module.guard.norms.items()}}


def equal(one: Any, other: Any, path: str = "") -> None:
    if isinstance(one, Mapping):
        assert one.keys() == other.keys(), path
        for name in one:
            equal(one[name], other[name], f"{path}.{name}")
    elif isinstance(one, list | tuple):
        for index, pair in enumerate(zip(one, other, strict=True)):
            equal(*pair, f"{path}.{index}")
    elif isinstance(one, Tensor):
        assert one.dtype == other.dtype, path
        assert torch.equal(one, other), path
    else:
        assert one == other, path


def batches(made: dict, kind: type, count: int) -> list[tuple]:
    generator = torch.Generator().manual_seed(4)
    shapes = batch_of(made, kind)
    return [kind(*(torch.rand(part[:2].shape, generator=generator) * 2 - 1 if part.is_floating_point() else part[:2]
                   for part in shapes)) for _ in range(count)]


def played_both_ways(made: dict, kinds: int | None = None, starts_at: int = 0) -> AdversarialModule:
    kind = build.data(made).yields
    games = [game(made, recorded) for recorded in (False, True)]
    for module in games:
        module.images_seen = starts_at
        for batch in batches(made, kind, STEPS * (kinds or module.turns.discriminator_steps)):
            module.training_step(batch, 0)
        module.settle()
    equal(*map(content, games))
    return games[1]


QUIET = ("callbacks=none", "logger=none", "trainer=cpu")
SMALLER = {"cyclegan_horses": ("data.image_size=32",), **{
    f"{model}_x4": ("perceptual=random", "data.image_size=32") for model in ("srgan", "esrgan", "real_esrgan")}}


@pytest.mark.parametrize("name", options("experiment"))
def test_every_experiment(name):
    game = played_both_ways(settings(f"experiment={name}", *QUIET, *SMALLER.get(name, ())))
    assert game.recorder.device.played >= 2
    assert not game.refusals

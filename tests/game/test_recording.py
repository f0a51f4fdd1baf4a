"""A step that is played by its recording, and one in a visit of several, end as one that is played by its code, to the
bit.

The recordings are made on the CPU, by a stand-in for CUDA graphs that keeps operations and the memory they work in.
"""

import re
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from saddlepoint import build
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.game.batches import ImageBatch
from saddlepoint.game.guard import FiniteGuard
from saddlepoint.game.networks import PLAYERS
from saddlepoint.game.recording import Recorder
from saddlepoint.game.schedule import Constant, Linear
from saddlepoint.game.trick import Trick
from saddlepoint.game.trick_stack import TrickStack
from saddlepoint.game.turns import Turns
from saddlepoint.game.visits import Visit
from tests.composing import options, settings
from tests.game.playing import Later
from tests.game.recording import OnCPU, tensors
from tests.game.test_waits import MOVES_ALWAYS, SAME_STEPS, batch_of

SMALL = {"width": 4, "first_maps": 4, "hidden": 8, "num_blocks": 1, "growth": 4, "pool_size": 6}  # of networks
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
    module._trainer = SimpleNamespace(world_size=1, global_rank=0, should_stop=False)
    module.turns.discriminator_steps = min(module.turns.discriminator_steps, 2)
    module.players_optimizers.rates_on = ("cpu",) if recorded else ()
    optimizers = module.configure_optimizers()
    wrapped = [SimpleNamespace(optimizer=each, param_groups=each.param_groups) for each in optimizers]
    module.optimizers = lambda: wrapped
    module.players_optimizers.directly = True
    module.guard = FiniteGuard(optimizers, torch.device("cpu"), None, later=Later)
    module.each_step = []  # what curves are means of: later steps must not write over it
    module.after_each_step.append(lambda module: module.each_step.append(dict(module.newest)))
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
            "each_step": module.each_step,
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
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True, msg=path)
    else:
        assert one == other, path


def batches(made: dict, kind: type, count: int) -> list[tuple]:
    generator = torch.Generator().manual_seed(4)
    shapes = batch_of(made, kind)
    return [kind(*(torch.rand(part[:2].shape, generator=generator) * 2 - 1 if part.is_floating_point() else part[:2]
                   for part in shapes)) for _ in range(count)]


def play(module: AdversarialModule, given: list[tuple], steps: int | None = None) -> None:
    """Plays all batches, one after the other or in visits of so many steps, which end where a callback is due"""
    if steps is None:
        for batch in given:
            module.training_step(batch, 0)
    else:
        ends = [SimpleNamespace(next_due=lambda images_seen: 5 if images_seen < 5 else 2 * len(given))]
        visit = Visit(iter(given), lambda batch: batch, ends, steps)
        while module.images_seen < 2 * len(given):
            module.training_step(visit, 0)
    module.settle()


def played_each_way(made: dict, kinds: int | None = None,
                    prepare: Callable[[AdversarialModule], Any] = lambda module: None) -> AdversarialModule:
    """By its code, by its code in visits, and recorded -> the game that was recorded"""
    kind, games = build.data(made).yields, []
    ways = ((None, False), (7, False), (None, True))
    for steps, recorded in ways[:2] if made["model"]["turns"]["scoring"] == "half" else ways:
        module = game(made, recorded)
        prepare(module)
        play(module, batches(made, kind, STEPS * (kinds or module.turns.discriminator_steps)), steps)
        games.append(content(module))
    for other in games[1:]:
        equal(games[0], other)
    return module


QUIET = ("callbacks=none", "logger=none", "trainer=cpu")
NARROW = ("model.generator.width=4", "model.discriminator.width=4")
BETAS = ("optimizer.generator.betas=[0.0,0.99]", "optimizer.discriminator.betas=[0.0,0.99]")
SMALLER = {"r3gan_cifar10": (*BETAS, *NARROW),
           "biggan_cifar10": NARROW, "sagan_cifar10": NARROW,
           "stylegan2_cifar10": ("model.generator.most_maps=4", "model.generator.style_size=8",
                                 "model.discriminator.most_maps=4"),
           "lecture_dcgan": ("data.image_size=32",), "gan3d_shapes": MOVES_ALWAYS, **{
    f"{model}_x4": ("perceptual=random", "data.image_size=32") for model in ("srgan", "esrgan", "real_esrgan")}}


@pytest.mark.parametrize("name", sorted({*options("experiment")} - SAME_STEPS))
def test_every_experiment(name):
    """Those that score half a batch at a time are refused (tests/training/test_stepping.py), and only visited."""
    made = settings(f"experiment={name}", *QUIET, *SMALLER.get(name, ()))
    game = played_each_way(made, 2 if name.startswith("cyclegan") else None)  # the pool grows in three steps
    if made["model"]["turns"]["scoring"] != "half":
        assert game.recorder.device.played >= 2
        assert not game.refusals


DIGITS = ("model=mlp", "data=mnist5k", "model.discriminator.normalization=none", *QUIET)
TRICKS = {"auxiliary_classifier": ("model=acgan",),
          "ema": ("tricks.ema.rampup=null", "tricks.ema.also={power:{sigma_rel:0.1}}"), "r1": ("tricks.r1.every=2",),
          "consensus": ("model.turns.order=simultaneous",), "pull_away": ("model=ebgan", "loss=ebgan"),
          "path_length": ("tricks.path_length.every=2", "tricks.path_length.shrink=1")}


def with_changing_numbers(module: AdversarialModule) -> list[str]:
    """Lets every setting of the tricks that may change over training do so -> their names"""
    changed = []
    for trick in module.tricks.values():
        for name, schedule in trick.schedules().items():
            setattr(trick, name, Linear(0.3 * schedule(0), schedule(0), 60))
            changed.append(name)
    module.players_optimizers.schedule = Linear(1.0, 0.3, 40)
    return changed


@pytest.mark.parametrize("name", [each for each in options("tricks") if each != "all"])
def test_every_trick_with_settings_that_change(name):
    made = settings(*DIGITS, *TRICKS.get(name, ()), f"trick=[{name}]")
    changed = []
    game = played_each_way(made, kinds=2, prepare=lambda module: changed.append(with_changing_numbers(module)))
    assert changed[0] or name in ("spectral_norm", "packing", "unrolled")
    assert game.recorder.device.played >= (4 if made["model"]["turns"]["order"] == "alternating" else 2)
    assert not game.refusals


def test_draws_that_are_repeated_within_an_update():
    made = settings(*DIGITS, "model.discriminator.dropout=0.3", "trick=[spectral_norm,augment,finite_difference]",
                    "tricks.finite_difference.every=2")
    game = played_each_way(made, 2)
    assert game.recorder.device.played >= 4
    assert not game.refusals


@pytest.mark.parametrize("turns", [
    {"generator_steps": 2}, {"generator_batch_multiple": 2}, {"fake_batch_multiple": 2}, {"scoring": "together"},
    {"order": "simultaneous"}, {"share_latents": True}, {"fakes_in_eval": True}, {"discriminator_warmup_images": 4}])
def test_every_kind_of_turns(turns):
    def prepare(module: AdversarialModule) -> None:
        module.turns = Turns(**turns)
    game = played_each_way(settings(*DIGITS, "trick=[ema,r1]", "model.discriminator.dropout=0.3"), 2, prepare)
    assert game.recorder.device.played >= 2
    assert not game.refusals


def test_a_noise_that_ends():
    """Where sigma has come to 0, D is shown the images themselves: another kind of step."""
    def prepare(module: AdversarialModule) -> None:
        module.tricks["instance_noise"].sigma = Linear(0.1, 0.0, 10)
    game = played_each_way(settings(*DIGITS, "trick=[instance_noise]"), 2, prepare)
    assert len(game.recorder.kinds) == 2
    assert not game.refusals


class Reading(Trick):
    def discriminator_loss(self, step):
        return step.sides[0].logits.mean() * float(step.images_seen / 10**6)


class Waiting(Trick):
    def discriminator_loss(self, step):
        return step.sides[0].logits.mean() * (0.1 if step.sides[0].logits.mean() > 0 else 0.2)


class Masking(Trick):
    def discriminator_loss(self, step):
        logits = step.sides[0].logits
        return logits[logits > 0].sum() / 10


class Counting(Trick):
    """Keeps a number that its code changes"""

    updates = 0

    def after_generator_step(self, update):
        self.updates += 1

    def get_extra_state(self):
        return self.updates

    def set_extra_state(self, state):
        self.updates = state


@pytest.mark.parametrize(("trick", "words"), [
    (Reading, r"an update of the discriminator computes with images_seen in Reading.discriminator_loss"),
    (Waiting, r"an update of the discriminator reads a number of the device in Waiting.discriminator_loss \(.*:\d+\)"),
    (Masking, r"an update of the discriminator chooses rows by a mask in Masking.discriminator_loss"),
    (Counting, r"an update of the generator changes a number of its own in Counting"),
])
def test_what_cannot_be_recorded_is_played_by_its_code_and_said_once(trick, words):
    def prepare(module: AdversarialModule) -> None:
        module.tricks = TrickStack({"mine": trick()})
        module.tricks.build(module.generator, module.discriminator)
    game = played_each_way(settings(*DIGITS), 1, prepare)
    assert game.recorder.device.recorded == 0
    assert re.search(words, game.refusals[0])
    assert len(set(game.refusals)) == len(game.refusals) <= 2
    assert "trainer.record=true" in game.refusals[0]


def test_a_constant_setting_may_be_read_as_ever():
    """Tricks of before `step.value`: a plain number of theirs does not change"""
    class OfBefore(Trick):
        weight = Constant(0.1)

        def discriminator_loss(self, step):
            return self.weight(step.images_seen) * step.sides[0].logits.mean()

    def prepare(module: AdversarialModule) -> None:
        module.tricks = TrickStack({"mine": OfBefore()})
        module.tricks.build(module.generator, module.discriminator)
    assert not played_each_way(settings(*DIGITS), 1, prepare).refusals


def test_memory_that_is_not_kept_is_noticed():
    """The stand-in itself: a tensor that the host makes anew in each step would be the first one for ever."""
    def prepare(module: AdversarialModule) -> None:
        given = module.training_step
        weights = iter(torch.rand(100))

        def step(batch, index):
            module.real_target = next(weights)
            given(batch, index)
        module.training_step = step
        module.recorder.device.static = lambda: []
    with pytest.raises(AssertionError, match="memory that is not kept"):
        played_each_way(settings(*DIGITS), 1, lambda module: prepare(module) if hasattr(module, "refusals") else None)


class Ends(Exception):
    pass


class Confirms:
    """Ends a game that diverges"""

    def confirm(self, module, player, terms):
        raise Ends(player, module.images_seen, module.discriminator_steps_taken)


class Spoilt(Trick):
    """Multiplies terms by numbers that stay where they are"""

    def build(self, generator, discriminator):
        for player in PLAYERS:
            self.register_buffer(player, torch.zeros(()))

    def discriminator_loss(self, step):
        return self.discriminator * step.sides[0].logits.mean()

    def generator_loss(self, step):
        return self.generator * step.fake_logits.mean()


@pytest.mark.parametrize(("player", "updates_of_discriminator"), [("discriminator", 7), ("generator", 8)])
def test_a_recorded_update_that_is_not_finite_is_found_and_ends_as_ever(player, updates_of_discriminator):
    """It comes when the recording is played; the host notices some steps later, and makes the update again."""
    made = settings(*DIGITS, "trick=[ema,spectral_norm]")
    kind, ends = build.data(made).yields, []
    games = [game(made, recorded) for recorded in (False, True)]
    for module in games:
        module.tricks = TrickStack({**module.tricks, "spoilt": Spoilt()})
        module.tricks.build(module.generator, module.discriminator)
        module.guard.confirms = Confirms()
        module._trainer.strategy = SimpleNamespace(training_step=module.training_step)
        with pytest.raises(Ends) as end:
            for number, batch in enumerate(batches(made, kind, 12)):
                if number == 7:
                    getattr(module.tricks["spoilt"], player).fill_(torch.nan)
                module.training_step(batch, 0)
        ends.append(end.value.args)
        module.guard.steps.clear()
    assert ends[0] == ends[1] == (player, 14, updates_of_discriminator)
    equal(*map(content, games))
    assert games[1].recorder.device.played >= 8


def test_states_are_saved_as_without_a_recording():
    """A learning rate that is a tensor is a number in a checkpoint, so that either kind of run goes on as the other."""
    games = [game(settings(*DIGITS), recorded) for recorded in (False, True)]
    for module in games:
        module.players_optimizers.schedule = Linear(1.0, 0.5, 8)
        for batch in batches(settings(*DIGITS), ImageBatch, 3):
            module.training_step(batch, 0)
    states = [module.players_optimizers.states(each.optimizer for each in module.optimizers()) for module in games]
    equal(*states)
    assert all(type(group["lr"]) is float for state in states[1] for group in state["param_groups"])
    assert states[1][0]["param_groups"][0]["lr"] == pytest.approx(0.75 * states[1][0]["param_groups"][0]["initial_lr"])
    assert isinstance(games[1].optimizers()[0].param_groups[0]["lr"], Tensor)
    games[1].saved_optimizers = states[1]
    for optimizer in games[1].configure_optimizers():
        assert isinstance(optimizer.param_groups[0]["lr"], Tensor)

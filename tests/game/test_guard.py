"""Numbers that are not finite, where the host looks before each update and where it looks some steps later."""

import copy
import math
from contextlib import suppress
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch

from saddlepoint.game.guard import STEPS_AHEAD, FiniteGuard, _Changing
from saddlepoint.game.optimizers import Optimizers
from saddlepoint.game.trick import Trick
from saddlepoint.game.turns import Turns
from saddlepoint.tricks.ema import ExponentialMovingAverage
from saddlepoint.tricks.weights import SpectralNorm
from tests.game.playing import Later, TinyDiscriminator, TinyGenerator, batches, game, play

STEPS, BATCH = 12, 8


class End(Exception):
    pass


class Watching(pl.Callback):
    """Guards a game, spoils it in one update, and remembers what the guard found out when."""

    def __init__(self, later, player="generator", update=None, spoil=math.nan, every: int | None = None, ends=True):
        self.later, self.player, self.update, self.spoil = later, player, update, spoil
        self.every, self.ends, self.confirmed = every, ends, []

    def on_train_start(self, trainer, module):
        Later.read_at, Later.count = [], 0
        module.guard = FiniteGuard(trainer.optimizers, module.device, self, later=self.later)
        parameters = list(getattr(module, self.player).parameters())
        parameters[0].register_hook(lambda gradient: gradient * self.factor(module))

    def factor(self, module):
        """Hooks are also called for the gradients of the other player's update, where weights are frozen: not here."""
        return self.spoil if getattr(module, f"{self.player}_steps_taken") == self.update else 1.0

    def confirm(self, module, player, terms):
        self.confirmed.append((player, snapshot(module), {name: term.item() for name, term in terms.items()}))
        if self.ends:
            raise End

    def on_train_batch_end(self, trainer, module, outputs, batch, index):
        if self.every and (index + 1) % self.every == 0 or index + 1 == STEPS:
            module.settle()


def snapshot(module):
    return copy.deepcopy({
        "state": module.state_dict(), "latest": module.latest,
        "optimizers": [optimizer.optimizer.state_dict() for optimizer in module.optimizers()],
        "norms": {player: list(norms) for player, norms in module.guard.norms.items()}})


def assert_same(one, other):
    assert type(one) is type(other)
    if isinstance(one, dict | list | tuple):
        assert len(one) == len(other)
        for key in one if isinstance(one, dict) else range(len(one)):
            assert_same(one[key], other[key])
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other) or one.isnan().any() and torch.equal(one.isnan(), other.isnan())
    else:
        assert one == other


def fused(parameters):
    return torch.optim.Adam(parameters, lr=0.05, betas=(0.5, 0.9), fused=True)


def fused_sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.05, momentum=0.5, fused=True)


def rms(parameters):
    return torch.optim.RMSprop(parameters, lr=0.05)


def played(watching, make=fused, tricks=(), **more):
    torch.manual_seed(2)
    module = game(generator=TinyGenerator(True), discriminator=TinyDiscriminator(dropout=0.5),
                  tricks={"spectral_norm": SpectralNorm(), "ema": ExponentialMovingAverage(20)} | dict(tricks), **more)
    module.players_optimizers = Optimizers(make, make)
    with suppress(End):
        play(module, batches(STEPS, BATCH), watching)
    return module, watching


WHO = pytest.mark.parametrize("player", ["generator", "discriminator"])


@pytest.mark.parametrize("make", [fused, fused_sgd])
@pytest.mark.parametrize("turns", [{}, {"discriminator_steps": 3}, {"order": "simultaneous"}, {"scoring": "half"}])
def test_looking_later_changes_nothing_of_a_game_that_is_finite(turns, make):
    (now, _), (later, _) = (played(Watching(later), make, turns=Turns(**turns)) for later in (None, Later))
    assert now.guard.flag is None and later.guard.flag == 0
    assert_close(snapshot(now), snapshot(later))


def assert_close(one, other):
    """All is the same but for the average of weights: the share by which it moves is a float32 on the device."""
    averages = {key for key in one["state"] if key.startswith("tricks.ema.generator")}
    for key in averages:
        torch.testing.assert_close(one["state"][key], other["state"][key], rtol=1e-6, atol=1e-7)
    assert_same(*({**each, "state": {key: value for key, value in each["state"].items() if key not in averages}}
                  for each in (one, other)))


@WHO
@pytest.mark.parametrize("turns", [{}, {"generator_steps": 2}, {"order": "simultaneous"}, {"scoring": "half"}])
@pytest.mark.parametrize("update", [0, 1, 6])
def test_both_find_the_same_update_with_the_same_numbers_and_no_weight_moved(player, turns, update):
    """Weights, optimizers, averages, running statistics, counters, logits and norms are those of that moment."""
    (_, now), (module, later) = (
        played(Watching(later, player, update), turns=Turns(**turns)) for later in (None, Later))
    [(player_now, before, terms)], [(player_later, after, terms_later)] = now.confirmed, later.confirmed
    assert (player_now, player_later) == (player, player) and terms == terms_later
    if turns.get("order") == "simultaneous":  # the other player has a gradient too, whose norm is computed when asked
        other = {"generator": "discriminator", "discriminator": "generator"}[player]
        before["norms"].pop(other, None), after["norms"].pop(other, None)
    assert_close(before, after)
    assert all(parameter.isfinite().all() for parameter in module.parameters())


@WHO
def test_numbers_that_only_add_up_to_infinity_are_no_end(player):
    """A gradient of 1e200 is finite, its norm is not: the update is made once more, and those after it. On a CPU sums
    are looked at, and this one is finite."""
    runs = [played(Watching(later, player, 5, 1e200, ends=False)) for later in (None, Later)]
    assert_close(*(snapshot(module) for module, _ in runs))
    assert [[confirmed[0] for confirmed in watching.confirmed] for _, watching in runs] == [[], [player]]


@pytest.mark.parametrize(("gradient", "is_looked_at"), [(1e308, False), (1.5e308, True), (math.nan, True)])
def test_gradients_whose_sum_is_not_finite_are_looked_at_one_by_one(gradient, is_looked_at):
    asked, weight = [], torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))
    weight.grad = torch.tensor([gradient, 0.5e308], dtype=torch.float64)
    optimizer = torch.optim.SGD([weight], lr=0.1)
    confirms = SimpleNamespace(confirm=lambda *given: asked.append(given[1]))
    guard = FiniteGuard([optimizer], torch.device("cpu"), confirms)
    guard.check(None, "generator", optimizer, {"total": torch.tensor(0.0)})
    assert asked == (["generator"] if is_looked_at else [])


def test_norms_are_those_of_the_newest_gradients():
    module, _ = played(Watching(None))
    for player in ("generator", "discriminator"):
        gradients = [parameter.grad for parameter in getattr(module, player).parameters()]
        assert torch.stack([*module.guard.norms[player]]).tolist() == pytest.approx(
            [float(gradient.square().sum().sqrt()) for gradient in gradients])


def test_the_host_reads_a_step_only_when_it_is_some_steps_ahead():
    played(Watching(Later))
    assert Later.read_at == [STEPS_AHEAD - 1] * (STEPS - STEPS_AHEAD) + list(reversed(range(STEPS_AHEAD)))
    played(Watching(Later, every=2))
    assert Later.read_at == [1, 0] * (STEPS // 2)  # whenever something is due


def test_an_optimizer_that_cannot_leave_out_an_update_makes_the_host_look():
    module, watching = played(Watching(Later, "discriminator", 3), make=rms)
    assert module.guard.flag is None and Later.read_at == []
    assert [confirmed[0] for confirmed in watching.confirmed] == ["discriminator"]
    assert module.discriminator_steps_taken == 3 and all(each.isfinite().all() for each in module.parameters())


def test_where_a_scaler_leaves_out_updates_its_scale_says_when_none_is_made_any_more():
    class Scaler:
        scale = 1.0

        def get_scale(self):
            return self.scale

    class Confirms:
        def confirm_scale(self, module, scale):
            raise End(scale)

    scaler = Scaler()
    guard = FiniteGuard([], torch.device("cpu"), Confirms(), scaler, Later)
    guard.settle(None)
    assert guard.flag is None
    scaler.scale = 0.5
    with pytest.raises(End):
        guard.settle(None)


class Tally(Trick):
    """Remembers the updates after which it was called, in no form that a snapshot would hold."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def after_generator_step(self, update):
        self.calls.append(int(update.random.step))

    def after_discriminator_step(self, update):
        self.calls.append(-int(update.random.step))


def test_updates_that_were_made_are_not_made_again():
    """Of the step whose second update of the generator is left out, two were made: the discriminator's and the first.
    """
    tally = Tally()
    played(Watching(Later, "generator", 5, 1e200, ends=False), tricks={"tally": tally}, turns=Turns(generator_steps=2))
    assert tally.calls.count(-2) == tally.calls.count(4) == 1  # in this step, the third
    assert tally.calls.count(5) == 2


def test_a_buffer_that_grew_meanwhile_gets_its_former_length():
    pool = torch.nn.Module()
    pool.register_buffer("images", torch.ones(2, 3))
    changing = _Changing(pool)
    before = changing.buffers()
    pool.images = torch.zeros(5, 3)
    after = changing.buffers()
    changing.restore([], before)
    assert torch.equal(pool.images, torch.ones(2, 3))
    pool.images.zero_()
    changing.restore([], before)
    assert torch.equal(pool.images, torch.ones(2, 3))
    changing.restore([], after)
    assert torch.equal(pool.images, torch.zeros(5, 3))

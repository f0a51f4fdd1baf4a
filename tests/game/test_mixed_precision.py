"""Half precision takes the steps of float32 up to its rounding, for both players and with penalties: each backward is
scaled, unscaled and stepped by itself. On the CPU, whose autocast knows both halves."""

from functools import partial

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.precision import MixedPrecision, Precision
from torch import Tensor
from torch.utils.data import DataLoader

from saddlepoint.errors import RequestError
from saddlepoint.game.batches import ImageBatch
from saddlepoint.game.networks import PLAYERS
from saddlepoint.game.optimizers import Optimizers
from saddlepoint.game.trick import Trick
from saddlepoint.losses.adversarial import NonSaturating, Wasserstein
from saddlepoint.training.train import make_trainer
from saddlepoint.tricks.gradient_penalty import R1, WassersteinGradientPenalty
from tests.composing import settings
from tests.game.playing import Recorder, batches, game

TRICKS = {"no trick": dict, "wgan_gp": lambda: {"wgan_gp": WassersteinGradientPenalty()},
          "r1": lambda: {"r1": R1(gamma=1.0)}}
# The largest relative error of a step: a few roundings of 2^-11 and 2^-8 through two layers and back.
ROUNDING = {"float16": 2e-2, "bfloat16": 6e-2}


def plugin(precision: str, scale: float) -> Precision:
    if precision == "float32":
        return Precision()
    if precision == "bfloat16":
        return MixedPrecision("bf16-mixed", "cpu")
    return MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=scale))


def steps_of(precision: str, tricks: dict[str, Trick], scale: float = 2.0**10) -> dict[str, Tensor]:
    """How far one round of SGD moves each network"""
    module = game(loss=Wasserstein() if "wgan_gp" in tricks else NonSaturating(), tricks=tricks).float()
    before = {player: flat(getattr(module, player)) for player in ("generator", "discriminator")}
    data = [ImageBatch(batch.real.float(), batch.labels) for batch in batches(1)]
    trainer = pl.Trainer(max_epochs=1, accelerator="cpu", plugins=[plugin(precision, scale)], logger=False,
                         enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
                         callbacks=[Recorder()])
    trainer.fit(module, DataLoader(data, batch_size=None))
    return {player: flat(getattr(module, player)) - weights for player, weights in before.items()}


def flat(network: torch.nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten().clone() for parameter in network.parameters()])


@pytest.mark.parametrize("tricks", TRICKS)
@pytest.mark.parametrize("precision", ROUNDING)
def test_both_players_take_the_steps_of_float32(precision, tricks):
    exact, half = (steps_of(each, TRICKS[tricks]()) for each in ("float32", precision))
    for player, step in exact.items():
        assert step.norm() > 0
        assert (half[player] - step).norm() <= ROUNDING[precision] * step.norm(), player


def test_a_scale_too_large_skips_the_step_and_is_no_divergence():
    steps = steps_of("float16", {}, scale=2.0**126)
    assert all(step.norm() == 0 for step in steps.values())


def test_a_scale_too_large_for_one_player_falls_until_both_move():
    """torch starts from 2^16, at which the gradients of a penalised critic overflow and the generator's do not."""
    module = game(loss=Wasserstein(), tricks={"wgan_gp": WassersteinGradientPenalty()}).float()
    before = {player: flat(getattr(module, player)) for player in PLAYERS}
    scaled = plugin("float16", scale=2.0**16)
    trainer = pl.Trainer(max_epochs=1, accelerator="cpu", plugins=[scaled], logger=False, enable_checkpointing=False,
                         enable_progress_bar=False, enable_model_summary=False)
    data = [ImageBatch(batch.real.float(), batch.labels) for batch in batches(8)]
    trainer.fit(module, DataLoader(data, batch_size=None))
    assert 2.0**8 < scaled.scaler.get_scale() < 2.0**16
    assert all((flat(getattr(module, player)) - weights).norm() for player, weights in before.items())


def test_scaled_losses_and_simultaneous_players_are_refused_together(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    typed = settings("precision=16-mixed", "model.turns.order=simultaneous", "trainer=gpu")
    with pytest.raises(RequestError, match="takes both gradients before either: type precision=bf16-mixed"):
        make_trainer(typed, sweeping=False)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("tricks", TRICKS)
def test_adam_of_both_players_is_given_the_gradients_of_float32(tricks, fused):
    """Adam's first moment after one step is a tenth of the gradient: a fused one divides by the scale itself, any other
    is given quotients."""
    def gradients(precision: str) -> dict[str, Tensor]:
        module = game(loss=Wasserstein() if "wgan_gp" in tricks else NonSaturating(), tricks=TRICKS[tricks]()).float()
        adam = partial(torch.optim.Adam, lr=1e-4, betas=(0.9, 0.999), fused=fused)
        module.players_optimizers = Optimizers(adam, adam)
        data = [ImageBatch(batch.real.float(), batch.labels) for batch in batches(1)]
        trainer = pl.Trainer(max_epochs=1, accelerator="cpu", plugins=[plugin(precision, scale=2.0**10)], logger=False,
                             enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
        trainer.fit(module, DataLoader(data, batch_size=None))
        return {player: torch.cat([10 * state["exp_avg"].flatten() for state in optimizer.state.values()])
                for player, optimizer in zip(PLAYERS, trainer.optimizers, strict=True)}

    exact, half = gradients("float32"), gradients("float16")
    for player, gradient in exact.items():
        assert gradient.norm() > 1e-3
        assert (half[player] - gradient).norm() <= ROUNDING["float16"] * gradient.norm(), player

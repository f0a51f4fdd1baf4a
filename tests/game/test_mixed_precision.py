"""Half precision takes the steps of float32 up to its rounding, for both players and with penalties: each backward is
scaled, unscaled and stepped by itself. On the CPU, whose autocast knows both halves."""

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.precision import MixedPrecision, Precision
from torch import Tensor
from torch.utils.data import DataLoader

from saddlepoint.errors import RequestError
from saddlepoint.game.batches import ImageBatch
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


def test_scaled_losses_and_simultaneous_players_are_refused_together(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    typed = settings("precision=16-mixed", "model.turns.order=simultaneous", "trainer=gpu")
    with pytest.raises(RequestError, match="takes both gradients before either: type precision=bf16-mixed"):
        make_trainer(typed, sweeping=False)

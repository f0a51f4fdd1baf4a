"""What networks compute in bfloat16, losses and penalties compute in float32: whole networks (precision=bf16-mixed), or
stages of them (bf16.generator, bf16.discriminator)."""

import pytest
import torch
from torch.nn import functional as F

from saddlepoint.runs import checkpoint
from saddlepoint.training.train import train
from tests.composing import SMALL, settings
from tests.training.test_compiling import DIGITS, RECIPES


def latest(typed: tuple[str, ...], path) -> dict[str, torch.Tensor]:
    """The terms and logits of a run's newest step"""
    return checkpoint.load(train(settings(*typed), path) / "checkpoints" / "last.ckpt")["processes"][0]["latest"]


@pytest.mark.parametrize("name", RECIPES)
def test_logits_and_terms_are_float32_while_networks_compute_in_bfloat16(name, tmp_path):
    seen = latest((*RECIPES[name], "precision=bf16-mixed"), tmp_path / "run")
    assert any(each.startswith("logits/") for each in seen)
    assert {each.dtype for each in seen.values()} == {torch.float32}


@pytest.mark.parametrize("scoring", ["separate", "together"])
def test_the_adversarial_term_is_that_of_the_logits_in_float32(scoring, tmp_path):
    """A mean in bfloat16 would be off by up to 2^-9."""
    seen = latest((*DIGITS, "precision=bf16-mixed", f"model.turns.scoring={scoring}", "data.batch_size=12"),
                  tmp_path / "run")
    real, fake = (seen[f"logits/{side}"].double() for side in ("real", "fake"))
    assert torch.equal(real, real.bfloat16().double())  # D did compute in bfloat16
    expected = F.softplus(-real).mean() + F.softplus(fake).mean()
    assert abs(seen["discriminator/adversarial"].item() / expected - 1) < 2**-20


def test_code_and_class_terms_are_those_of_float32(tmp_path, monkeypatch):
    seen = []
    entropy = F.cross_entropy
    monkeypatch.setattr(F, "cross_entropy", lambda logits, labels: seen.append(logits.dtype) or entropy(logits, labels))
    for name in ("acgan, r1", "infogan"):
        train(settings(*RECIPES[name], "precision=bf16-mixed"), tmp_path / name)
    assert len(seen) >= 6 and set(seen) == {torch.float32}

"""What networks compute in bfloat16, losses and penalties compute in float32: whole networks (precision=bf16-mixed), or
stages of them (bf16.generator, bf16.discriminator)."""

from collections.abc import Callable
from functools import cache

import pytest
import torch
from torch.nn import functional as F

from saddlepoint.errors import RequestError
from saddlepoint.runs import checkpoint
from saddlepoint.training.train import train
from tests.composing import settings
from tests.training.test_compiling import DIGITS, RECIPES, quick_backend, steps_of  # noqa: F401 a fixture


def latest(typed: tuple[str, ...], path) -> dict[str, torch.Tensor]:
    """The terms and logits of a run's newest step"""
    return checkpoint.load(train(settings(*typed), path) / "checkpoints" / "last.ckpt")["processes"][0]["latest"]


@pytest.mark.parametrize("name", RECIPES)
def test_logits_and_terms_are_float32_while_networks_compute_in_bfloat16(name, tmp_path, monkeypatch):
    of_classes, entropy = set(), F.cross_entropy  # what classes and codes are told apart by
    monkeypatch.setattr(F, "cross_entropy", lambda logits, labels: of_classes.add(logits.dtype) or entropy(
        logits, labels))
    seen = latest((*RECIPES[name], "precision=bf16-mixed"), tmp_path / "run")
    assert any(each.startswith("logits/") for each in seen)
    assert {each.dtype for each in seen.values()} == {torch.float32}
    assert of_classes == ({torch.float32} if name.startswith(("acgan", "infogan")) else set())


@pytest.mark.parametrize("scoring", ["separate", "together"])
def test_the_adversarial_term_is_that_of_the_logits_in_float32(scoring, tmp_path):
    """A mean in bfloat16 would be off by up to 2^-9."""
    seen = latest((*DIGITS, "precision=bf16-mixed", f"model.turns.scoring={scoring}", "data.batch_size=12"),
                  tmp_path / "run")
    real, fake = (seen[f"logits/{side}"].double() for side in ("real", "fake"))
    assert torch.equal(real, real.bfloat16().double())  # D did compute in bfloat16
    expected = F.softplus(-real).mean() + F.softplus(fake).mean()
    assert abs(seen["discriminator/adversarial"].item() / expected - 1) < 2**-20


@pytest.fixture(scope="module")
def steps(tmp_path_factory) -> Callable[..., torch.Tensor]:
    """The steps of a run of what is typed, which is made once"""
    return cache(lambda *typed: steps_of((*DIGITS, *typed), tmp_path_factory.mktemp("run") / "run"))


@pytest.mark.parametrize("typed", [
    ("precision=bf16-mixed",), ("bf16.generator=all", "bf16.discriminator=[0]"),
    ("bf16.generator=[1]", "bf16.discriminator=all", "model=resnet")])
def test_steps_in_bfloat16_are_those_of_float32_to_its_rounding_and_compile(typed, steps):
    exact, half = steps(*(each for each in typed if each.startswith("model"))), steps(*typed)
    compiled = steps(*typed, "trainer.compile=true")
    assert 2**-20 * exact.norm() < (half - exact).norm() < 0.1 * exact.norm()  # a few roundings of 2^-9 in each layer
    assert (compiled - half).norm() < (half - exact).norm() / 8


def test_the_same_request_in_several_ways(steps):
    """All stages of a network whose other layers are a single one, or the network, or all networks; and stages by
    their places from either end."""
    assert torch.equal(steps("bf16.generator=all", "bf16.discriminator=all"), steps("precision=bf16-mixed"))
    assert torch.equal(steps("bf16.generator=[-1]"), steps("bf16.generator=[1]"))
    assert not torch.equal(steps("bf16.generator=[-2]"), steps("bf16.generator=[1]"))


@pytest.mark.parametrize(("typed", "answer"), [
    (("bf16.discriminator=[0,7]",), r"bf16.discriminator=\[0, 7\]: DCGANDiscriminator \(model.discriminator\) has 2 "
                                    r"stages, from 0 at its input to 1, or from -2 to -1: type "
                                    r"bf16.discriminator=\[0, 1\]"),
    (("bf16.generator=[-3]",), r"bf16.generator=\[-3\]: DCGANGenerator \(model.generator\) has 2 stages, from 0"),
    (("bf16.generator=[0]", "model=mlp", "model.generator.widths=[8]", "model.discriminator.widths=[8]"),
     r"MLPGenerator \(model.generator\) does not say what its stages are.*bf16.generator=all"),
    (("bf16.generator=all", "precision=bf16-mixed"), "precision=bf16-mixed computes all networks in half precision, and"
                                                     " bf16.generator=all only some: type precision=32-true")])
def test_what_cannot_be_is_refused_before_anything_is_written(typed, answer, tmp_path):
    narrow = DIGITS if "model=mlp" not in typed else [each for each in DIGITS if "width" not in each]
    with pytest.raises(RequestError, match=answer):
        train(settings(*narrow, *typed), tmp_path / "run")
    assert not (tmp_path / "run").exists()

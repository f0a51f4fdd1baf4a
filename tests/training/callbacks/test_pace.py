"""Looking at a run takes a small part of its arithmetic, the same on every machine."""

import pytest
import torch
from torch import nn

from saddlepoint import build
from saddlepoint.training import train
from saddlepoint.training.callbacks import pace
from saddlepoint.training.callbacks.pace import arithmetic, arithmetic_of_training, paced
from tests.comparing_runs import rows
from tests.composing import settings

LINEAR = ("model=mlp", "data.image_size=28", "model.generator.widths=[3]", "model.discriminator.widths=[3]",
          "model.latents.size=10")


def test_an_image_of_a_linear_layer_takes_two_operations_for_each_weight():
    assert arithmetic(nn.Linear(30, 7), torch.empty(2, 30)) == 2 * 30 * 7
    assert arithmetic(nn.Conv2d(3, 5, 3, padding=1), torch.empty(2, 3, 8, 8)) == 2 * 8 * 8 * 5 * 3 * 3 * 3


@pytest.mark.parametrize(("turns", "of_generator", "of_discriminator"), [
    ((), 1 + 3, 6 + 2), (("model.turns.discriminator_steps=5",), 1 + 3 / 5, 6 + 2 / 5)])
def test_training_is_counted_in_passes_through_both_networks(turns, of_generator, of_discriminator):
    """Of linear layers: 10 to 3 to 784 numbers, and 784 to 3 to one"""
    module = build.module(settings(*LINEAR, *turns))
    before = {name: tensor.clone() for name, tensor in module.state_dict().items() if isinstance(tensor, torch.Tensor)}
    generator, discriminator = 10 * 3 + 3 * 784, 784 * 3 + 3 * 1
    assert arithmetic_of_training(module) == pytest.approx(
        2 * (of_generator * generator + of_discriminator * discriminator))
    assert all(torch.equal(module.state_dict()[name], tensor) for name, tensor in before.items())
    assert module.generator.training


@pytest.mark.parametrize(("look", "every"), [(0.0, 100), (1e9, 100), (1.1e9, 200), (5e9, 800), (1e30, 1600)])
def test_looking_is_put_off_until_it_is_seldom_enough(look, every, monkeypatch, capsys):
    """A hundredth of 1e9 a real image: 1e9 for a look are allowed every 100 images."""
    monkeypatch.setattr(pace, "BESIDE", 0.0)
    monkeypatch.setattr(pace, "arithmetic_of_training", lambda module: 1e9)
    assert paced("auto", "callbacks.mine", None, 100, 0.01, lambda: look) == every
    said = capsys.readouterr().err
    assert (f"callbacks.mine looks every {every:,} images" in said) == (every > 100)


def test_a_typed_number_counts_and_so_does_null():
    assert paced(7, "callbacks.mine", None, 100, 0.01, lambda: 1e30) == 7
    assert paced(None, "callbacks.mine", None, 100, 0.01, lambda: 1e30) is None


@pytest.mark.parametrize("error", [TypeError, ValueError, KeyError, AssertionError])
def test_a_game_that_cannot_be_counted_is_looked_at_as_often_as_can_be(error, monkeypatch):
    def refuse(module):
        raise error("takes other inputs")
    monkeypatch.setattr(pace, "arithmetic_of_training", refuse)
    assert paced("auto", "callbacks.mine", None, 100, 0.01, lambda: 1e30) == 100


@pytest.mark.parametrize("model", ["mlp", "dcgan_small", "infogan", "bigan", "adversarial_autoencoder", "acgan"])
def test_every_kind_of_game_from_noise_is_counted(model):
    assert arithmetic_of_training(build.module(settings(f"model={model}"))) > 1e6


def test_a_run_looks_at_its_pace(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("saddlepoint.training.callbacks.sample_quality.LEAST", 8)
    monkeypatch.setattr("saddlepoint.training.callbacks.health.LEAST", 8)
    monkeypatch.setattr(pace, "arithmetic_of_training", lambda module: 1e12)
    monkeypatch.setattr(pace, "BESIDE", 0.15e12)
    run = train.train(settings("data.batch_size=8", "data.subset_size=70", "trainer=cpu", "model=mlp", "logger=none",
                               "budget.images=48", "callbacks.image_grid.count=4",
                               "callbacks.sample_quality.num_fake=70", f"run.dir={tmp_path / 'run'}"))
    found = rows(run)
    assert [row["images_seen"] for row in found if row.get("health/saturation")] == ["16", "32", "48"]
    assert [row["images_seen"] for row in found if row.get("quality/fid_digits")] == ["8", "16", "24", "32", "40", "48"]
    assert "callbacks.health looks every 16 images" in capsys.readouterr().err

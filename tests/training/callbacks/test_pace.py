"""Looking at a run takes a small part of its arithmetic, the same on every machine."""

import pytest
import torch
from torch import nn

from saddlepoint import build
from saddlepoint.runs.resuming import continuation
from saddlepoint.training import train
from saddlepoint.training.callbacks import pace
from saddlepoint.training.callbacks.every import Every
from saddlepoint.training.callbacks.pace import arithmetic, arithmetic_of_training, set_pace
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


class Game:
    budget_images = 80_000


def paced(every_images, looks=40, share: float | None = 0.01, look=1e30) -> int | None:
    moments = Every(every_images)
    set_pace(moments, "callbacks.mine", Game(), looks, share, lambda: look)
    return moments.every_images


@pytest.mark.parametrize(("look", "times"), [(1.0, 40), (2e10, 40), (2.5e10, 32), (4e10, 20), (1e30, 4)])
def test_looking_is_put_off_until_it_is_seldom_enough(look, times, monkeypatch, capsys):
    """A hundredth of 80,000 times 1e9: 8e11 for all looks, 2e10 for each of 40. A tenth of them are made anyway"""
    monkeypatch.setattr(pace, "BESIDE", 0.0)
    monkeypatch.setattr(pace, "arithmetic_of_training", lambda module: 1e9)
    assert paced("auto", look=look) == 80_000 // times
    message = capsys.readouterr().err
    assert (f"callbacks.mine looks every {80_000 // times:,} images, {times} of 40 times" in message) == (
        times < 40)


def test_a_typed_number_counts_and_so_does_null():
    assert paced(7) == 7
    assert paced(None) is None


def test_the_only_looks_of_a_callback_are_never_none(monkeypatch):
    monkeypatch.setattr(pace, "arithmetic_of_training", lambda module: 1e9)
    assert paced("auto", looks=5) == 80_000


def test_what_costs_next_to_nothing_is_not_counted():
    assert paced("auto", looks=200, share=None) == 400
    assert paced("auto", looks=200_000, share=None) == 1


@pytest.mark.parametrize("error", [TypeError, ValueError, KeyError, AssertionError])
def test_a_game_that_cannot_be_counted_is_looked_at_as_often_as_can_be(error, monkeypatch):
    def refuse(module):
        raise error("takes other inputs")
    monkeypatch.setattr(pace, "arithmetic_of_training", refuse)
    assert paced("auto") == 2000


def test_a_run_that_goes_on_keeps_the_number_but_not_against_a_typed_one():
    begun, longer, typed = Every("auto"), Every("auto"), Every(9)
    set_pace(begun, "callbacks.mine", Game(), 40)
    for moments in (longer, typed):
        moments.load_state_dict(begun.state_dict())
        set_pace(moments, "callbacks.mine", Game(), 10)
    assert (longer.every_images, typed.every_images) == (2000, 9)


@pytest.mark.parametrize("model", ["mlp", "dcgan_small", "infogan", "bigan", "adversarial_autoencoder", "acgan"])
def test_every_kind_of_game_from_noise_is_counted(model):
    assert arithmetic_of_training(build.module(settings(f"model={model}"))) > 1e6


def test_a_run_looks_at_its_pace_and_so_does_the_longer_one(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pace, "arithmetic_of_training", lambda module: 1e12)
    monkeypatch.setattr(pace, "BESIDE", 4.8e12 / 12)  # a tenth of 960e12 is more than 20 of them, a fortieth 60
    tiny = ("data.batch_size=8", "data.subset_size=70", "trainer=cpu", "model=mlp", "logger=none",
            "model.generator.widths=[4]", "model.discriminator.widths=[4]", "callbacks.image_grid.count=4",
            "callbacks.sample_quality.num_fake=70")
    run = train.train(settings(*tiny, "budget.images=960", f"run.dir={tmp_path / 'run'}"))
    longer = settings(*tiny, f"resume={run}", "budget.images=1056")
    train.train(longer, continuation=continuation(longer, ["budget.images=1056"], None))
    found = {name: [int(row["images_seen"]) for row in rows(run) if row.get(name)]
             for name in ("quality/fid_digits", "stability/saturation")}
    assert found["quality/fid_digits"] == [*range(48, 1056, 48), 1056]
    assert found["stability/saturation"] == [-(-n * 19 // 8) * 8 for n in range(1, 1056 // 19 + 1)]
    pictures = [int(path.stem.rpartition("_")[2]) for path in sorted((run / "samples").glob("images_*"))]
    assert pictures == [0, *range(80, 1040, 80), 1040, 1056]
    assert "looks every" not in capsys.readouterr().err

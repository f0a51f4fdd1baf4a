"""Latents per image, and the way between two of them."""

import pytest
import torch

from saddlepoint.game.latents import Latents
from saddlepoint.game.random_streams import RandomStreams
from tests.game.playing import TinyDiscriminator, game


def test_an_image_has_the_same_latents_however_many_are_drawn():
    latents = Latents(10)
    assert torch.equal(latents.of_images(3, 0, 20)[17], latents.of_images(3, 17, 1)[0])
    assert not torch.equal(latents.of_images(3, 0, 1), latents.of_images(4, 0, 1))


def test_uniform_latents_fill_their_interval():
    drawn = Latents(50, "uniform", low=0.0, high=1.0).draw(RandomStreams(0, 0), 400)
    assert drawn.min() >= 0 and drawn.max() < 1 and abs(drawn.mean() - 0.5) < 0.01


def test_normal_latents_are_interpolated_on_the_sphere():
    start, end = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    quarter = Latents(2).between(start, end, 3)[1]
    torch.testing.assert_close(quarter, torch.tensor([0.5, 0.5]).sqrt())
    walk = Latents(2).between(start, end, 7)
    torch.testing.assert_close(walk.norm(dim=1), torch.ones(7))
    torch.testing.assert_close(walk[[0, -1]], torch.stack([start, end]))
    torch.testing.assert_close(Latents(2).between(start, start, 3), start.expand(3, 2))  # no angle, no division by 0


def test_uniform_latents_are_interpolated_on_the_line():
    start, end = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    torch.testing.assert_close(Latents(2, "uniform").between(start, end, 3)[1], torch.tensor([0.5, 0.5]))


@pytest.mark.parametrize("settings", [{"distribution": "cauchy"}, {"low": 1.0, "high": 1.0}])
def test_impossible_latents_are_refused(settings):
    with pytest.raises(ValueError, match="model.latents"):
        Latents(3, **settings)


def test_labels_of_fakes_follow_the_classes_of_the_data():
    conditional = TinyDiscriminator()
    conditional.num_classes = 3
    module = game(num_classes=3, discriminator=conditional)
    even = module.labels(6000, RandomStreams(0, 0)).bincount(minlength=3) / 6000
    torch.testing.assert_close(even, torch.full((3,), 1 / 3), atol=0.03, rtol=0)
    module.follow_classes(torch.tensor([10, 0, 30]))
    skewed = module.labels(6000, RandomStreams(0, 0)).bincount(minlength=3) / 6000
    torch.testing.assert_close(skewed, torch.tensor([0.25, 0.0, 0.75]), atol=0.03, rtol=0)
    assert game().labels(5, RandomStreams(0, 0)).tolist() == [0] * 5  # no classes
    assert game(num_classes=3).labels(5, RandomStreams(0, 0)).tolist() == [0] * 5  # networks that ignore classes

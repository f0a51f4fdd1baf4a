"""Which statistics BatchNorm uses while fakes are drawn."""

import pytest
import torch
from torch import nn

from saddlepoint.game.latents import Latents
from saddlepoint.metrics.images import GeneratedImages
from saddlepoint.metrics.standing_statistics import kind_of_batchnorm, use_batch_statistics, use_standing_statistics


class Normalised(nn.Module):
    """Latents, normalised: what comes out shows the statistics that were used."""

    def __init__(self, size=4):
        super().__init__()
        self.normalise = nn.BatchNorm1d(size)
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, latents, labels):
        return self.weight * self.normalise(latents).view(-1, 1, 2, 2)


LATENTS = Latents(4, "uniform", low=2.0, high=5.0)  # mean 3.5, variance 0.75


def test_standing_statistics_are_those_of_the_latents():
    generator = Normalised().eval()
    use_standing_statistics(generator, LATENTS, None, seed=0, batches=200)
    torch.testing.assert_close(generator.normalise.running_mean, torch.full((4,), 3.5), atol=0.05, rtol=0)
    torch.testing.assert_close(generator.normalise.running_var, torch.full((4,), 0.75), atol=0.03, rtol=0)
    assert not generator.normalise.training


def test_standing_statistics_depend_on_the_seed_and_leave_global_randomness_alone():
    state = torch.random.get_rng_state()
    means = []
    for seed in (0, 0, 1):
        generator = Normalised().eval()
        use_standing_statistics(generator, LATENTS, None, seed, batches=2)
        means.append(generator.normalise.running_mean)
    assert torch.equal(means[0], means[1]) and not torch.equal(means[0], means[2])
    assert torch.equal(torch.random.get_rng_state(), state)


def test_batch_statistics_normalise_every_block_by_itself_and_keep_the_running_ones():
    generator = Normalised().eval()
    use_batch_statistics(generator)
    with torch.no_grad():
        made = generator(LATENTS.of_images(0, 0, 64), torch.zeros(64))
    torch.testing.assert_close(made.mean(0), torch.zeros(1, 2, 2), atol=1e-5, rtol=0)
    assert torch.equal(generator.normalise.running_mean, torch.zeros(4))
    block = GeneratedImages(generator, LATENTS, None, seed=0, count=70).block(64)
    assert len(block.images) == 6  # of a whole block: its statistics are those of 64 images


@pytest.mark.parametrize(("kind", "words"), [
    ("running", "running"), ("standing", "standing over 8 batches of 64"), ("batch", "batch of 64")])
def test_the_protocol_names_them(kind, words):
    assert kind_of_batchnorm(Normalised(), kind, 8) == words
    assert kind_of_batchnorm(nn.Linear(2, 2), kind, 8) == "none"

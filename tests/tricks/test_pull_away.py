"""The pull-away term against a loop over pairs, at its extremes, and what it refuses."""

import math

import pytest
import torch
from torch import nn

from saddlepoint.commands.recipe_refusals import problems_of
from saddlepoint.tricks.pull_away import PullAway, mean_squared_cosine
from tests.composing import settings
from tests.tricks.stand_ins import images, step

CODES = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)).double()


class Coding(nn.Module):
    """Codes are the first three numbers of an image."""

    def encodings(self, images, labels):
        return images.flatten(1)[:, :3]


def test_it_is_the_mean_over_pairs_of_different_codes_of_their_squared_cosine():
    """Zhao et al. 2017, section 2.4: 1 / (N (N - 1)) sum_i sum_(j != i) (s_i s_j / (|s_i| |s_j|))^2"""
    total = 0.0
    for i in range(5):
        for j in range(5):
            if i != j:
                dot = sum(a * b for a, b in zip(CODES[i].tolist(), CODES[j].tolist(), strict=True))
                total += (dot / (math.dist(CODES[i].tolist(), [0] * 3) * math.dist(CODES[j].tolist(), [0] * 3))) ** 2
    assert mean_squared_cosine(CODES).item() == pytest.approx(total / (5 * 4))


def test_codes_of_one_direction_cost_one_and_orthogonal_ones_nothing_whatever_their_lengths():
    lengths = torch.tensor([[1.0], [-2.0], [0.5]])
    assert mean_squared_cosine(lengths * torch.tensor([0.6, 0.8, 0.0])).item() == pytest.approx(1)
    assert mean_squared_cosine(lengths * torch.eye(3)).item() == pytest.approx(0, abs=1e-7)


def test_the_generators_term_is_of_the_fakes_alone_times_the_weight():
    update = step(Coding(), fake=images(8, seed=2), sides=())
    expected = mean_squared_cosine(update.fake.flatten(1)[:, :3])
    torch.testing.assert_close(PullAway(0.3).generator_loss(update), 0.3 * expected)


def test_it_pushes_the_codes_of_two_fakes_apart():
    codes = torch.tensor([[1.0, 0.2], [1.0, -0.1]], requires_grad=True)
    mean_squared_cosine(codes).backward()
    apart = (codes - 0.01 * codes.grad).detach()
    assert mean_squared_cosine(apart) < mean_squared_cosine(codes.detach())


@pytest.mark.parametrize(("overrides", "sentence"), [
    (("trick=[pull_away]",), "is no autoencoder, which has them: type model=ebgan loss=ebgan, or leave the trick out"),
    (("model=ebgan", "loss=ebgan", "trick=[pull_away]", "data.batch_size=1", "model.generator.normalization=none",
      "model.discriminator.normalization=none"), "data.batch_size=1 leaves G a single one")])
def test_what_has_no_codes_or_no_pairs_is_refused(overrides, sentence):
    [problem] = problems_of(settings(*overrides))
    assert sentence in problem.reason


def test_an_autoencoder_with_pairs_is_not_refused():
    assert not problems_of(settings("model=ebgan", "loss=ebgan", "trick=[pull_away]"))

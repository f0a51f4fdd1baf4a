"""Consistency terms of a linear D and a linear G, whose differences are known."""

import pytest
import torch

from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.step import GeneratorStep
from saddlepoint.tricks.augmentation.policy import Policy
from saddlepoint.tricks.consistency import Consistency
from tests.tricks.stand_ins import Linear, Patches, images, step

WEIGHT = torch.randn(24, generator=torch.Generator().manual_seed(2))
LATENTS = torch.randn(8, 6, generator=torch.Generator().manual_seed(3))


class Brighter(Policy):
    """T(x) = x + 1/2"""

    def augmented(self, images, probability, random, purpose):
        return images + 0.5


class LinearGenerator(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(6, 24, bias=False)

    def forward(self, latents, labels):
        return self.layer(latents).view(-1, 2, 3, 4)


def scored(critic, sides=("real", "fake"), **more):
    """A step whose sides have the logits that D gives them, without input tricks"""
    given = step(critic, sides=sides, **more)
    return type(given)(**vars(given) | {"latents": LATENTS, "sides": tuple(
        side._replace(logits=critic(side.shown, side.labels)) for side in given.sides)})


@pytest.mark.parametrize(("weights", "sides", "times"), [
    ({}, ("real", "fake"), 10), ({"fake": 10.0}, ("real", "fake"), 20), ({"fake": 3.0}, ("fake",), 3),
    ({"fake": 3.0}, ("real",), 10), ({"real": 0.0, "fake": 2.0}, ("real", "fake"), 2)],
    ids=["CR", "bCR", "half, fakes", "half, reals", "fakes alone"])
def test_the_logits_of_a_linear_critic_differ_by_the_same_number_for_every_image(weights, sides, times):
    """<w, x + 1/2> - <w, x> = sum(w) / 2"""
    trick = Consistency(Brighter(), **weights)
    expected = times * (WEIGHT.sum() / 2).square()
    torch.testing.assert_close(trick.discriminator_loss(scored(Linear(WEIGHT), sides)), expected, rtol=1e-4, atol=0)
    assert trick.generator_loss(scored(Linear(WEIGHT))) is None


def test_without_weights_there_is_no_term():
    assert Consistency(Brighter(), real=0.0).discriminator_loss(scored(Linear(WEIGHT))) is None


def test_both_logits_are_trained():
    """Of D(x) = <w, x> the term has the derivative 2 * 10 * (sum(w) / 2) / 2 for each weight, not that of one side."""
    critic = Linear(WEIGHT.clone())
    Consistency(Brighter()).discriminator_loss(scored(critic)).backward()
    torch.testing.assert_close(critic.weight.grad, (5 * WEIGHT.sum()).expand(24), rtol=1e-4, atol=1e-4)


def test_logits_of_patches_count_by_their_mean():
    critic = Patches()
    given = scored(critic)
    real = given.sides[0]
    expected = (real.logits.mean((1, 2, 3)) - critic(real.shown + 0.5, real.labels).mean((1, 2, 3))).square().mean()
    torch.testing.assert_close(Consistency(Brighter(), real=4.0).discriminator_loss(given), 4 * expected)


def noise() -> torch.Tensor:
    return 0.1 * RandomStreams(0, 0).normal("consistency/latents", (8, 6))


def test_fakes_of_near_latents_are_compared_by_d_and_driven_apart_by_g():
    """G(z + e) - G(z) = A e, and D sees <w, A e>."""
    generator = LinearGenerator()
    trick = Consistency(Brighter(), real=0.0, latents_discriminator=5.0, latents_generator=0.5, latent_noise=0.1)
    fake = generator(LATENTS, None)
    apart = noise() @ generator.layer.weight.T
    in_d = scored(Linear(WEIGHT), generator=generator, fake=fake.detach())
    torch.testing.assert_close(trick.discriminator_loss(in_d), 5 * (apart @ WEIGHT).square().mean(), rtol=1e-4, atol=0)
    given = vars(scored(Linear(WEIGHT), generator=generator, fake=fake, draws=RandomStreams(0, 0)))
    term = trick.generator_loss(GeneratorStep(**given))
    torch.testing.assert_close(term, -0.5 * apart.square().mean(), rtol=1e-4, atol=0)
    [gradient] = torch.autograd.grad(term, [generator.layer.weight])
    expected = -0.5 * 2 / (8 * 24) * apart.T @ noise()  # of the mean square of A e
    torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-7)


def test_ds_term_leaves_no_gradient_in_g():
    generator = LinearGenerator()
    trick = Consistency(Brighter(), real=0.0, latents_discriminator=5.0)
    critic = Linear(WEIGHT.clone())
    trick.discriminator_loss(scored(critic, generator=generator, fake=images(8, seed=7))).backward()
    assert generator.layer.weight.grad is None and critic.weight.grad is not None


def test_a_penalty_that_asks_for_the_gradient_of_fakes_gives_g_none_either():
    """trick=r2 makes the fakes leaves that require a gradient; G's own graph would be walked for nothing."""
    generator = LinearGenerator()
    trick = Consistency(Brighter(), real=0.0, latents_discriminator=5.0)
    fake = images(8, seed=7).requires_grad_()
    trick.discriminator_loss(scored(Linear(WEIGHT.clone()), generator=generator, fake=fake)).backward()
    assert generator.layer.weight.grad is None


def test_a_policy_of_nothing_and_negative_noise_are_named():
    with pytest.raises(ValueError, match="tricks.consistency.policy=null .*flip_and_shift"):
        Consistency(None)
    with pytest.raises(ValueError, match="tricks.consistency.latent_noise=-1 must be at least 0"):
        Consistency(Brighter(), latent_noise=-1)

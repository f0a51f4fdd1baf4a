"""InfoGAN's terms against scipy, its updates against a hand-written step, and what it refuses."""

import numpy
import pytest
import scipy.special
import scipy.stats
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saddlepoint.game.infogan import InfoGANModule
from saddlepoint.game.optimizers import Optimizers
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.structured_latents import StructuredLatents
from saddlepoint.game.turns import Turns
from saddlepoint.losses.adversarial import NonSaturating
from tests.game.playing import TinyDiscriminator, TinyGenerator, batches, play, sgd, weights

LATENTS = StructuredLatents(6, categorical=[3], continuous=2)  # one number of noise


class SixGenerator(TinyGenerator):
    latent_dim = 6

    def __init__(self):
        super().__init__()
        self.layers[0] = nn.Linear(6, 4)


class GuessingDiscriminator(TinyDiscriminator):
    def __init__(self, code_size: int = 5):
        super().__init__()
        self.guess = nn.Linear(5, code_size)

    def codes(self, images: Tensor, labels: Tensor) -> Tensor:
        return self.guess(self.layers[:3](images.flatten(1)))


def game(latents: StructuredLatents = LATENTS, **settings) -> InfoGANModule:
    torch.manual_seed(1)
    return InfoGANModule(latents=latents, generator=SixGenerator().double(), loss=NonSaturating(), tricks={},
                         discriminator=GuessingDiscriminator(latents.code_size).double(), turns=Turns(), seed=5,
                         optimizers=Optimizers(sgd, sgd, 1.0), **settings)


def likelihoods(module: InfoGANModule, latents: Tensor, images: Tensor) -> tuple[float, float]:
    """Returns E[log Q] of the categorical code and of the continuous ones, from numpy and scipy."""
    guesses = module.discriminator.codes(images, None).detach().numpy()
    codes = latents[:, 1:].numpy()
    log_softmax = scipy.special.log_softmax(guesses[:, :3], axis=1)
    categorical = numpy.mean([row[one_hot.argmax()] for row, one_hot in zip(log_softmax, codes[:, :3], strict=True)])
    continuous = scipy.stats.norm.logpdf(codes[:, 3:], loc=guesses[:, 3:], scale=1).sum(1).mean()
    return categorical, continuous


def test_the_terms_are_the_negative_log_likelihoods_of_the_codes_times_their_weights():
    module, [batch] = game(categorical_weight=0.5, continuous_weight=0.25), batches(1)
    contests = module.contests(batch, 8, RandomStreams(5, 0))
    categorical, continuous = likelihoods(module, contests[0].latents, contests[0].fake.detach())
    for terms in (module.generator_terms(batch, contests), module.discriminator_terms(batch, contests)):
        assert terms.keys() == {"categorical_codes", "continuous_codes"}
        assert terms["categorical_codes"].item() == pytest.approx(-0.5 * categorical, rel=1e-5)
        assert terms["continuous_codes"].item() == pytest.approx(-0.25 * continuous, rel=1e-5)


def test_guesses_that_are_certain_and_right_cost_nothing_but_the_gaussians_constant():
    module, [batch] = game(), batches(1)
    contests = module.contests(batch, 8, RandomStreams(5, 0))
    module.discriminator.codes = lambda images, labels: contests[0].latents[:, 1:] * torch.tensor([1e3] * 3 + [1.0] * 2)
    terms = module.generator_terms(batch, contests)
    assert terms["categorical_codes"].item() == pytest.approx(0, abs=1e-6)
    assert terms["continuous_codes"].item() == pytest.approx(numpy.log(2 * numpy.pi), rel=1e-6)  # two codes


@pytest.mark.parametrize(("latents", "names"), [
    (StructuredLatents(6, [3, 2], 0), {"categorical_codes"}), (StructuredLatents(6, [], 2), {"continuous_codes"})])
def test_a_kind_of_code_that_there_is_none_of_has_no_term(latents, names):
    module, [batch] = game(latents), batches(1)
    assert module.generator_terms(batch, module.contests(batch, 8, RandomStreams(5, 0))).keys() == names


def test_the_terms_of_two_categorical_codes_add_up():
    latents = StructuredLatents(6, [3, 2], 0)
    module, [batch] = game(latents), batches(1)
    contests = module.contests(batch, 8, RandomStreams(5, 0))
    guesses = module.discriminator.codes(contests[0].fake, None)
    first, second = contests[0].latents[:, 1:4].argmax(1), contests[0].latents[:, 4:].argmax(1)
    expected = F.cross_entropy(guesses[:, :3], first) + F.cross_entropy(guesses[:, 3:], second)
    torch.testing.assert_close(module.generator_terms(batch, contests)["categorical_codes"], expected)


def test_an_update_of_each_player_is_the_papers_written_out_by_hand():
    """D: logistic loss and the guess of its fakes' codes. G: the same on new latents, with D and Q standing still."""
    module, replayed, [batch] = game(), game(), batches(1)
    play(module, [batch])
    generator, discriminator = replayed.generator, replayed.discriminator
    for player, network in (("discriminator", discriminator), ("generator", generator)):
        latents = LATENTS.draw(RandomStreams(5, 0, player=player), 8)
        fake, codes = generator(latents, None), latents[:, 1:].double()
        guesses = discriminator.codes(fake, None)
        information = (F.cross_entropy(guesses[:, :3], codes[:, :3].argmax(1))
                       + (guesses[:, 3:] - codes[:, 3:]).square().sum(1).mean() / 2)
        if player == "discriminator":
            adversarial = (F.softplus(-discriminator(batch.real, None)).mean()
                           + F.softplus(discriminator(fake, None)).mean())
        else:
            adversarial = F.softplus(-discriminator(fake, None)).mean()
        gradients = torch.autograd.grad(adversarial + information, [*network.parameters()])
        with torch.no_grad():
            for parameter, gradient in zip(network.parameters(), gradients, strict=True):
                parameter -= 0.1 * gradient
    torch.testing.assert_close(weights(module.generator), weights(generator), rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(weights(module.discriminator), weights(discriminator), rtol=1e-6, atol=1e-9)

"""BiGAN and the adversarial autoencoder: what D is shown, and updates against hand-written ones."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saddlepoint.build import players
from saddlepoint.game.encoding import AdversarialAutoencoderModule, BiGANModule, encode
from saddlepoint.game.latents import Latents
from saddlepoint.game.optimizers import Optimizers
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.turns import Turns
from saddlepoint.losses.adversarial import LeastSquares, NonSaturating
from saddlepoint.tricks.ema import ExponentialMovingAverage
from tests.game.playing import LATENTS, TinyGenerator, batches, play, sgd, weights


class TinyEncoder(nn.Module):
    latent_dim = LATENTS

    def __init__(self, stochastic: bool = False):
        super().__init__()
        self.stochastic = stochastic
        self.layer = nn.Linear(4, 2 * LATENTS)

    def distribution(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor | None]:
        mean, log_deviation = self.layer(images.flatten(1)).chunk(2, 1)
        return mean, log_deviation.exp() if self.stochastic else None

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return self.distribution(images, labels)[0]

    def features(self, images: Tensor, labels: Tensor) -> Tensor:
        return images.flatten(1)


class TinyJudge(nn.Module):
    """A discriminator of sides of `numbers` numbers in all."""

    def __init__(self, numbers: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(numbers, 5), nn.Softplus(), nn.Linear(5, 1))

    def forward(self, *shown: Tensor) -> Tensor:
        return self.layers(torch.cat([part.flatten(1).double() for part in shown[:-1]], 1)).squeeze(1)


TASKS = {BiGANModule: 4 + LATENTS, AdversarialAutoencoderModule: LATENTS}  # the numbers of a side
LABELS = torch.zeros(8, dtype=torch.long)


def game(task: type, stochastic: bool = False, loss=None, **settings):
    torch.manual_seed(1)
    networks = {"generator": TinyGenerator(), "encoder": TinyEncoder(stochastic),
                "discriminator": TinyJudge(TASKS[task])}
    parts = players({name: network.double() for name, network in networks.items()}, task.further_networks)
    return task(latents=Latents(LATENTS), loss=loss or NonSaturating(), turns=Turns(), seed=5,
                optimizers=Optimizers(sgd, sgd, 1.0), **{"tricks": {}} | parts | settings)


def test_a_stochastic_encoder_draws_from_its_gaussians_and_another_gives_its_point():
    torch.manual_seed(0)
    images = torch.rand(1, 1, 2, 2).double().expand(5000, 1, 2, 2)
    for stochastic in (False, True):
        encoder = TinyEncoder(stochastic).double()
        mean, deviation = encoder.distribution(images, LABELS)
        drawn = encode(encoder, images, LABELS, RandomStreams(5, 0))
        if deviation is None:
            assert torch.equal(drawn, mean)
        else:
            torch.testing.assert_close(drawn.mean(0), mean[0], atol=0.1, rtol=0)
            torch.testing.assert_close(drawn.std(0), deviation[0], rtol=0.05, atol=0)
            assert torch.equal(encode(encoder, images, LABELS, RandomStreams(5, 0)), drawn)


def test_an_image_with_its_code_is_told_from_latents_with_their_image():
    module, [batch] = game(BiGANModule), batches(1)
    [contest] = module.contests(batch, 8, RandomStreams(5, 0))
    assert contest.reals_are_made
    images, codes = contest.real
    assert torch.equal(images, batch.real)
    torch.testing.assert_close(codes, module.networks["encoder"](batch.real, LABELS))
    made, latents = contest.fake
    assert torch.equal(latents, contest.latents) and torch.equal(latents, Latents(LATENTS).draw(RandomStreams(5, 0), 8))
    torch.testing.assert_close(made, module.networks["generator"](latents, LABELS))


def test_an_autoencoder_has_its_codes_told_from_the_prior():
    module, [batch] = game(AdversarialAutoencoderModule), batches(1)
    [contest] = module.contests(batch, 8, RandomStreams(5, 0))
    assert contest.generator is module.networks["encoder"] and contest.latents.shape == (8, 0)
    assert torch.equal(contest.real, Latents(LATENTS).draw(RandomStreams(5, 0), 8))
    torch.testing.assert_close(contest.fake, module.networks["encoder"](batch.real, LABELS))


def descend(network: nn.Module, loss: Tensor) -> None:
    """Makes a step of gradient descent, rate 0.1, on those parameters that the loss depends on."""
    gradients = torch.autograd.grad(loss, [*network.parameters()], allow_unused=True)
    with torch.no_grad():
        for parameter, gradient in zip(network.parameters(), gradients, strict=True):
            parameter -= 0.1 * (torch.zeros_like(parameter) if gradient is None else gradient)


def random(player: str) -> RandomStreams:
    return RandomStreams(5, 0, player=player)


def compare(module, replayed) -> None:
    for player in ("generator", "discriminator"):
        torch.testing.assert_close(weights(getattr(module, player)), weights(getattr(replayed, player)), rtol=1e-6,
                                   atol=1e-9)


@pytest.mark.parametrize("stochastic", [False, True])
def test_bigans_updates_are_the_papers_written_out_by_hand(stochastic):
    """D: log D(x, E(x)) + log(1 - D(G(z), z)). G and E: both the other way round, each with strong gradients."""
    module, replayed, [batch] = game(BiGANModule, stochastic), game(BiGANModule, stochastic), batches(1)
    play(module, [batch])
    generator, encoder, judge = (replayed.networks[name] for name in ("generator", "encoder", "discriminator"))
    for player in ("discriminator", "generator"):
        latents, streams = Latents(LATENTS).draw(random(player), 8), random(player)
        codes = encode(encoder, batch.real, LABELS, streams)
        real, fake = judge(batch.real, codes, LABELS), judge(generator(latents, LABELS), latents, LABELS)
        if player == "discriminator":
            descend(judge, -torch.log(real.sigmoid()).mean() - torch.log(1 - fake.sigmoid()).mean())
        else:
            descend(replayed.generator, -torch.log(1 - real.sigmoid()).mean() - torch.log(fake.sigmoid()).mean())
    compare(module, replayed)


@pytest.mark.parametrize(("norm", "error"), [("l1", torch.abs), ("l2", torch.square)])
def test_alice_adds_the_error_of_what_comes_back_to_the_loss_of_g_and_e(norm, error):
    module, replayed = (game(BiGANModule, stochastic=True, reconstruction_weight=3.0, reconstruction_norm=norm)
                        for _ in range(2))
    [batch] = batches(1)
    play(module, [batch])
    generator, encoder, judge = (replayed.networks[name] for name in ("generator", "encoder", "discriminator"))
    for player in ("discriminator", "generator"):
        latents, streams = Latents(LATENTS).draw(random(player), 8), random(player)
        codes = encode(encoder, batch.real, LABELS, streams)
        real, fake = judge(batch.real, codes, LABELS), judge(generator(latents, LABELS), latents, LABELS)
        if player == "discriminator":
            descend(judge, (F.softplus(-real) + F.softplus(fake)).mean())
        else:
            back = error(generator(codes, LABELS) - batch.real).flatten(1).sum(1) / 4
            descend(replayed.generator, (F.softplus(real) + F.softplus(-fake) + 3 * back).mean())
    compare(module, replayed)
    assert "generator/reconstruction" in module.latest


def test_without_a_weight_nothing_is_reconstructed():
    module = game(BiGANModule)
    play(module, batches(1))
    assert "generator/reconstruction" not in module.latest


def test_least_squares_trains_g_and_e_towards_the_other_sides_targets():
    module, replayed, [batch] = game(BiGANModule, loss=LeastSquares()), game(BiGANModule), batches(1)
    play(module, [batch])
    generator, encoder, judge = (replayed.networks[name] for name in ("generator", "encoder", "discriminator"))
    for player in ("discriminator", "generator"):
        latents = Latents(LATENTS).draw(random(player), 8)
        real = judge(batch.real, encoder(batch.real, LABELS), LABELS)
        fake = judge(generator(latents, LABELS), latents, LABELS)
        of_real, of_fake = (1, 0) if player == "discriminator" else (0, 1)
        loss = (real - of_real).square().mean() / 2 + (fake - of_fake).square().mean() / 2
        descend(judge if player == "discriminator" else replayed.generator, loss)
    compare(module, replayed)


def test_the_autoencoders_updates_are_the_papers_written_out_by_hand():
    """D: prior against codes. E: to fool it, times a weight. E and G: the mean squared error of G(E(x))."""
    module, replayed = (game(AdversarialAutoencoderModule, reconstruction_weight=7.0, adversarial_weight=0.5)
                        for _ in range(2))
    [batch] = batches(1)
    play(module, [batch])
    generator, encoder, judge = (replayed.networks[name] for name in ("generator", "encoder", "discriminator"))
    prior, codes = Latents(LATENTS).draw(random("discriminator"), 8), encoder(batch.real, LABELS)
    descend(judge, (F.softplus(-judge(prior, LABELS)) + F.softplus(judge(codes, LABELS))).mean())
    error = ((generator(codes, LABELS) - batch.real) ** 2).flatten(1).sum(1) / 4
    codes = encoder(batch.real, LABELS)
    descend(replayed.generator, 0.5 * F.softplus(-judge(codes, LABELS)).mean() + 7 * error.mean())
    compare(module, replayed)


def test_a_decoder_that_cannot_reconstruct_is_not_moved_by_the_discriminator():
    module = game(AdversarialAutoencoderModule, reconstruction_weight=0.0)
    before = {name: weights(network) for name, network in module.networks.items()}
    play(module, batches(1))
    moved = {name for name, network in module.networks.items() if not torch.equal(weights(network), before[name])}
    assert moved == {"encoder", "discriminator"}


@pytest.mark.parametrize("task", TASKS)
def test_the_average_has_both_networks_and_the_generator_draws(task):
    module = game(task, tricks={"ema": ExponentialMovingAverage(half_life_images=20, rampup=None)})
    play(module, batches(3))
    assert module.sampling_networks.keys() == {"generator", "encoder"}
    assert module.sampling_generator is module.sampling_networks["generator"]
    for name, average in module.sampling_networks.items():
        assert not torch.equal(weights(average), weights(module.networks[name]))
        assert torch.dist(weights(average), weights(module.networks[name])) < 1

"""Unrolled GANs against the closed forms of the Dirac-GAN, torch's own optimizers, and the update by torch.func."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad
from torch.nn import functional as F

from saddlepoint import build
from saddlepoint.errors import RequestError
from saddlepoint.game.optimizers import Optimizers
from saddlepoint.game.step import Step
from saddlepoint.losses.adversarial import Minimax, NonSaturating, Relativistic, Wasserstein
from saddlepoint.tricks.auxiliary_classifier import AuxiliaryClassifier
from saddlepoint.tricks.gradient_penalty import R1
from saddlepoint.tricks.look_ahead import AdamFromHere, Elsewhere
from saddlepoint.tricks.unrolled import Unrolled
from saddlepoint.tricks.weights import SpectralNorm
from tests.composing import settings
from tests.game.dirac import dirac_batch, dirac_game
from tests.game.playing import TinyDiscriminator, TinyGenerator, batches, game, latents, moved, play, same, sgd, weights

RATE = 0.1  # of both players, in dirac_game and playing.sgd


def after_one_step(loss, trick: Unrolled, theta: float, psi: float) -> tuple[float, float]:
    """-> (theta, psi) of the Dirac-GAN, whose data is 0, after D's update and G's"""
    module = dirac_game(loss, {"unrolled": trick})
    with torch.no_grad():
        module.generator.theta.fill_(theta)
        module.discriminator.psi.fill_(psi)
    play(module, [dirac_batch()])
    return module.generator.theta.item(), module.discriminator.psi.item()


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_the_linear_dirac_gan_is_drawn_to_the_data_by_the_whole_look_ahead(steps):
    """L_D = psi theta, so psi_k = psi - k h theta; L_G = -psi_k theta has the slope -psi + 2 k h theta."""
    theta, psi = after_one_step(Wasserstein(), Unrolled(steps, "sgd"), 0.7, 0.4)
    assert psi == pytest.approx(0.4 - RATE * 0.7)  # as ever
    assert theta == pytest.approx(0.7 - RATE * (-psi + 2 * steps * RATE * 0.7))


@pytest.mark.parametrize("reals", [False, True])
def test_one_step_of_the_dirac_gan_has_its_closed_form(reals):
    """psi_1 = psi - h theta s(psi theta), with s the sigmoid; G's slope is the total derivative of its loss at psi_1.
    At the data, which is 0, D's term is log 2 whatever psi is."""
    theta, psi = after_one_step(NonSaturating(), Unrolled(1, "sgd", reals), 0.7, 0.4)
    s = torch.sigmoid(torch.tensor(psi * 0.7, dtype=torch.float64)).item()
    ahead = psi - RATE * 0.7 * s
    slope_of_ahead = -RATE * (s + 0.7 * psi * s * (1 - s))
    at_ahead = torch.sigmoid(torch.tensor(-ahead * 0.7, dtype=torch.float64)).item()
    assert theta == pytest.approx(0.7 + RATE * at_ahead * (ahead + 0.7 * slope_of_ahead), rel=1e-9)


def unrolled_by_torch_func(discriminator: nn.Module, real: Tensor, fake: Tensor, steps: int) -> dict[str, Tensor]:
    """-> D's weights after plain steps, as a function of the fakes"""
    def loss(weights: dict[str, Tensor]) -> Tensor:
        return (F.softplus(-functional_call(discriminator, weights, (real, None))).mean()
                + F.softplus(functional_call(discriminator, weights, (fake, None))).mean())

    weights = {name: each.detach() for name, each in discriminator.named_parameters()}
    for _ in range(steps):
        gradients = grad(loss)(weights)
        weights = {name: each - RATE * gradients[name] for name, each in weights.items()}
    return weights


@pytest.mark.parametrize(("loss", "reals"), [(Minimax, True), (NonSaturating, True), (NonSaturating, False)])
def test_a_game_is_that_of_torch_func(loss, reals):
    """Minimax with reals: G descends minus D's whole loss, the paper's f."""
    module = game(loss=loss(), tricks={"unrolled": Unrolled(3, "sgd", reals)})
    generator, discriminator = copy.deepcopy((module.generator, module.discriminator))
    play(module, batches(2))
    for index, (real, labels) in enumerate(batches(2)):
        fake = generator(latents("discriminator", index), labels).detach()
        whole = F.softplus(-discriminator(real, labels)).mean() + F.softplus(discriminator(fake, labels)).mean()
        moved([discriminator], whole)
        fake = generator(latents("generator", index), labels)
        ahead = unrolled_by_torch_func(discriminator, real, fake, 3)
        real_logits, fake_logits = (functional_call(discriminator, ahead, (side, labels)) for side in (real, fake))
        of_fakes = -F.softplus(fake_logits) if loss is Minimax else F.softplus(-fake_logits)
        moved([generator], of_fakes.mean() - (F.softplus(-real_logits).mean() if reals else 0))
    same((module.generator, generator), (module.discriminator, discriminator))
    assert ("generator/unrolled" in module.latest) is reals


@pytest.mark.parametrize("normalization", [False, True])
def test_without_steps_it_is_the_plain_game_to_the_bit(normalization):
    discriminator = TinyDiscriminator(normalization)
    games = [game(tricks=tricks, discriminator=copy.deepcopy(discriminator))
             for tricks in ({"unrolled": Unrolled(0)}, {})]
    for module in games:
        play(module, batches(3))
    for player in ("generator", "discriminator"):
        one, other = (getattr(module, player).state_dict() for module in games)
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert games[0].latest.keys() == games[1].latest.keys()


def adam(parameters):
    return torch.optim.Adam(parameters, lr=0.05, betas=(0.5, 0.9), eps=1e-8)


def test_the_look_ahead_of_adam_is_where_torchs_adam_goes():
    """From its averages after two updates, three more: values as torch's, derivatives as differences of these."""
    torch.manual_seed(0)
    start, matrix = torch.randn(4).double(), torch.randn(4, 4).double()

    def loss(weights: Tensor, number: Tensor) -> Tensor:
        return (matrix @ weights).cos().sum() * number + weights.pow(4).sum()

    def moved(number: Tensor) -> Tensor:
        weight = nn.Parameter(start.clone())
        optimizer = adam([weight])
        for update in range(5):
            weight.grad = torch.autograd.grad(loss(weight, torch.tensor(1.5) if update < 2 else number), weight)[0]
            optimizer.step()
            if update == 1:
                here = weight.detach().clone(), AdamFromHere(optimizer, [weight])
        return weight.detach(), *here

    number = torch.tensor(0.8, dtype=torch.float64, requires_grad=True)
    expected, weights, rule = moved(number.detach())
    weights.requires_grad_()
    for _ in range(3):
        gradient, = torch.autograd.grad(loss(weights, number), weights, create_graph=True)
        weights = rule.moved(weights, gradient)
    torch.testing.assert_close(weights.detach(), expected, rtol=1e-7, atol=1e-9)
    slopes = torch.stack([torch.autograd.grad(each, number, retain_graph=True)[0] for each in weights])
    differences = (moved(number.detach() + 1e-5)[0] - moved(number.detach() - 1e-5)[0]) / 2e-5
    torch.testing.assert_close(slopes, differences, rtol=1e-4, atol=1e-7)


def test_a_weight_without_a_gradient_stays_and_has_a_finite_derivative():
    weight = nn.Parameter(torch.zeros(2))
    optimizer = adam([weight])
    gradient = torch.zeros(2, requires_grad=True)
    moved = AdamFromHere(optimizer, [weight]).moved(weight, gradient)
    assert torch.equal(moved, torch.zeros(2))
    assert torch.autograd.grad(moved.sum(), gradient)[0].isfinite().all()


class Looking(Unrolled):
    """Keeps the discriminators that G plays against."""

    def opponent(self, step: Step) -> nn.Module:
        self.seen = super().opponent(step)
        return self.seen


def test_g_plays_against_where_d_will_be_and_d_keeps_its_weights_and_buffers():
    """D = its weights after Adam's updates on the same sides; its optimizer, running statistics and vectors of spectral
    normalisation go on from D's own update alone."""
    trick, discriminator = Looking(2, "sgd"), TinyDiscriminator(True)
    module = game(tricks={"unrolled": trick, "spectral": SpectralNorm()}, discriminator=copy.deepcopy(discriminator))
    plain = game(tricks={"spectral": SpectralNorm()}, discriminator=discriminator)
    for each in (module, plain):
        each.players_optimizers = Optimizers(sgd, adam)
    trick.optimizer = "adam"
    plain.plan_of = plain.turns.plan
    plain.turns.plan = lambda *given: plain.plan_of(*given)._replace(generator=0)
    for each in (module, plain):
        play(each, batches(1))
    one, other = module.discriminator.state_dict(), plain.discriminator.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert module.optimizers()[1].optimizer.state[module.discriminator.layers[4].bias]["step"] == 1
    # D's next two updates, by its own optimizer, on what G's update was about
    [real, labels], fake = batches(1)[0], game().generator(latents("generator", 0), None).detach()
    for _ in range(2):
        optimizer = plain.optimizers()[1].optimizer
        optimizer.zero_grad()
        loss = F.softplus(-plain.discriminator(real, labels)).mean() + F.softplus(plain.discriminator(
            fake, labels)).mean()
        loss.backward()
        optimizer.step()
    plain.discriminator(fake, labels), plain.discriminator(real, labels)  # which G's loss then asks for
    for name, expected in {**dict(plain.discriminator.named_parameters()),
                           **dict(plain.discriminator.named_buffers())}.items():
        torch.testing.assert_close(trick.seen.tensors[name].detach(), expected.detach(), rtol=1e-6, atol=1e-8, msg=name)


def test_the_look_ahead_has_the_penalties_of_d():
    """R1 of the linear Dirac-GAN: L_D = psi theta + gamma/2 psi^2, so psi_1 = psi (1 - h gamma) - h theta."""
    module = dirac_game(Wasserstein(), {"unrolled": Unrolled(1, "sgd"), "r1": R1(0.5)})
    with torch.no_grad():
        module.generator.theta.fill_(0.7)
        module.discriminator.psi.fill_(0.4)
    play(module, [dirac_batch()])
    psi = 0.4 * (1 - RATE * 0.5) - RATE * 0.7
    ahead = psi * (1 - RATE * 0.5) - RATE * 0.7
    assert module.generator.theta.item() == pytest.approx(0.7 - RATE * (-ahead + RATE * 0.7))


class Classifies(TinyDiscriminator):
    def class_logits(self, images: Tensor, labels: Tensor) -> Tensor:
        return self.layers[0](images.flatten(1))[:, :3]


def test_methods_of_d_are_those_of_the_look_ahead():
    module = game(tricks={"unrolled": Unrolled(2, "sgd"), "classes": AuxiliaryClassifier(1.0, 1.0)},
                  discriminator=Classifies(), generator=TinyGenerator())
    play(module, batches(2))
    assert module.latest["generator/classes"].isfinite()
    network = Classifies().double()
    others = {name: torch.zeros_like(each) for name, each in network.named_parameters()}
    elsewhere = Elsewhere(network, others)
    assert torch.equal(elsewhere.class_logits(batches(1)[0].real, None), torch.zeros(8, 3).double())
    assert elsewhere.scored is network.scored


def test_a_loss_that_scores_reals_already_is_not_given_them_again():
    module = game(loss=Relativistic(), tricks={"unrolled": Unrolled(2, "sgd")})
    play(module, batches(2))
    assert "generator/unrolled" not in module.latest
    assert not torch.equal(weights(module.generator), weights(game().generator))


@pytest.mark.parametrize(("typed", "words"), [
    ("optimizer=rmsprop", r"tricks.unrolled.optimizer=adam goes on with the averages of D's own Adam, and optimizer."
                          r"discriminator is RMSprop: type tricks.unrolled.optimizer=sgd"),
    ("optimizer.discriminator.weight_decay=0.1", r"optimizer.discriminator.weight_decay=0.1 is more than that: type "
                                                 r"optimizer.discriminator.weight_decay=0"),
    ("optimizer=sgd tricks.unrolled.optimizer=sgd optimizer.discriminator.momentum=0.9",
     r"plain SGD, and optimizer.discriminator.momentum=0.9"),
    ("tricks.unrolled.optimizer=sgd optimizer.discriminator.weight_decay=0.1",
     r"optimizer=sgd looks ahead by plain gradient descent, and optimizer.discriminator.weight_decay=0.1 is more than"),
])
def test_optimizers_that_it_cannot_follow_are_refused(typed, words):
    with pytest.raises(RequestError, match=words):
        build.module(settings("model=mlp", "trick=unrolled", *typed.split()))

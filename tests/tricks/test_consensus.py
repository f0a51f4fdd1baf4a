"""Consensus optimisation against closed forms of small games and against the update written by hand."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saddlepoint import build
from saddlepoint.errors import RequestError
from saddlepoint.game.batches import ImageBatch
from saddlepoint.game.schedule import Linear
from saddlepoint.game.turns import Turns
from saddlepoint.losses.adversarial import NonSaturating, Wasserstein
from saddlepoint.training import compiling
from saddlepoint.tricks.consensus import Consensus
from saddlepoint.tricks.gradient_penalty import R1
from tests.composing import settings
from tests.game.playing import LATENTS, TinyDiscriminator, TinyGenerator, batches, game, latents, play, same, weights
from tests.tricks.stand_ins import update

RATE = 0.1  # of playing.sgd


class Number(nn.Module):
    """G(z) = g for all z, D(x) = d x: the Dirac-GAN, whose data is the point 0 (Mescheder et al. 2018, section 2)"""

    latent_dim = LATENTS

    def __init__(self, value: float):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value, dtype=torch.float64))

    def forward(self, inputs: Tensor, labels: Tensor) -> Tensor:
        return self.value.expand(len(inputs), 1, 2, 2) if inputs.ndim == 2 else self.value * inputs[:, 0, 0, 0]


def dirac(gamma: float, loss, start: tuple[float, float], steps: int) -> Tensor:
    """-> (d, g) after so many steps"""
    module = game(Turns(order="simultaneous"), loss, {"consensus": Consensus(gamma)}, Number(start[1]),
                  Number(start[0]))
    zeros = ImageBatch(torch.zeros(8, 1, 2, 2).double(), torch.zeros(8, dtype=torch.long))
    play(module, [zeros] * steps)
    return torch.stack([module.discriminator.value.detach(), module.generator.value.detach()])


@pytest.mark.parametrize("gamma", [0.0, 0.5, 3.0])
def test_the_eigenvalues_of_the_dirac_gan_move_to_the_left(gamma):
    """Around 0 the non-saturating loss has v = J (d, g) with J = [[0, 1/2], [-1/2, 0]], so both players follow
    -(J + gamma J^T J), whose eigenvalues are -gamma/4 +- i/2."""
    near = 1e-6  # the next order is a millionth of a millionth
    field = torch.stack([(dirac(gamma, NonSaturating(), start, 1) - torch.tensor(start)) / (RATE * near)
                         for start in ((near, 0.0), (0.0, near))], 1)
    eigenvalues = torch.linalg.eigvals(field)
    expected = torch.tensor([complex(-gamma / 4, sign / 2) for sign in (-1, 1)], dtype=torch.complex128)
    order = eigenvalues.imag.argsort()
    torch.testing.assert_close(eigenvalues[order], expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 1.0, 10.0])
def test_the_bilinear_game_comes_closer_by_the_factor_of_its_update_matrix(gamma):
    """min over g, max over d of g d: a step is I - h (J + gamma I), a rotation times sqrt((1 - h gamma)^2 + h^2)."""
    after = dirac(gamma, Wasserstein(), (1.0, 1.0), 20)
    assert after.norm().item() == pytest.approx(2**0.5 * ((1 - RATE * gamma) ** 2 + RATE**2) ** (20 / 2))


def test_the_term_of_a_quadratic_game_has_the_gradient_of_its_closed_form():
    """L_D = d'Ad/2 + d'Bg and L_G = g'Cg/2 - d'Bg: v = J x, so the gradient of gamma/2 ||v||^2 is gamma J'J x."""
    torch.manual_seed(3)
    A, C = (each + each.T for each in torch.randn(2, 3, 3).double())
    B, d, g = torch.randn(3, 3).double(), nn.Parameter(torch.randn(3).double()), nn.Parameter(torch.randn(3).double())
    losses = {"discriminator": d @ A @ d / 2 + d @ B @ g, "generator": g @ C @ g / 2 - d @ B @ g}
    terms = Consensus(1.5).both_losses(losses, {"discriminator": [d], "generator": [g]}, update())
    jacobian, point = torch.cat([torch.cat([A, B], 1), torch.cat([-B.T, C], 1)]), torch.cat([d, g]).detach()
    assert terms.keys() == losses.keys()
    for term in terms.values():
        torch.testing.assert_close(term.detach(), 0.75 * (jacobian @ point).square().sum())
        torch.testing.assert_close(torch.cat(torch.autograd.grad(term, [d, g], retain_graph=True)),
                                   1.5 * jacobian.T @ jacobian @ point)


@pytest.mark.parametrize("penalised", [False, True], ids=["BatchNorm", "R1"])
def test_both_players_move_down_their_own_loss_and_the_common_term(penalised):
    """v has the gradients of whole losses: with R1 those of the penalty too, whose third derivative is then needed."""
    tricks = {"consensus": Consensus(Linear(start=0.7, end=0.3, images=16))} | ({"r1": R1(0.5)} if penalised else {})
    module = game(Turns(order="simultaneous"), tricks=tricks, generator=TinyGenerator(not penalised),
                  discriminator=TinyDiscriminator(not penalised))
    generator, discriminator = copy.deepcopy((module.generator, module.discriminator))
    play(module, batches(3))
    parameters = {"discriminator": [*discriminator.parameters()], "generator": [*generator.parameters()]}
    for index, (real, labels) in enumerate(batches(3)):
        real.requires_grad_(penalised)
        fake = generator(latents("discriminator", index), labels)
        real_logits, fake_logits = discriminator(real, labels), discriminator(fake, labels)
        losses = {"discriminator": F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean(),
                  "generator": F.softplus(-fake_logits).mean()}
        if penalised:
            [slopes] = torch.autograd.grad(real_logits.sum(), [real], create_graph=True)
            losses["discriminator"] = losses["discriminator"] + 0.25 * slopes.square().sum((1, 2, 3)).mean()
        v = [each for player, loss in losses.items() for each in torch.autograd.grad(
            loss, parameters[player], create_graph=True)]
        term = (0.7, 0.5, 0.3)[index] / 2 * sum(each.square().sum() for each in v)
        moves = {player: torch.autograd.grad(loss + term, parameters[player], retain_graph=True)
                 for player, loss in losses.items()}
        with torch.no_grad():
            for player, gradients in moves.items():
                for parameter, gradient in zip(parameters[player], gradients, strict=True):
                    parameter -= RATE * gradient
    same((module.generator, generator), (module.discriminator, discriminator))
    assert module.latest["discriminator/consensus"] == module.latest["generator/consensus"]
    torch.testing.assert_close(module.latest["generator/consensus"], term.detach())
    if not penalised:
        assert module.generator.layers[1].num_batches_tracked == 3  # one pass a batch


def test_without_weight_nothing_changes():
    with_trick, without = (game(Turns(order="simultaneous"), tricks=tricks)
                           for tricks in ({"consensus": Consensus(0.0)}, {}))
    for module in (with_trick, without):
        play(module, batches(2))
    assert torch.equal(weights(with_trick.generator), weights(without.generator))


def test_compiled_networks_are_refused():
    module = build.module(settings("model=mlp", "trick=consensus", "model.turns.order=simultaneous"))
    words = r"trick=\[consensus\] differentiates networks twice.* type trainer.compile=false"
    with pytest.raises(RequestError, match=words):
        compiling.compile_game(module)

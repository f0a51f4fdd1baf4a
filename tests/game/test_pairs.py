"""Games of pairs and of points, against the same games written out by hand."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saddlepoint.game.batches import ImageBatch
from saddlepoint.game.latents import Latents
from saddlepoint.game.optimizers import Optimizers
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.step import DiscriminatorStep
from saddlepoint.game.synthesis import SynthesisModule
from saddlepoint.game.turns import Turns, score_apart
from saddlepoint.losses.adversarial import Hinge, LeastSquares, Minimax, NonSaturating, Wasserstein
from saddlepoint.tricks.gradient_penalty import R1, R2, WassersteinGradientPenalty
from saddlepoint.tricks.instance_noise import InstanceNoise
from tests.game.playing import (
    LATENTS,
    TinyDiscriminator,
    TinyGenerator,
    batches,
    game,
    latents,
    moved,
    play,
    same,
    sgd,
)

PARTS = {"tricks": {}, "optimizers": Optimizers(sgd, sgd), "turns": Turns(), "seed": 5}




class Pairs(SynthesisModule):
    """Bidirectional: D tells (x, E(x)) from (G(z), z) (Donahue et al. 2017, https://arxiv.org/abs/1605.09782)."""

    further_networks = {"encoder": "generator"}

    def contests(self, batch, count, random):
        [contest] = super().contests(batch, count, random)
        code = self.networks["encoder"](batch.real)
        return [contest._replace(real=(contest.real, code), fake=(contest.fake, contest.latents.double()),
                                 reals_are_made=True)]


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(4, LATENTS))

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


class PairDiscriminator(TinyDiscriminator):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4 + LATENTS, 5), nn.Softplus(), nn.Linear(5, 1))

    def forward(self, images: Tensor, codes: Tensor, labels: Tensor) -> Tensor:
        return self.layers(torch.cat([images.flatten(1), codes], 1)).squeeze(1)


def pairs(**parts) -> Pairs:
    torch.manual_seed(1)
    player = nn.ModuleDict({"generator": TinyGenerator().double(), "encoder": Encoder().double()})
    return Pairs(Latents(LATENTS), generator=player, discriminator=PairDiscriminator().double(),
                 **{"loss": NonSaturating(), **PARTS, **parts})


@pytest.mark.parametrize("turns", [Turns(), Turns(scoring="together"), Turns(order="simultaneous")],
                         ids=["separate", "together", "simultaneous"])
def test_a_generator_that_makes_both_sides_wants_the_discriminator_wrong_about_both(turns):
    module = pairs(turns=turns)
    player, discriminator = copy.deepcopy((module.generator, module.discriminator))
    play(module, batches(3))
    for index, (real, labels) in enumerate(batches(3)):
        def logits(random_player, index=index, real=real, labels=labels):
            z = latents(random_player, index)
            return (discriminator(real, player["encoder"](real), labels),
                    discriminator(player["generator"](z, labels), z, labels))
        on_real, on_fake = logits("discriminator")
        of_discriminator = F.softplus(-on_real).mean() + F.softplus(on_fake).mean()
        if turns.order == "alternating":
            moved([discriminator], of_discriminator)
            on_real, on_fake = logits("generator")
            moved([player], F.softplus(on_real).mean() + F.softplus(-on_fake).mean())
        else:
            for network, loss in ((None, of_discriminator), (player, F.softplus(on_real).mean()
                                                             + F.softplus(-on_fake).mean())):
                gradients = torch.autograd.grad(loss, list((network or discriminator).parameters()), retain_graph=True)
                for parameter, gradient in zip((network or discriminator).parameters(), gradients, strict=True):
                    parameter.data = parameter.data - 0.1 * gradient  # another tensor: the graph keeps the old one
    same((module.generator, player), (module.discriminator, discriminator))


@pytest.mark.parametrize("loss", [NonSaturating(), Minimax(), LeastSquares(), Hinge(), Wasserstein()])
def test_the_loss_of_both_sides_mirrors_at_the_losss_boundary(loss):
    """Whoever swaps the sides and mirrors the logits at the boundary has the same game."""
    fake, real = torch.randn(2, 7, generator=torch.Generator().manual_seed(4)).double()
    middle = loss.boundary or 0.0
    torch.testing.assert_close(loss.of_both_sides(fake, real), loss.of_both_sides(2 * middle - real, 2 * middle - fake))
    alone = loss.of_both_sides(fake, real) - loss.generator(fake)
    torch.testing.assert_close(alone, loss.generator(2 * middle - real))


def test_input_tricks_change_the_image_of_a_pair_and_not_its_partner():
    module = pairs(tricks={"noise": InstanceNoise(0.3)})
    random, [batch] = RandomStreams(5, 0, player="discriminator"), batches(1)
    [contest] = module.contests(batch, 8, random)
    image, code = module.step(contest, batch, random).prepare(contest.real)
    noise = RandomStreams(5, 0, player="discriminator").normal("instance_noise", batch.real.shape)
    torch.testing.assert_close(image, batch.real + 0.3 * noise.double())
    assert code is contest.real[1]


def test_penalties_differentiate_with_respect_to_every_part_of_a_pair():
    torch.manual_seed(0)
    image_weight, code_weight = torch.randn(4).double(), torch.randn(LATENTS).double()

    class LinearPairs(nn.Module):
        def forward(self, images, codes, labels):
            return images.flatten(1) @ image_weight + codes @ code_weight

    norm = image_weight.square().sum() + code_weight.square().sum()
    for trick, expected in ((R1(2.0), norm), (R2(2.0), norm),
                            (WassersteinGradientPenalty(1.0), (norm.sqrt() - 1).square())):
        module = pairs()
        module.discriminator = module.networks["discriminator"] = LinearPairs()
        module.tricks = module.tricks.__class__({"penalty": trick})
        module.tricks.build(module.generator, module.discriminator)
        random = RandomStreams(5, 0, player="discriminator")
        [contest] = module.contests(batches(1)[0], 8, random)
        step = module.tricks.differentiable(module.step(contest.detached(), batches(1)[0], random))
        scored = DiscriminatorStep(**vars(step), sides=score_apart(step))
        torch.testing.assert_close(trick.discriminator_loss(scored).double(), expected, rtol=1e-6, atol=0)


class PointGenerator(nn.Module):
    latent_dim = LATENTS

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(LATENTS, 8), nn.Softplus(), nn.Linear(8, 2))

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        return self.layers(latents.double())


class PointDiscriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 8), nn.Softplus(), nn.Linear(8, 1))

    def forward(self, points: Tensor, labels: Tensor) -> Tensor:
        return self.layers(points).squeeze(1)


# Weak penalties: plain gradient descent with a rate of 0.1 is unstable with 10, from some first weights.
@pytest.mark.parametrize("tricks", [{}, {"wgan_gp": WassersteinGradientPenalty(0.03)}, {"r1": R1(0.3), "r2": R2(0.3)}])
def test_points_of_the_plane_are_data(tricks):
    random = torch.Generator().manual_seed(3)
    data = [ImageBatch(3 + 0.1 * torch.randn(32, 2, generator=random).double(), torch.zeros(32, dtype=torch.long))
            for _ in range(150)]
    module = game(generator=PointGenerator(), discriminator=PointDiscriminator(), tricks=copy.deepcopy(tricks))
    start = module.generator(latents("generator", 0, 64), None).mean(0)
    play(module, data)
    end = module.generator(latents("generator", 0, 64), None).mean(0)
    assert (end - 3).norm() < (start - 3).norm() / 2

"""The game on points: each loss with each kind of trick and turn, the step by hand, and what is refused."""

import copy

import pytest
import torch
from torch.nn import functional as F

from saddlepoint.commands.recipe_refusals import changes_that_work, problems_of
from saddlepoint.game.batches import PointBatch
from saddlepoint.game.turns import Turns
from saddlepoint.losses import adversarial
from saddlepoint.networks.points import PointDiscriminator, PointGenerator
from saddlepoint.tricks.ema import ExponentialMovingAverage
from saddlepoint.tricks.gradient_penalty import R1, R2, Dragan, WassersteinGradientPenalty
from saddlepoint.tricks.instance_noise import InstanceNoise
from saddlepoint.tricks.labels import LabelSmoothing
from saddlepoint.tricks.weights import SpectralNorm, WeightClipping
from tests.composing import settings
from tests.game.playing import LATENTS, game, latents, moved, play, same, weights

LOSSES = [adversarial.NonSaturating, adversarial.Minimax, adversarial.LeastSquares, adversarial.Hinge,
          adversarial.Wasserstein, adversarial.Relativistic, adversarial.RelativisticAverage]
TRICKS = {"r1": R1, "r2": R2, "wgan_gp": WassersteinGradientPenalty, "dragan": Dragan,
          "instance_noise": lambda: InstanceNoise(0.1), "ema": ExponentialMovingAverage, "spectral_norm": SpectralNorm,
          "weight_clipping": WeightClipping, "label_smoothing": LabelSmoothing}
TURNS = [{}, {"order": "simultaneous"}, {"discriminator_steps": 2}, {"generator_steps": 2}, {"scoring": "together"},
         {"share_latents": True}]
# Every loss with every other part once, by going round the shorter lists: pairs, and not all triples.
PAIRS = [(loss, trick, TURNS[(number + place) % len(TURNS)])
         for number, loss in enumerate(LOSSES) for place, trick in enumerate(TRICKS)]


class ExactGenerator(PointGenerator):
    """Takes the latents of a game, which are float32, in float64 as the rest is."""

    def forward(self, latents: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return super().forward(latents.double(), labels)


def generator() -> PointGenerator:
    torch.manual_seed(2)
    return ExactGenerator(LATENTS, 2, widths=[5, 5])


def discriminator(pieces: int = 1) -> PointDiscriminator:
    torch.manual_seed(3)
    return PointDiscriminator(2, widths=[5, 5], pieces=pieces, negative_slope=0.2)


def points(count: int, size: int = 8) -> list[PointBatch]:
    source = torch.Generator().manual_seed(3)
    return [PointBatch(torch.randn(size, 2, generator=source).double(), torch.zeros(size, dtype=torch.long))
            for _ in range(count)]


@pytest.mark.parametrize(("loss", "trick", "turns"), [
    pytest.param(*each, id=f"{each[0].__name__}-{each[1]}-{'-'.join(each[2]) or 'alternating'}") for each in PAIRS])
def test_every_loss_plays_on_points_with_every_trick(loss, trick, turns):
    module = game(Turns(**turns), loss(), {trick: TRICKS[trick]()}, generator(), discriminator())
    before = [weights(player) for player in (module.generator, module.discriminator)]
    play(module, points(2))
    for player, start in zip((module.generator, module.discriminator), before, strict=True):
        assert torch.isfinite(weights(player)).all()
        assert not torch.equal(weights(player), start)


@pytest.mark.parametrize("pieces", [1, 3])
def test_steps_on_points_are_those_written_by_hand(pieces):
    """Non-saturating with R1 of weight 10, alternating, each player by gradient descent."""
    module = game(tricks={"r1": R1()}, generator=generator(), discriminator=discriminator(pieces=pieces))
    ours = copy.deepcopy(module.generator), copy.deepcopy(module.discriminator)
    data = points(3)
    play(module, data)
    for step, (real, labels) in enumerate(data):
        fake = ours[0](latents("discriminator", step), labels).detach()
        leaf = real.clone().requires_grad_()
        slope, = torch.autograd.grad(ours[1](leaf, labels).sum(), leaf, create_graph=True)
        moved([ours[1]], F.softplus(-ours[1](real, labels)).mean() + F.softplus(ours[1](fake, labels)).mean()
              + 5 * slope.square().sum(1).mean())
        moved([ours[0]], F.softplus(-ours[1](ours[0](latents("generator", step), labels), labels)).mean())
    same((ours[0], module.generator), (ours[1], module.discriminator))


def reasons(*overrides: str) -> list[str]:
    return [problem.reason for problem in problems_of(settings(*overrides))]


@pytest.mark.parametrize(("overrides", "words"), [
    (("data=ring",), "the generator makes images of 1 x 32 x 32 and the data has points of 2 coordinates: type a model "
     "of points, e.g. model=points"),
    (("model=points",), "the generator makes points of 2 coordinates and the data has images of 1 x 32 x 32: type a "
     "model of images, e.g. model=dcgan"),
    (("model=bigan", "data=ring"), "this model is one of images and the data are points"),
    (("model=infogan", "data=ring"), "this model is one of images and the data are points"),
    (("model=pix2pix", "data=ring"), "this model translates images"),
    (("model=srgan", "data=ring"), "this model enlarges images"),
    (("model=points", "data=ring", "model.generator.dimensions=3"),
     "the generator makes points of 3 coordinates and the data has 2 coordinates: model.generator and data.dimensions "
     "must agree"),
    (("model=points", "data=ring", "model.discriminator.dimensions=3"),
     "the discriminator does not fit points of 2 coordinates (data.dimensions)"),
])
def test_images_and_points_are_not_mixed(overrides, words):
    assert any(reason.startswith(words) for reason in reasons(*overrides, "callbacks=none"))


def test_points_and_networks_of_points_fit():
    for data, model in (("ring", "points"), ("grid", "pacgan_points"), ("dirac", "dirac")):
        assert reasons(f"data={data}", f"model={model}") == []


def test_a_penalty_is_refused_beside_batch_norm_with_what_to_type():
    made = settings("data=ring", "model=points", "trick=r1", "model.discriminator.normalization=batch")
    assert changes_that_work(made) == {"model.discriminator.normalization": "layer"}

"""Terms of G's loss that ask for more than a logit: mean features, other images of other latents, lengths of paths."""

import copy
import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saddlepoint.commands.recipe_refusals import read_recipe
from saddlepoint.errors import RequestError
from saddlepoint.game import recipe_check
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.trick import Trick
from saddlepoint.game.turns import Turns
from saddlepoint.networks.stylegan2 import StyleGAN2Generator
from saddlepoint.training.compiling import compile_game
from saddlepoint.tricks.feature_matching import FeatureMatching
from saddlepoint.tricks.mode_seeking import ModeSeeking
from saddlepoint.tricks.packing import Packing
from saddlepoint.tricks.path_length import PathLength
from tests.composing import settings
from tests.game.playing import TinyDiscriminator, TinyGenerator, batches, game, latents, moved, play, same, weights
from tests.tricks.stand_ins import Patches, built, images, step


class Features(TinyDiscriminator):
    def features(self, images: Tensor, labels: Tensor) -> list[Tensor]:
        return [images.flatten(1), self.layers[:3](images.flatten(1))]


class LinearFeatures(nn.Module):
    """Two layers of features, the second a linear function of the image; also of an image and its partner."""

    def __init__(self, matrix: Tensor):
        super().__init__()
        self.matrix = matrix

    def features(self, *given: Tensor) -> list[Tensor]:
        values = torch.cat([part.flatten(1) for part in given[:-1]], 1)
        return [values, values @ self.matrix.T]


class Doubles(Trick):
    def discriminator_input(self, images: Tensor, step) -> Tensor:
        return 2 * images


def test_feature_matching_of_a_linear_layer_is_the_distance_of_the_images_means_in_its_metric():
    matrix, real, fake = torch.randn(5, 24), images(6, seed=1), images(12, seed=2)
    update = step(LinearFeatures(matrix), real=real, fake=fake)
    difference = (real.mean(0) - fake.mean(0)).flatten()
    torch.testing.assert_close(FeatureMatching(3.0).generator_loss(update), 3 * (matrix @ difference).square().sum())
    torch.testing.assert_close(FeatureMatching(3.0, layer=0).generator_loss(update), 3 * difference.square().sum())


def test_feature_matching_sees_all_parts_of_a_side_behind_input_tricks_and_each_place_of_maps():
    matrix, codes = torch.randn(5, 28), torch.randn(8, 4)
    network, sides = LinearFeatures(matrix), [(images(8, 1), codes), (images(8, 2), codes + 1)]
    update = step(network, real=sides[0], fake=sides[1], stack=built({"doubles": Doubles()}, nn.Identity(), network))
    means = [torch.cat([2 * side.flatten(1), partner], 1).mean(0) for side, partner in sides]
    torch.testing.assert_close(FeatureMatching().generator_loss(update),
                               (matrix @ (means[0] - means[1])).square().sum())
    patches = Patches()
    update = step(patches)
    maps = [patches.layers[:3](side).mean(0) for side in (update.real, update.fake)]
    torch.testing.assert_close(FeatureMatching().generator_loss(update), (maps[0] - maps[1]).square().sum())


@pytest.mark.parametrize("replaces", [True, False])
def test_a_game_of_feature_matching_is_the_one_written_by_hand(replaces):
    module = game(tricks={"matching": FeatureMatching(0.7, replaces_adversarial=replaces)}, discriminator=Features())
    generator, discriminator = copy.deepcopy((module.generator, module.discriminator))
    play(module, batches(3))
    for index, (real, labels) in enumerate(batches(3)):
        fake = generator(latents("discriminator", index), labels).detach()
        moved([discriminator], F.softplus(-discriminator(real, labels)).mean()
              + F.softplus(discriminator(fake, labels)).mean())
        fake = generator(latents("generator", index), labels)
        means = [discriminator.layers[:3](side.flatten(1)).mean(0) for side in (real, fake)]
        term = 0.7 * (means[0] - means[1]).square().sum()
        moved([generator], term if replaces else term + F.softplus(-discriminator(fake, labels)).mean())
    same((module.generator, generator), (module.discriminator, discriminator))
    assert ("generator/adversarial" in module.latest) is not replaces
    torch.testing.assert_close(module.latest["generator/matching"], term.detach())


class Scales(nn.Module):
    """G(z, y) = c_y z as images [N, 1, 2, 2], with a class for each c; one c: unconditional"""

    latent_dim = 4

    def __init__(self, *scales: float):
        super().__init__()
        self.scales, self.num_classes = nn.Parameter(torch.tensor(scales)), len(scales) if len(scales) > 1 else 0

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        return (self.scales[labels if self.num_classes else 0 * labels, None] * latents).view(-1, 1, 2, 2)


def of_fakes(generator: nn.Module, count: int, **more):
    """A step whose fakes the generator has made, with labels 0, 1, 2, 0, ..."""
    z = torch.randn(count, generator.latent_dim, generator=torch.Generator().manual_seed(4))
    labels = torch.arange(count) % 3
    return replace(step(nn.Identity(), generator=generator, fake=generator(z, labels), **more), latents=z)


def test_mode_seeking_of_a_scaling_generator_is_the_inverse_of_its_scale():
    for count in (6, 7):  # an odd one is left out
        update = of_fakes(Scales(-0.5), count)
        torch.testing.assert_close(ModeSeeking(3.0, 0.1).generator_loss(update).item(), 3 / 0.6)


def test_a_conditional_generator_makes_both_images_of_one_class():
    """Pairs (0, 1), (2, 3), (4, 5): each image again with its neighbour's latents and its own class"""
    generator = Scales(0.5, 1.0, 3.0)
    update, scales = of_fakes(generator, 6), [0.5, 1.0, 3.0] * 2
    apart = [(update.latents[i] - update.latents[i + 1 - 2 * (i % 2)]).abs().mean().item() for i in range(6)]
    ratio = sum(scale * each for scale, each in zip(scales, apart, strict=True)) / sum(apart)
    loss = ModeSeeking(1.0, 1e-5).generator_loss(update)
    assert loss.item() == pytest.approx(1 / (ratio + 1e-5), rel=1e-5)
    assert (torch.autograd.grad(loss, generator.scales)[0] < 0).all()  # larger scales make it smaller


def test_packs_are_taken_apart_for_what_is_about_latents():
    update, trick = of_fakes(Scales(0.5), 8), Packing(2)
    packed = replace(update, fake=trick.packed(update.fake), latents=trick.packed(update.latents),
                     fake_labels=update.fake_labels[::2])
    torch.testing.assert_close(ModeSeeking().generator_loss(packed), ModeSeeking().generator_loss(update))
    lengths = [joined(PathLength(decay=1.0)) for _ in range(2)]
    torch.testing.assert_close(*(trick.generator_loss(replace(each, random=RandomStreams(0, 0)))
                                 for trick, each in zip(lengths, (packed, update), strict=True)))


def joined(trick: PathLength, **turns) -> PathLength:
    trick.join(SimpleNamespace(turns=Turns(**turns)))
    return trick


class LinearGenerator(nn.Module):
    """G(z) = A z as images [N, 2, 3, 4], of Jacobian A everywhere"""

    latent_dim = 5

    def __init__(self):
        super().__init__()
        self.matrix = nn.Parameter(torch.randn(24, 5, generator=torch.Generator().manual_seed(1)))

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        return (latents @ self.matrix.T).view(-1, 2, 3, 4)


class MappedGenerator(LinearGenerator):
    """w = (z, 2 z) [N, 2, 5]; the image is A times the sum of both"""

    def mapping(self, latents: Tensor, labels: Tensor) -> Tensor:
        return torch.stack([latents, 2 * latents], 1)

    def synthesis(self, styles: Tensor) -> Tensor:
        return (styles.sum(1) @ self.matrix.T).view(-1, 2, 3, 4)


@pytest.mark.parametrize("kind", [LinearGenerator, MappedGenerator])
def test_lengths_of_a_linear_generator_are_those_of_its_matrix(kind):
    """||A'y||, y ~ N(0, 1/12) at 12 pixels. In w both styles have this slope, so their root mean square is it."""
    generator = kind()
    trick = joined(PathLength(weight=3.0, every=1, decay=0.25, shrink=2))
    losses = [trick.generator_loss(of_fakes(generator, 8)) for _ in range(2)]
    y = RandomStreams(0, 0).normal("path_length", (4, 2, 3, 4)).flatten(1) / math.sqrt(12)
    lengths = (y @ generator.matrix).square().sum(1).sqrt()
    mean = 0.0
    for loss in losses:  # with the same draws
        mean = mean + 0.25 * (lengths.mean().item() - mean)
        expected = 3 * (lengths - mean).square().mean()
        torch.testing.assert_close(loss, expected)
    slopes = [torch.autograd.grad(each, generator.matrix, retain_graph=True)[0] for each in (losses[1], expected)]
    torch.testing.assert_close(*slopes)  # the mean is a constant
    assert trick.state_dict()["mean_length"].item() == pytest.approx(mean)


def test_each_layer_of_stylegan2_has_a_slope_of_its_own():
    """sqrt(mean over layers of |J_l^T y|^2), by a Jacobian [pixels, layers, W] of each image"""
    torch.manual_seed(0)
    generator = StyleGAN2Generator(4, 1, 16, style_size=3, mapping_layers=1, most_maps=2)
    update = of_fakes(generator, 3)
    lengths = PathLength().lengths(update, update.latents, update.fake_labels)
    styles = generator.of_layers(generator.mapping(update.latents, update.fake_labels)).detach()
    y = RandomStreams(0, 0).normal("path_length", (3, 1, 16, 16)).flatten(1) / 16
    for image in range(3):
        jacobian = torch.autograd.functional.jacobian(
            lambda each: generator.synthesis(each[None]).flatten(), styles[image])
        slopes = torch.einsum("p,plw->lw", y[image], jacobian)
        torch.testing.assert_close(lengths[image], slopes.square().sum(1).mean().sqrt(), rtol=1e-4, atol=1e-6)


def test_the_mean_square_of_lengths_is_that_of_the_jacobian_per_pixel():
    generator = LinearGenerator()
    update = of_fakes(generator, 4000)
    lengths = PathLength().lengths(update, update.latents, update.fake_labels)
    expected = generator.matrix.square().sum() / 12
    assert lengths.square().mean().item() == pytest.approx(expected.item(), rel=0.05)  # 4 standard errors


@pytest.mark.parametrize("discriminator_steps", [1, 2, 5])
def test_one_of_gs_turns_in_so_many_has_the_term_and_it_is_as_many_times_as_strong(discriminator_steps):
    turns = Turns(discriminator_steps)
    trick = joined(PathLength(every=4), discriminator_steps=discriminator_steps)
    moves = [batch for batch in range(8 * discriminator_steps) if turns.generator_moves(16 * batch, batch + 1)]
    assert [trick.variant(16 * batch, 16) for batch in moves] == 2 * [True, False, False, False]
    once, often = (joined(PathLength(every=every, decay=1.0)).generator_loss(of_fakes(LinearGenerator(), 8))
                   for every in (1, 4))
    torch.testing.assert_close(often, 4 * once)


class Constant(LinearGenerator):
    """G(z) = the same image of any z"""

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        return self.matrix.flatten()[:24].expand(len(latents), -1).view(-1, 2, 3, 4)


@pytest.mark.parametrize("kind", [Constant, LinearGenerator])
def test_a_generator_whose_images_do_not_move_with_its_latents_has_length_0_and_finite_gradients(kind):
    """Whether its code ignores them or its weights are 0, at which a root has an infinite slope."""
    generator = kind()
    generator.matrix.data.zero_()
    loss = joined(PathLength()).generator_loss(of_fakes(generator, 8))
    assert loss.item() == pytest.approx(0, abs=1e-9)
    [slope] = torch.autograd.grad(loss, generator.matrix, allow_unused=True, materialize_grads=True)
    assert slope.isfinite().all()


def test_path_length_trains_in_a_game_and_leaves_running_statistics_alone():
    games = [game(tricks=tricks, generator=copy.deepcopy(generator)) for generator in [TinyGenerator(True)]
             for tricks in ({"path_length": PathLength(every=2)}, {})]
    for module in games:
        play(module, batches(1))
    statistics = [module.generator.layers[1].running_mean for module in games]
    assert torch.equal(*statistics) and games[0].latest["generator/path_length"] > 0
    assert not torch.equal(*(weights(module.generator) for module in games))


@pytest.mark.parametrize(("typed", "words", "instead"), [
    ("trick=[feature_matching] tricks.feature_matching.layer=3 model=lapgan",
     "tricks.feature_matching.layer=3 is no hidden layer of LaplacianDiscriminator (model.discriminator), level 1, "
     "which has: 0 of", {"tricks.feature_matching.layer": -1}),
    ("trick=[feature_matching] tricks.feature_matching.layer=2 model=dcgan_small data.image_size=16",
     "tricks.feature_matching.layer=2 is no hidden layer of DCGANDiscriminator (model.discriminator), which has: 0 of",
     {"tricks.feature_matching.layer": -1}),
    ("trick=[feature_matching] data=dirac model=dirac", "DiracDiscriminator (model.discriminator) does not show its",
     {"trick": []}),
    ("trick=[mode_seeking] model=adversarial_autoencoder", "made of other images (AdversarialAutoencoderModule",
     {"trick": []}),
    ("trick=[path_length] model=pix2pix data=photo_edges", "made of other images (Pix2PixModule", {"trick": []}),
    ("trick=[mode_seeking] model=mlp data.batch_size=1", "compares two fakes", {"data.batch_size": 2}),
    ("trick=[mode_seeking] model=stylegan2_conditional model.generator.style_mixing=0.9", "gives them styles of yet",
     {"model.generator.style_mixing": 0}),
    ("trick=[consistency] model=stylegan2 model.generator.style_mixing=0.9 tricks.consistency.latents_generator=0.5",
     "gives them styles of other latents", {"model.generator.style_mixing": 0}),
    ("trick=[path_length] data.batch_size=4 tricks.path_length.shrink=4", "tricks.path_length.shrink=4 leaves Batch",
     {"tricks.path_length.shrink": 1}),
    ("trick=[weight_clipping,unrolled] model=mlp", "trick=[weight_clipping] cuts its weights off",
     {"trick": ["weight_clipping"]}),
    ("trick=[historical_averaging,unrolled] model=mlp", "adds a term on weights", {"trick": ["historical_averaging"]}),
    ("trick=[unrolled] model=mlp model.turns.scoring=half", "model.turns.scoring=half makes one on each",
     {"model.turns.scoring": "separate"}),
    ("trick=[unrolled] model=infogan data.image_size=28", "here it learns more (InfoGANModule", {"trick": []}),
    ("trick=[unrolled] model=mlp model.turns.order=simultaneous", "against another discriminator",
     {"model.turns.order": "alternating"}),
])
def test_what_a_trick_cannot_meet_is_refused_with_what_to_type(typed, words, instead):
    recipe, _ = read_recipe(settings(*typed.split()))
    found = {problem.reason: problem.instead for problem in recipe_check.problems(recipe)}
    [reason] = [each for each in found if words in each]
    assert found[reason] == instead


def test_what_differentiates_twice_is_not_compiled():
    with pytest.raises(RequestError, match=r"trick=\[path_length\] differentiates networks twice.*compile=false"):
        compile_game(game(tricks={"path_length": PathLength()}))

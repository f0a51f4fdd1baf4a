"""LAPGAN's contests: what is real and made at each level, an update against one written by hand, and refusals."""

import copy

import pytest
import torch
from torch.nn import functional as F

from saddlepoint.commands.recipe_refusals import problems_of
from saddlepoint.game.batches import ImageBatch
from saddlepoint.game.lapgan import LAPGANModule
from saddlepoint.game.latents import Latents
from saddlepoint.game.networks import called_in_training
from saddlepoint.game.optimizers import Optimizers
from saddlepoint.game.precision import compute_in_bfloat16, precision_of
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.turns import Turns
from saddlepoint.losses.adversarial import NonSaturating
from saddlepoint.networks.lapgan import LaplacianDiscriminator, LaplacianGenerator
from saddlepoint.tricks.ema import ExponentialMovingAverage
from saddlepoint.tricks.lecam import LeCam
from saddlepoint.tricks.unrolled import Unrolled
from saddlepoint.tricks.weights import WeightClipping
from tests.composing import settings
from tests.game.playing import moved, play, same, sgd, weights

COARSE, LATENTS = 5, 5 + 8 * 8 + 16 * 16
LABELS = torch.tensor([0, 1, 2, 1])


def game(classes: int = 0, tricks=None, **more) -> LAPGANModule:
    torch.manual_seed(1)
    of_both = {"channels": 1, "image_size": 16, "levels": 3, "coarse_widths": [6], "width": 3, "kernel_size": 3,
               "num_classes": classes}
    return LAPGANModule(
        latents=Latents(LATENTS), num_classes=classes, loss=NonSaturating(), turns=Turns(), seed=5,
        generator=LaplacianGenerator(latent_dim=LATENTS, **of_both).double(),
        discriminator=LaplacianDiscriminator(**of_both, dropout=0.0).double(),
        tricks=tricks or {}, optimizers=Optimizers(sgd, sgd, 1.0), **more)


def batch() -> ImageBatch:
    pixels = torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return ImageBatch(pixels * 2 - 1, LABELS)


@pytest.fixture(autouse=True)
def latents_in_float64(monkeypatch):
    draw = Latents.draw
    monkeypatch.setattr(Latents, "draw", lambda self, random, count: draw(self, random, count).double())


def test_each_level_tells_real_from_made_differences_of_the_same_enlarged_images():
    module, given = game(classes=3), batch()
    small, middle, whole = module.contests(given, 4, RandomStreams(5, 0))
    assert [small.name, middle.name, whole.name] == ["4x4", "8x8", "16x16"]
    pyramid, latents = module.generator.pyramid, module.latents.draw(RandomStreams(5, 0), 4)
    reduced = pyramid.reduce(given.real)
    torch.testing.assert_close(small.real, pyramid.reduce(reduced))
    torch.testing.assert_close(small.fake, module.generator.levels[0](latents[:, :COARSE], small.fake_labels))
    for contest, level, image in ((middle, 1, reduced), (whole, 2, given.real)):
        low = pyramid.expand(pyramid.reduce(image))
        torch.testing.assert_close(contest.real, (image - low, low))
        made = module.generator.levels[level](contest.latents, low, LABELS)
        torch.testing.assert_close(contest.fake, (made, low))
        assert torch.equal(contest.fake_labels, LABELS)  # the class of the image that is enlarged
    assert torch.equal(torch.cat([each.latents for each in (small, middle, whole)], 1), latents)


def test_an_update_of_each_player_is_the_papers_written_out_by_hand():
    """At each level: log D(h, l) + log(1 - D(G(z, l), l)), with G's gradient of -log D."""
    module, replayed, given = game(), game(), batch()
    play(module, [given])
    generator, discriminator = replayed.generator, replayed.discriminator
    (small,), *finer = generator.pyramid.bands(given.real, 3)
    zeros = torch.zeros(4, dtype=torch.long)
    for player in ("discriminator", "generator"):
        latents = replayed.latents.draw(RandomStreams(5, 0, player=player), 4)
        first, *others = latents.split([COARSE, 64, 256], dim=1)
        sides = [((small,), (generator.levels[0](first, zeros),))]
        sides += [(real, (generator.levels[number](noise, real[1], zeros), real[1]))
                  for number, (real, noise) in enumerate(zip(finer, others, strict=True), 1)]
        loss = 0
        for judge, (real, fake) in zip(discriminator.levels, sides, strict=True):
            score = judge(*fake, zeros)
            loss = loss + (F.softplus(-score) if player == "generator" else
                           F.softplus(score) + F.softplus(-judge(*real, zeros))).mean()
        moved([getattr(replayed, player)], loss)
    same((module.generator, generator), (module.discriminator, discriminator))
    assert {"discriminator/4x4.adversarial", "generator/16x16.adversarial", "logits/8x8.real"} <= module.latest.keys()


def test_levels_that_are_not_trained_stay_as_they_are_and_the_others_move_as_ever():
    tricks = {"ema": ExponentialMovingAverage(20, None), "weight_clipping": WeightClipping(0.001)}
    one, every = game(levels=[2], tricks=tricks), game(tricks=copy.deepcopy(tricks))
    before = copy.deepcopy(one)
    play(one, [batch()] * 2)
    play(every, [batch()] * 2)
    for network in ("generator", "discriminator"):
        first, second, third = getattr(one, network).levels
        same((first, getattr(before, network).levels[0]), (third, getattr(before, network).levels[2]),
             (second, getattr(every, network).levels[1]))
        assert not torch.equal(weights(second), weights(getattr(before, network).levels[1]))
    assert not any("4x4" in name or "16x16" in name for name in one.latest)


def test_the_averages_of_all_levels_draw():
    module = game(tricks={"ema": ExponentialMovingAverage(half_life_images=20, rampup=None)})
    play(module, [batch()] * 3)
    drawn = module.sampling_generator(torch.zeros(2, LATENTS, dtype=torch.float64), LABELS[:2])
    assert drawn.shape == (2, 1, 16, 16) and drawn.abs().max() <= 1
    assert not torch.equal(weights(module.sampling_generator), weights(module.generator))


def test_each_levels_discriminator_has_its_own_means_and_the_look_ahead_moves_none():
    plain, ahead = (game(tricks={"lecam": LeCam(decay=0.5), **more}) for more in ({}, {"unrolled": Unrolled(2, "sgd")}))
    for module in (plain, ahead):
        play(module, [batch()])
    means = plain.tricks["lecam"].real_means
    assert len({*means.tolist()}) == 3 and plain.tricks["lecam"].real_updates.tolist() == [1, 1, 1]
    torch.testing.assert_close(ahead.tricks["lecam"].real_means, means, rtol=0, atol=0)


def test_what_wraps_networks_for_training_wraps_the_levels_that_it_calls():
    module = game()
    compute_in_bfloat16(module, {"generator": None, "discriminator": "all"})
    assert precision_of(module.discriminator) is None
    assert all(precision_of(level) for level in module.discriminator.pyramid_levels)
    assert [*called_in_training(module.generator, "generator").values()] == [*module.generator.levels]
    assert called_in_training(module.generator.levels[0], "first") == {"first": module.generator.levels[0]}


@pytest.mark.parametrize(("typed", "message"), [
    ("data=ring", "this model is one of images and the data are points"),
    ("model.discriminator.levels=2", "model.generator.levels=3 and model.discriminator.levels=2 must be equal"),
    ("model.turns.generator_batch_multiple=2", "asks for more fakes than there are small images"),
    ("model.turns.scoring=half", "each fake is made of one of the small images"),
    ("model.latents.size=1000", "model.latents.size=1000 must be more than 1280"),
    ("model.turns.generator_warmup_images=8", "lets the generator learn from content losses alone"),
    ("trick=[packing]", "which LAPGANModule (model.module) cannot"),
    ("trick=[mode_seeking]", "here they are made of other images (LAPGANModule, model.module)"),
    ("trick=[path_length]", "here they are made of other images (LAPGANModule, model.module)"),
    ("model.generator.num_classes=7", "num_classes=7 and data.num_classes=10 must be equal"),
])
def test_what_cannot_be_a_pyramid_of_games_is_refused(typed, message):
    assert any(message in problem.reason for problem in problems_of(settings("model=lapgan", typed)))


def test_levels_that_there_are_not_are_refused():
    with pytest.raises(ValueError, match=r"model.module.levels=\[4\] must be a list of numbers from 1 to 3"):
        game(levels=[4])

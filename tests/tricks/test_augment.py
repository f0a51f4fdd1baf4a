"""The augmentation of what D is shown: both players' steps, penalties, the adaptive probability, and what leaks."""

import re
from types import SimpleNamespace

import pytest
import torch

from saddlepoint.commands.recipe_refusals import problems_of, warnings_of
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.schedule import Linear as LinearSchedule
from saddlepoint.losses.adversarial import Hinge, LeastSquares, Relativistic, RelativisticAverage, Wasserstein
from saddlepoint.tricks.augment import AdaptiveProbability, Augment
from saddlepoint.tricks.augmentation.ada import ADA
from saddlepoint.tricks.gradient_penalty import R1
from tests.composing import settings
from tests.tricks.stand_ins import Linear, Quadratic, built, step, update
from tests.tricks.test_policies import NOTHING, alone

SHOWN = torch.rand(8, 1, 3, 4, generator=torch.Generator().manual_seed(4)) * 2 - 1


def brightness_of(draws: RandomStreams, count: int) -> torch.Tensor:
    """What ADA adds to each image, from its streams: the fifth of the normal numbers"""
    draws.uniform("augment", (count, 1))
    return 0.2 * draws.normal("augment/normal", (count, 12))[:, 4]


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_whatever_is_scored_in_either_players_step_is_augmented_with_numbers_of_its_own(player):
    critic = Quadratic()
    stack = built({"augment": Augment(alone("brightness"))}, torch.nn.Identity(), critic)
    scored = step(critic, stack=stack, real=SHOWN, fake=-SHOWN, draws=RandomStreams(3, 9, player=player))
    again = RandomStreams(3, 9, player=player)
    for shown, labels in ((scored.real, scored.real_labels), (scored.fake, scored.fake_labels)):
        brighter = shown + brightness_of(again, 8).view(-1, 1, 1, 1)
        torch.testing.assert_close(scored.score(shown, labels), critic(brighter, labels))


def test_a_penalty_is_of_the_gradient_with_respect_to_images_before_they_are_augmented():
    """D(c x) = c <w, x> has the gradient c w, with c the contrast of each image."""
    weight = torch.randn(12, generator=torch.Generator().manual_seed(2))
    stack = built({"augment": Augment(alone("contrast"))}, torch.nn.Identity(), Linear(weight))
    scored = step(Linear(weight), stack=stack, real=SHOWN, draws=RandomStreams(0, 5))
    contrast = ADA(**NOTHING | {"contrast": 1.0})(torch.ones(8, 1, 1, 1), 1.0, RandomStreams(0, 5)).flatten()
    expected = 10 / 2 * (contrast.square() * weight.square().sum()).mean()
    torch.testing.assert_close(R1(10.0).discriminator_loss(scored), expected)


def test_with_a_probability_that_has_come_to_0_images_pass_untouched():
    trick = Augment(ADA(), LinearSchedule(start=1, end=0, images=1000))
    assert trick.discriminator_input(SHOWN, step(Quadratic(), images_seen=1000)) is SHOWN
    assert not torch.equal(trick.discriminator_input(SHOWN, step(Quadratic(), images_seen=900)), SHOWN)


# What leaks: a turn by 0 to 3 quarters with probability p maps the shares s of the four orientations of an image to
# M s, M = (1 - p) I + p/4 J, whose inverse exists if p < 1.


def shares_after(start: torch.Tensor, probability: float, count: int) -> torch.Tensor:
    """The shares of orientations after augmentation, counted; `start`: those of the data"""
    picture = torch.arange(4.0).view(1, 1, 2, 2)
    turned = [torch.rot90(picture, turns, (2, 3)) for turns in range(4)]
    data = torch.cat([each.expand(round(share * count), -1, -1, -1)
                      for each, share in zip(turned, start.tolist(), strict=True)])
    shown = alone("quarter_turn")(data, probability, RandomStreams(0, 1))
    return torch.stack([(shown == each).flatten(1).all(1).double().mean() for each in turned])


def mixing(probability: float) -> torch.Tensor:
    return (1 - probability) * torch.eye(4) + probability / 4 * torch.ones(4, 4)


@pytest.mark.parametrize("start", [(1.0, 0.0, 0.0, 0.0), (0.5, 0.0, 0.25, 0.25)])
def test_below_probability_1_the_data_can_be_told_from_what_is_shown(start):
    start, count = torch.tensor(start), 20_000
    found = torch.linalg.solve(mixing(0.8).double(), shares_after(start, 0.8, count))
    assert (found - start).abs().max() < 4 * 5 * (0.25 / count) ** 0.5  # 1 / (1 - p) = 5 times the error of counting
    assert torch.linalg.matrix_rank(mixing(0.8)) == 4


def test_at_probability_1_different_data_are_shown_alike():
    upright, mixed = torch.tensor([1.0, 0, 0, 0]), torch.tensor([0.5, 0, 0.25, 0.25])
    torch.testing.assert_close(mixing(1.0) @ upright, mixing(1.0) @ mixed)
    for start in (upright, mixed):
        assert (shares_after(start, 1.0, 20_000) - 0.25).abs().max() < 4 * (0.1875 / 20_000) ** 0.5


def adaptive(**more) -> Augment:
    return Augment(ADA(), AdaptiveProbability(**{"images": 3200, "start": 0.5} | more))


def play(trick: Augment, logits: torch.Tensor, first: int, updates: int, loss=None) -> list[float]:
    """Updates of D on 8 reals with these logits -> the probability after each"""
    found = []
    for number in range(first, first + updates):
        scored = step(Quadratic(), real=SHOWN, images_seen=8 * number)
        sides = tuple(side._replace(logits=logits if side.name == "real" else -logits) for side in scored.sides)
        trick.discriminator_loss(type(scored)(**vars(scored) | {"sides": sides, "loss": loss or scored.loss}))
        trick.after_discriminator_step(update(images_seen=8 * number))
        found.append(trick.probability(0))
    return found


def test_the_probability_follows_the_sign_of_the_logits_of_reals_every_four_updates():
    """By 4 * 8 / 3200 = 0.01: seven of eight right have the mean sign 0.75, six of eight 0.5."""
    sure, unsure = torch.tensor([9.0] * 7 + [-1.0]), torch.tensor([0.1] * 6 + [-3.0] * 2)
    trick = adaptive()
    assert play(trick, sure, 0, 8) == pytest.approx([0.5] * 3 + [0.51] * 4 + [0.52])
    assert play(trick, unsure, 8, 8) == pytest.approx([0.52] * 3 + [0.51] * 4 + [0.5])
    mixed = play(trick, sure, 16, 2) + play(trick, unsure, 18, 2)  # 0.625 on average
    assert mixed == pytest.approx([0.5] * 3 + [0.51])


def test_it_stays_between_0_and_1_and_is_in_the_checkpoint():
    for start, logits in ((0.995, torch.ones(8)), (0.005, -torch.ones(8))):
        trick = adaptive(start=start)
        assert play(trick, logits, 0, 4)[-1] == round(start)
    play(trick, torch.ones(8), 4, 3)
    again = adaptive()
    again.load_state_dict(trick.state_dict())
    assert play(again, torch.ones(8), 7, 1) == play(trick, torch.ones(8), 7, 1) == pytest.approx([0.01])


def test_the_sign_is_that_of_the_distance_from_the_losss_boundary():
    logits = torch.tensor([0.4] * 8)  # real for a hinge loss, fake for least squares
    assert play(adaptive(), logits, 0, 4, Hinge())[-1] == pytest.approx(0.51)
    assert play(adaptive(), logits, 0, 4, LeastSquares())[-1] == pytest.approx(0.49)
    assert [loss.boundary for loss in (Wasserstein, Relativistic, RelativisticAverage)] == [None] * 3


ADAPTIVE = ("trick=[augment]", "tricks.augment.policy=ada_upright")


@pytest.mark.parametrize(("typed", "reason"), [
    (("loss=relativistic", *ADAPTIVE), "loss=relativistic no logit lies between real and fake.* type a number, e.g. "
     "tricks.augment.probability=0.3"),
    (("loss=wasserstein", "trick=[augment,spectral_norm]", "tricks.augment.policy=ada"), "loss=wasserstein no logit"),
    (("data=ring", "model=points", "trick=[augment]"), "augments images, and the data are points"),
    (("trick=[augment,packing]",), r"trick=\[packing\] shows the discriminator packs"),
    (("trick=[packing,consistency]",), r"trick=\[consistency\] augments single images"),
    (("model=pix2pix", "data=photo_edges", "trick=[augment]"), "model.discriminator is shown .* beside"),
    (("model=lapgan", "trick=[augment]"), "the levels of model.discriminator are shown differences beside"),
    (("model=lapgan", "trick=[consistency]"), "the levels of model.discriminator are shown differences beside"),
    (("loss=ebgan", "model=ebgan", *ADAPTIVE), "loss=ebgan no logit lies between"),
    (("model=bigan", "trick=[augment]"), "model.discriminator is shown .* beside "),
    (("data=stacked_digits", "data.image_size=32", "trick=[augment]", "tricks.augment.policy=ada"), None),
    (("trick=[consistency]", "tricks.consistency.latents_generator=0.5", "model=infogan", "data.image_size=28"),
     "hold codes, which would be none any more"),
    (("trick=[consistency]", "tricks.consistency.latents_generator=0.5", "model=semi_supervised",
      "data=partly_labelled_digits"), None),
    (("trick=[consistency]", "tricks.consistency.latents_generator=0.5", "model.turns.fakes_in_eval=true"),
     "made the others in evaluation mode"),
    (("trick=[top_k]", "loss=relativistic"), "compares each fake with a real image"),
    (("trick=[top_k]", "model.turns.order=simultaneous"), "scores the same fakes for both players"),
    (("loss=hinge", *ADAPTIVE), None),
    (("loss=relativistic", "trick=[augment]", "tricks.augment.policy=r3gan"), None),
    (("model=cyclegan", "data=coloured_digits", "trick=[augment]"), None),
])
def test_what_cannot_be_augmented_is_refused_with_what_to_type(typed, reason):
    problems = [problem.reason for problem in problems_of(settings(*typed))]
    if reason is None:
        assert problems == []
    else:
        assert [problem for problem in problems if re.search(reason, problem)]


def test_images_of_other_channels_have_no_colours_to_change():
    trick = Augment(ADA())
    recipe = SimpleNamespace(
        dimensions=None, tricks={"augment": trick}, trick_list=lambda **given: [],
        discriminators={"discriminator": None},
        module=SimpleNamespace(example_inputs=lambda recipe: {"discriminator": (torch.empty(2, 4, 8, 8), None)}),
        channels=4, loss=Hinge())
    [problem] = trick.problems(recipe)
    assert "data.channels=4: type tricks.augment.policy=diffaugment" in problem.reason
    recipe.tricks["augment"] = Augment(ADA(brightness=0, contrast=0, luma_flip=0, hue=0, saturation=0))
    assert [*recipe.tricks["augment"].problems(recipe)] == []


def test_flips_and_turns_of_characters_are_warned_of_with_what_to_type():
    [warning] = warnings_of(settings("trick=[augment]", "tricks.augment.policy=ada"))
    assert warning.endswith("type tricks.augment.policy.x_flip=0 tricks.augment.policy.quarter_turn=0 "
                            "tricks.augment.policy.rotation=0")
    for quiet in (ADAPTIVE, ("trick=[augment]",), ("data=cifar10", "trick=[augment]", "tricks.augment.policy=ada"),
                  ("data=fashion_mnist", "trick=[augment]", "tricks.augment.policy=ada")):
        assert warnings_of(settings(*quiet)) == []


@pytest.mark.parametrize(("more", "message"), [
    ({"target": 1.5}, "tricks.augment.probability.target=1.5 must be from 0 to 1"),
    ({"images": 0}, "tricks.augment.probability.images=0 must be at least 1"),
    ({"every": 0}, "tricks.augment.probability.every=0 must be at least 1")])
def test_a_setting_out_of_range_is_named(more, message):
    with pytest.raises(ValueError, match=message):
        AdaptiveProbability(**more)

"""The class terms of ACGAN. N images [N, 2, 3, 4] of 3 classes."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from saddlepoint.commands.recipe_refusals import problems_of
from saddlepoint.game.batches import ImageBatch
from saddlepoint.game.schedule import Linear as LinearSchedule
from saddlepoint.game.turns import Turns
from saddlepoint.tricks.auxiliary_classifier import AuxiliaryClassifier
from saddlepoint.tricks.instance_noise import InstanceNoise
from tests.composing import settings
from tests.game.playing import TinyDiscriminator, game, play
from tests.tricks.stand_ins import TRICKS, Patches, Quadratic, built, images, recipe, step


class LinearClassifier(nn.Module):
    """class_logits(x) = W x"""

    def __init__(self, weight: Tensor):
        super().__init__()
        self.weight = nn.Parameter(weight)

    def class_logits(self, images: Tensor, labels: Tensor) -> Tensor:
        return images.flatten(1) @ self.weight.T


def classifier(scale: float = 1.0) -> LinearClassifier:
    return LinearClassifier(scale * torch.randn(3, 24, generator=torch.Generator().manual_seed(0)))


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    return (logits.exp().sum(1).log() - logits[torch.arange(len(labels)), labels]).mean()


@pytest.mark.parametrize(("fakes", "terms"), [(False, 1), (True, 2)])
def test_a_classifier_that_knows_nothing_costs_the_logarithm_of_the_number_of_classes(fakes, terms):
    trick, update = AuxiliaryClassifier(1.0, 0.1, fakes), step(classifier(scale=0))
    assert trick.discriminator_loss(update).item() == pytest.approx(terms * math.log(3))
    assert trick.generator_loss(update).item() == pytest.approx(0.1 * math.log(3))


def test_the_terms_are_the_cross_entropies_of_real_and_of_fake_labels():
    discriminator = classifier()
    update = step(discriminator, fake=images(16, seed=2))
    real, fake = (cross_entropy(shown.flatten(1) @ discriminator.weight.T, labels) for shown, labels in
                  ((update.real, update.real_labels), (update.fake, update.fake_labels)))
    torch.testing.assert_close(AuxiliaryClassifier(2.0, fakes=False).discriminator_loss(update), 2 * real)
    torch.testing.assert_close(AuxiliaryClassifier(2.0, fakes=True).discriminator_loss(update), 2 * (real + fake))
    torch.testing.assert_close(AuxiliaryClassifier(generator_weight=3.0).generator_loss(update), 3 * fake)


def test_the_generator_is_pushed_by_the_classifiers_error_and_the_classifier_by_its_own():
    discriminator, fake = classifier(), images(8, seed=2).requires_grad_()
    update = step(discriminator, fake=fake)
    (gradient,) = torch.autograd.grad(AuxiliaryClassifier(generator_weight=1.0).generator_loss(update), fake)
    wrong = torch.softmax(fake.flatten(1) @ discriminator.weight.T, 1) - torch.eye(3)[update.fake_labels]
    torch.testing.assert_close(gradient.flatten(1), wrong @ discriminator.weight / 8)


def test_an_update_on_half_a_batch_has_the_term_of_what_was_scored():
    discriminator = classifier()
    on_reals, on_fakes = step(discriminator, sides=["real"]), step(discriminator, sides=["fake"])
    for fakes in (False, True):
        trick = AuxiliaryClassifier(fakes=fakes)
        both = trick.discriminator_loss(step(discriminator))
        real, fake = trick.discriminator_loss(on_reals), trick.discriminator_loss(on_fakes)
        assert (fake is not None) is fakes
        torch.testing.assert_close(real + (fake if fakes else 0), both)


def test_the_weights_follow_their_schedules():
    ramp = LinearSchedule(start=1.0, end=0.0, images=100)
    trick = AuxiliaryClassifier(ramp, ramp)
    for images_seen, weight in ((0, 1.0), (25, 0.75), (100, 0.0)):
        update = step(classifier(scale=0), images_seen=images_seen)
        assert trick.discriminator_loss(update).item() == pytest.approx(weight * math.log(3))
        assert trick.generator_loss(update).item() == pytest.approx(weight * math.log(3))


def test_images_are_classified_as_the_discriminator_is_shown_them():
    discriminator, noise = classifier(), InstanceNoise(1.0)
    update = step(discriminator, stack=built({"instance_noise": noise}, nn.Identity(), discriminator))
    same = step(discriminator)
    noisy = same.real + same.random.normal("instance_noise", same.real.shape)
    expected = cross_entropy(noisy.flatten(1) @ discriminator.weight.T, update.real_labels)
    torch.testing.assert_close(AuxiliaryClassifier().discriminator_loss(update), expected)


class TinyClassifier(TinyDiscriminator):
    """As many logits of classes as there are numbers in an image, read off its pixels."""

    num_classes = 4

    def __init__(self):
        super().__init__()
        self.classes = nn.Linear(4, 4)

    def class_logits(self, images: Tensor, labels: Tensor) -> Tensor:
        return self.classes(images.flatten(1))


@pytest.mark.parametrize("scoring", ["separate", "together", "half"])
def test_in_a_game_the_classifier_learns_the_classes_of_reals(scoring):
    labels = torch.arange(8) % 4
    data = [ImageBatch(torch.eye(4).double()[labels].view(8, 1, 2, 2), labels)] * 150
    module = game(Turns(scoring=scoring), tricks={"auxiliary_classifier": AuxiliaryClassifier()},
                  discriminator=TinyClassifier(), num_classes=4)
    play(module, data)
    assert module.latest["discriminator/auxiliary_classifier"] < math.log(4) / 2
    assert "generator/auxiliary_classifier" in module.latest
    predicted = module.discriminator.class_logits(data[0].real, labels).argmax(1)
    assert torch.equal(predicted, labels)


def test_a_discriminator_without_classes_is_refused_with_the_models_that_have_them():
    trick = AuxiliaryClassifier()
    tricks = {"ema": TRICKS["ema"](), "auxiliary_classifier": trick}
    (problem,) = trick.problems(replace(recipe(tricks, discriminator=Quadratic()), num_classes=3))
    assert "trick=[auxiliary_classifier]" in problem.reason and "Quadratic does not" in problem.reason
    assert "model=acgan" in problem.reason and problem.instead == {"trick": ["ema"]}
    assert not list(trick.problems(replace(recipe(tricks, discriminator=Patches()), num_classes=3)))


def test_the_models_that_are_named_are_accepted_and_data_without_classes_is_not():
    for model in ("acgan", "acgan_dcgan"):
        assert not problems_of(settings(f"model={model}", "trick=[auxiliary_classifier]"))
    reasons = [problem.reason for problem in problems_of(settings("trick=auxiliary_classifier", "data.num_classes=0"))]
    assert any("the data has none (data.num_classes=0)" in reason for reason in reasons)
    (problem,) = problems_of(settings("model=acgan", "data.num_classes=0"))
    assert problem.reason.startswith("data.num_classes=0 must be a whole number of at least 1 for a conditional model")


@pytest.mark.parametrize(("make", "named"), [
    (lambda: AuxiliaryClassifier(discriminator_weight=-1), "tricks.auxiliary_classifier.discriminator_weight"),
    (lambda: AuxiliaryClassifier(generator_weight=-0.1), "tricks.auxiliary_classifier.generator_weight"),
])
def test_a_setting_out_of_range_is_named(make, named):
    with pytest.raises(ValueError, match=named):
        make()

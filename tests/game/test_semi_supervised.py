"""Semi-supervised learning: its terms by hand, an update of each player written out, and what it refuses."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saddlepoint.commands.recipe_refusals import problems_of, warnings_of
from saddlepoint.game.batches import PartlyLabelledBatch
from saddlepoint.game.latents import Latents
from saddlepoint.game.optimizers import Optimizers
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.semi_supervised import SemiSupervisedModule, mean_feature_distance
from saddlepoint.game.turns import Turns
from saddlepoint.losses.adversarial import NonSaturating
from tests.composing import settings
from tests.game.playing import LATENTS, TinyGenerator, latents, moved, play, same, sgd

FEW = ("model=semi_supervised", "data=partly_labelled_digits")


class TinyClassifier(nn.Module):
    """Three classes of images of four pixels."""

    def __init__(self):
        super().__init__()
        self.hidden, self.last = nn.Linear(4, 5), nn.Linear(5, 3)

    def features(self, images: Tensor, labels: Tensor) -> list[Tensor]:
        return [F.softplus(self.hidden(images.flatten(1)))]

    def class_logits(self, images: Tensor, labels: Tensor) -> Tensor:
        return self.last(self.features(images, labels)[-1])

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return self.class_logits(images, labels).logsumexp(1)


def game(**weights: float) -> SemiSupervisedModule:
    torch.manual_seed(1)
    return SemiSupervisedModule(latents=Latents(LATENTS), num_classes=3, generator=TinyGenerator().double(),
                                discriminator=TinyClassifier().double(), loss=NonSaturating("mean"), tricks={},
                                optimizers=Optimizers(sgd, sgd, 1.0), turns=Turns(), seed=5,
                                **({"adversarial_weight": 0.0} | weights))


def batch() -> PartlyLabelledBatch:
    source = torch.Generator().manual_seed(3)
    real, labelled = (torch.rand(8, 1, 2, 2, generator=source).double() * 2 - 1 for _ in range(2))
    return PartlyLabelledBatch(real, torch.full((8,), -1), labelled, torch.arange(8) % 3)


def softmax_with_fake(logits: Tensor) -> Tensor:
    """Probabilities [N, 4]: of three classes, and of `fake`, whose logit is 0"""
    return torch.cat([logits, torch.zeros(len(logits), 1).double()], 1).softmax(1)


def papers_losses(module: SemiSupervisedModule, given: PartlyLabelledBatch) -> tuple[Tensor, Tensor]:
    """L_supervised and half of L_unsupervised of section 5, from the probabilities of K + 1 classes"""
    classifier = module.discriminator
    supervised = -classifier.class_logits(given.labelled, None).log_softmax(1)[torch.arange(8), given.classes].mean()
    real = softmax_with_fake(classifier.class_logits(given.real, None))[:, -1]
    fake = module.generator(latents("discriminator", 0), None).detach()
    is_fake = softmax_with_fake(classifier.class_logits(fake, None))[:, -1]
    return supervised, -((1 - real).log().mean() + is_fake.log().mean()) / 2


@pytest.mark.parametrize(("labelled", "unlabelled", "matching"), [(1.0, 1.0, 1.0), (2.0, 0.5, 3.0)])
def test_an_update_of_each_player_is_the_papers_written_out_by_hand(labelled, unlabelled, matching):
    module, replayed, given = (game(labelled_weight=labelled, unlabelled_weight=unlabelled, matching_weight=matching),
                               game(), batch())
    play(module, [given])
    supervised, unsupervised = papers_losses(replayed, given)
    moved([replayed.discriminator], labelled * supervised + unlabelled * unsupervised)
    fake = replayed.generator(latents("generator", 0), None)
    real_mean, fake_mean = (F.softplus(replayed.discriminator.hidden(each.flatten(1))).mean(0)
                            for each in (given.real, fake))
    moved([replayed.generator], matching * ((real_mean - fake_mean) ** 2).sum())
    same((module.generator, replayed.generator), (module.discriminator, replayed.discriminator))
    assert module.latest["discriminator/classes"].item() == pytest.approx(labelled * supervised.item())


def test_a_mixture_of_latents_keeps_the_term_of_its_scales():
    module, given = game(), batch()
    contests = module.contests(given, 8, RandomStreams(5, 0))
    module.latents = Latents(LATENTS, "mixture", components=2, scale=0.2, scale_weight=0.5)
    assert module.generator_terms(given, contests)["latent_scales"].item() == pytest.approx(0.5 * (1 - 0.2) ** 2)


def test_without_the_unlabelled_loss_d_learns_from_the_labels_alone():
    module, replayed, given = game(unlabelled_weight=0.0), game(), batch()
    play(module, [given._replace(real=torch.zeros_like(given.real))])
    moved([replayed.discriminator], papers_losses(replayed, given)[0])
    same((module.discriminator, replayed.discriminator))


def test_unknown_labels_reach_no_term():
    given, module = batch(), game()
    contests = module.contests(given, 8, RandomStreams(5, 0))
    known = given._replace(labels=torch.arange(8) % 3)
    for terms in (module.discriminator_terms, module.generator_terms):
        torch.testing.assert_close(terms(given, contests), terms(known, contests), rtol=0, atol=0)


def test_the_distance_of_mean_features_is_of_the_means_and_ignores_what_images_differ_in():
    real = torch.tensor([[1.0, 2.0], [3.0, -2.0]])
    fake = torch.tensor([[0.0, 0.0], [0.0, 0.0], [3.0, 6.0]])
    assert mean_feature_distance(real, fake).item() == pytest.approx((2 - 1) ** 2 + (0 - 2) ** 2)
    assert mean_feature_distance(real, real.flip(0)).item() == 0


@pytest.mark.parametrize(("overrides", "sentence"), [
    (("model=semi_supervised", "data=mnist5k"), "does not hold labels back: choose data=partly_labelled_digits"),
    (("data=partly_labelled_digits", "model=mlp"), "does not learn from few: choose model=semi_supervised"),
    ((*FEW, "loss=hinge"), "loss=hinge does not take D(x) for the logit of a probability"),
    ((*FEW, "loss=least_squares"), "loss=least_squares does not take"),
    ((*FEW, "trick=[auxiliary_classifier]"), r"trick=[auxiliary_classifier] teaches the discriminator the classes"),
    ((*FEW, "trick=[feature_matching]"), "type its weight as model.module.matching_weight"),
    ((*FEW, "trick=[spectral_norm]"), "has none whose weights are not scaled already"),
    ((*FEW, "model.turns.scoring=half"), "model.turns.scoring=half makes two updates of the discriminator"),
    ((*FEW, "model.discriminator.num_classes=4"), "gives 4 class logits an image and the data has 10 classes")])
def test_what_cannot_train_is_refused_in_a_sentence(overrides, sentence):
    reasons = [problem.reason for problem in problems_of(settings(*overrides))]
    assert any(sentence in reason for reason in reasons), reasons


def test_a_discriminator_that_is_no_classifier_is_refused():
    chosen = settings(*FEW)
    chosen["model"]["discriminator"] = {"_target_": "saddlepoint.networks.mlp.MLPDiscriminator", "channels": 1,
                                        "image_size": 28, "widths": [8]}
    [problem] = problems_of(chosen)
    assert "MLPDiscriminator (model.discriminator) must give class_logits and features" in problem.reason


def test_what_fits_is_neither_refused_nor_warned_of():
    for more in ((), ("loss=minimax",), ("trick=[ema,label_smoothing]",)):
        assert not problems_of(settings(*FEW, *more)) and not warnings_of(settings(*FEW, *more))

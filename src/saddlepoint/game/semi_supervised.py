"""The task of learning classes from few labels and many images: D is a classifier that also tells fakes from reals."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from saddlepoint.config.rules import NonNegative
from saddlepoint.game.batches import ImageBatch, PartlyLabelledBatch
from saddlepoint.game.networks import HasClassLogits, HasFeatures
from saddlepoint.game.precision import exact
from saddlepoint.game.recipe import Problem, Recipe
from saddlepoint.game.step import Contest, DiscriminatorStep, Targets
from saddlepoint.game.synthesis import SynthesisModule
from saddlepoint.parallel.collectives import global_mean

TERM = "feature_matching"  # of G's loss


class SemiSupervisedModule(SynthesisModule):
    """Synthesis in which D learns K classes as well: of the labelled images which class, of all others that they are of
    some class, and of fakes that they are of none.

    Salimans et al. 2016, section 5, https://arxiv.org/abs/1606.03498. D gives logits l of K classes, and its logit is
    log sum_k exp l_k; the logit of the class `fake` is 0. So D's adversarial loss is the paper's loss without labels,
    and the term `classes` is labelled_weight * E[-log softmax(l)_y] over the batch's labelled images. The paper's code
    has half of the former (loss.reduction=mean) and all of the latter. G's term is feature matching (section 3.1) on
    D's last hidden layer, |E f(x) - E f(G(z))|^2; the paper's G has no other (adversarial_weight=0).

    labelled_weight: of the term `classes`, 0 or more
    unlabelled_weight: of D's adversarial loss, 0 or more; 0: D learns from the labels alone
    matching_weight: of the term `feature_matching`, 0 or more
    """

    can_be_packed = False  # classes are those of one image
    teaches_classes = True

    def __init__(self, labelled_weight: NonNegative = 1.0, unlabelled_weight: NonNegative = 1.0,
                 matching_weight: NonNegative = 1.0, **more):
        super().__init__(**more)
        self.labelled_weight, self.unlabelled_weight = labelled_weight, unlabelled_weight
        self.matching_weight = matching_weight

    def discriminator_loss(self, steps: Sequence[DiscriminatorStep], targets: Sequence[Targets]) -> dict[str, Tensor]:
        terms = super().discriminator_loss(steps, targets)
        return terms | {"adversarial": self.unlabelled_weight * terms["adversarial"]}

    def discriminator_terms(self, batch: PartlyLabelledBatch, contests: list[Contest]) -> dict[str, Tensor]:
        logits = exact(contests[0].discriminator.class_logits(batch.labelled, batch.classes))
        return {"classes": self.labelled_weight * F.cross_entropy(logits, batch.classes)}

    def generator_terms(self, batch: PartlyLabelledBatch, contests: list[Contest]) -> dict[str, Tensor]:
        [contest] = contests
        with torch.no_grad():
            real = contest.discriminator.features(contest.real, contest.real_labels)[-1]
        fake = contest.discriminator.features(contest.fake, contest.fake_labels)[-1]
        return super().generator_terms(batch, contests) | {
            TERM: self.matching_weight * mean_feature_distance(exact(real), exact(fake))}

    @classmethod
    def data_problems(cls, yields: type) -> Iterator[Problem]:
        if yields is ImageBatch:
            yield Problem("this model learns from few labels beside many images without, and this data does not hold "
                          "labels back: choose data=partly_labelled_digits")
        elif yields is not PartlyLabelledBatch:
            yield from super().data_problems(yields)

    @classmethod
    def problems(cls, recipe: Recipe) -> Iterator[Problem]:
        yield from [*super().problems(recipe)] or classifier_problems(recipe)


def mean_feature_distance(real: Tensor, fake: Tensor) -> Tensor:
    """Returns |E f(x) - E f(G(z))|^2 [], the squared distance of the mean features of reals [N, ...] and fakes
    [M, ...]: Salimans et al. 2016, section 3.1, https://arxiv.org/abs/1606.03498. Means are over all processes."""
    return (global_mean(real.mean(0)) - global_mean(fake.mean(0))).square().sum()


def classifier_problems(recipe: Recipe) -> Iterator[Problem]:
    """Yields what keeps the discriminator from being a classifier of the data's classes, or the loss from being that of
    a softmax with one class more."""
    discriminator, name = recipe.discriminator, type(recipe.discriminator).__name__
    logits = torch.tensor([-1.0, 2.0], device="cpu")
    probability = recipe.loss.probability(logits)
    if probability is None or not torch.allclose(probability, logits.sigmoid()):
        yield Problem(f"loss={recipe.loss_name} does not take D(x) for the logit of a probability, and here it is that "
                      "of being in some class, from a softmax over the classes and `fake`: type loss=nonsaturating")
    if recipe.provides("class_terms"):
        tricks = [each for each, trick in recipe.tricks.items() if "class_terms" in trick.provides]
        yield Problem(f"trick=[{','.join(tricks)}] teaches the discriminator the classes of all images, and here most "
                      "labels are unknown: leave it out", {"trick": recipe.trick_list(without=tricks)})
    if TERM in recipe.tricks:
        yield Problem(f"trick=[{TERM}] would add the term that this model's generator has already, under the same "
                      "name: leave it out, and type its weight as model.module.matching_weight",
                      {"trick": recipe.trick_list(without=[TERM])})
    if not isinstance(discriminator, HasClassLogits) or not isinstance(discriminator, HasFeatures):
        yield Problem(f"{name} (model.discriminator) must give class_logits and features, from which this model learns "
                      "classes and G learns: use saddlepoint.networks.semi_supervised.MLPClassifierDiscriminator, as "
                      "model=semi_supervised does")
        return
    images, labels = torch.empty(2, *recipe.image_shape, device="meta"), torch.zeros(2, dtype=int, device="meta")
    classes = tuple(discriminator.class_logits(images, labels).shape)
    if classes != (2, recipe.num_classes):
        yield Problem(f"the discriminator gives {classes[-1]} class logits an image and the data has "
                      f"{recipe.num_classes} classes: both must be data.num_classes",
                      {"model.discriminator.num_classes": recipe.num_classes})

"""The task of InfoGAN: synthesis with latents of which one part, the codes, can be read off the images."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from saddlepoint.config.rules import NonNegative
from saddlepoint.game.batches import ImageBatch
from saddlepoint.game.networks import HasCodes
from saddlepoint.game.precision import exact
from saddlepoint.game.recipe import Problem, Recipe
from saddlepoint.game.step import Contest
from saddlepoint.game.structured_latents import StructuredLatents
from saddlepoint.game.synthesis import SynthesisModule, images_alone_problems


class InfoGANModule(SynthesisModule):
    """Synthesis in which the discriminator also guesses the codes c of fakes, and both players want it to be right.

    Chen et al. 2016, equation 6, https://arxiv.org/abs/1606.03657. For each kind of code both losses have a term
    weight * E[-log Q(c | x)] over fakes x = G(z, c). The mutual information of codes and images is at least the entropy
    of c, a constant, minus this expectation. Q is a softmax for a categorical code and a Gaussian of variance 1 for a
    continuous one.

    categorical_weight, continuous_weight: of the codes of each kind, 0 or more; the paper's lambda
    """

    can_be_packed = False  # the codes are those of one image

    def __init__(self, categorical_weight: NonNegative = 1.0, continuous_weight: NonNegative = 1.0, **more):
        super().__init__(**more)
        self.categorical_weight, self.continuous_weight = categorical_weight, continuous_weight

    def generator_terms(self, batch: ImageBatch, contests: list[Contest]) -> dict[str, Tensor]:
        [contest] = contests
        logits, means = self.latents.split(exact(contest.discriminator.codes(contest.fake, contest.fake_labels)))
        categorical, continuous = self.latents.split(self.latents.codes(contest.latents))
        terms = {}
        if categorical:
            terms["categorical_codes"] = self.categorical_weight * sum(map(F.cross_entropy, logits, categorical))
        if self.latents.continuous:
            terms["continuous_codes"] = self.continuous_weight * negative_log_likelihood(means, continuous)
        return terms

    def discriminator_terms(self, batch: ImageBatch, contests: list[Contest]) -> dict[str, Tensor]:
        return self.generator_terms(batch, contests)

    @classmethod
    def data_problems(cls, yields: type) -> Iterator[Problem]:
        yield from super().data_problems(yields)
        yield from images_alone_problems(yields)

    @classmethod
    def problems(cls, recipe: Recipe) -> Iterator[Problem]:
        yield from [*super().problems(recipe)] or code_problems(recipe)


def negative_log_likelihood(means: Tensor, values: Tensor) -> Tensor:
    """Returns E[-log N(value; mean, 1)] [], summed over the codes; means and values are [N, codes]."""
    return ((means - values).square().sum(1).mean() + means.shape[1] * math.log(2 * math.pi)) / 2


def code_problems(recipe: Recipe) -> Iterator[Problem]:
    """Yields what keeps the discriminator from guessing the codes of the latents."""
    latents, discriminator = recipe.latents, recipe.discriminator
    if not isinstance(latents, StructuredLatents):
        yield Problem(f"{type(latents).__name__} (model.latents) has no codes to guess: use "
                      "saddlepoint.game.structured_latents.StructuredLatents, as model=infogan does")
    elif not isinstance(discriminator, HasCodes):
        yield Problem(f"{type(discriminator).__name__} (model.discriminator) guesses no codes, as it has no method "
                      "`codes`: use saddlepoint.networks.infogan.InfoGANDiscriminator, as model=infogan does")
    else:
        images = torch.empty(2, *recipe.image_shape, device="meta")
        num_guesses = discriminator.codes(images, torch.zeros(2, dtype=torch.long, device="meta")).shape[1]
        if num_guesses != latents.code_size:
            yield Problem(f"the discriminator gives {num_guesses} numbers to guess the codes and the latents have "
                          f"{latents.code_size}: model.discriminator.categorical and continuous must be those of "
                          "model.latents", {"model.discriminator.categorical": [*latents.categorical],
                                            "model.discriminator.continuous": latents.continuous})

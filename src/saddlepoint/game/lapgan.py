"""The task of a Laplacian pyramid of GANs: a contest for each level, all played on the same batches.

N images of C channels and H x W pixels; level 1 is the coarsest.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated

from torch import Tensor

from saddlepoint.checks import require
from saddlepoint.config.rules import integer, list_of, optional
from saddlepoint.game.batches import ImageBatch
from saddlepoint.game.networks import HasLevels
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.recipe import Problem, Recipe, discriminator_problems, one_fake_each_problems
from saddlepoint.game.step import Contest
from saddlepoint.game.synthesis import SynthesisModule, generator_problems, images_alone_problems, warmup_problems


class LAPGANModule(SynthesisModule):
    """A GAN for the smallest images, and for each doubling of their sides one that makes the missing difference.

    Denton et al. 2015, section 3, https://arxiv.org/abs/1506.05751. A real image is taken apart into levels. At level 1
    G makes small images of noise. At each other one it is given a real small image, enlarged, and noise, and makes the
    difference to the image of this level; D is shown real or made differences, each with the enlarged image. So no
    level depends on another in training, and all can be trained in one run or each in its own. Contests are named by
    the pixels of a level, e.g. 16x16.

    levels: numbers of those that are trained, from 1; the others keep their first weights. None: all
    """

    can_be_packed = fakes_are_of_latents = False  # behind the first level fakes are made of the batch's images

    def __init__(self, levels: Annotated[Sequence[int] | None, optional(list_of(integer(1)))] = None, **more):
        super().__init__(**more)
        generator, discriminator = self.networks["generator"], self.networks["discriminator"]
        every = [*range(1, len(generator.pyramid_levels) + 1)]
        self.trained = sorted({*levels}) if levels else every
        require({*self.trained} <= {*every}, "model.module.levels", levels, f"a list of numbers from 1 to {every[-1]}, "
                f"the levels of model.generator.levels={every[-1]}, e.g. [1]; null trains all")
        for number in {*every} - {*self.trained}:
            for network in (generator, discriminator):
                network.pyramid_levels[number - 1].requires_grad_(False)

    def contests(self, batch: ImageBatch, count: int, random: RandomStreams) -> list[Contest]:
        generator, discriminator = self.networks["generator"], self.networks["discriminator"]
        labels, noise = self.labels(count, random), generator.noise(self.latents.draw(random, count))
        contests = []
        for index, real in enumerate(generator.pyramid.bands(batch.real, len(generator.pyramid_levels))):
            if index + 1 not in self.trained:
                continue
            makes, low = generator.pyramid_levels[index], real[1:]  # no low-pass image at the first level
            fake_labels = batch.labels if low else labels
            fake = (makes(noise[index], *low, fake_labels), *low)
            contests.append(Contest(size_of_images(real[0]), makes, discriminator.pyramid_levels[index],
                                    real if low else real[0], fake if low else fake[0], batch.labels, fake_labels,
                                    noise[index]))
        return contests

    @classmethod
    def data_problems(cls, yields: type) -> Iterator[Problem]:
        yield from super().data_problems(yields)
        yield from images_alone_problems(yields)

    @classmethod
    def problems(cls, recipe: Recipe) -> Iterator[Problem]:
        yield from warmup_problems(recipe)
        yield from one_fake_each_problems(recipe, "small images")
        yield from ([*level_problems(recipe)] or [*generator_problems(recipe)] or discriminator_problems(recipe))


def size_of_images(images: Tensor) -> str:
    return f"{images.shape[2]}x{images.shape[3]}"


def level_problems(recipe: Recipe) -> Iterator[Problem]:
    """Yields what keeps both networks from being pyramids of the same levels."""
    for name in ("generator", "discriminator"):
        if not isinstance(recipe.networks[name], HasLevels):
            yield Problem(f"{type(recipe.networks[name]).__name__} (model.{name}) has no levels: use "
                          f"saddlepoint.networks.lapgan.Laplacian{name.title()}, as model=lapgan does")
            return
    made, judged = len(recipe.generator.pyramid_levels), len(recipe.discriminator.pyramid_levels)
    if made != judged:
        yield Problem(f"model.generator.levels={made} and model.discriminator.levels={judged} must be equal",
                      {"model.discriminator.levels": made})

"""The task of super-resolution: high-resolution images from low-resolution ones.

N images of C channels and H x W pixels, s the upscaling factor.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from saddlepoint.config.image_sizes import sides_of
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.game.batches import PairedBatch
from saddlepoint.game.loss import ContentLoss
from saddlepoint.game.precision import exact
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.recipe import Problem, Recipe, discriminator_problems, one_fake_each_problems, size_of
from saddlepoint.game.step import Contest


class SuperResolutionModule(AdversarialModule):
    """The game of super-resolution. G reads and writes images in [0, 1], as BasicSR's networks do; D is shown [-1, 1].

    A fake is 2 G(low) - 1. G's loss is the adversarial loss, times `adversarial_weight`, plus the content terms, each
    with its own weight. Content terms compare G(low) with the target in [0, 1], because the papers give their weights
    for this range. D's step and G's step use one fake, which is computed once a batch.
    """

    shares_fakes = True

    def __init__(self, content: Mapping[str, ContentLoss], **more):
        super().__init__(**more)
        self.content = nn.ModuleDict(content)

    def contests(self, batch: PairedBatch, count: int, random: RandomStreams) -> list[Contest]:
        """Returns one contest, with N fakes [N, C, s*H, s*W], one for each low image; `count` is N."""
        fake, no_latents = 2 * exact(self.generator(batch.low)) - 1, batch.low.new_empty(count, 0)
        return [Contest("", self.generator, self.discriminator, batch.real, fake, batch.labels, batch.labels,
                        no_latents)]

    def generator_terms(self, batch: PairedBatch, contests: list[Contest]) -> dict[str, Tensor]:
        high = (contests[0].fake + 1) / 2
        return {name: loss(high, batch.target) for name, loss in self.content.items()
                if loss.counts(self.plan.discriminator)}

    @classmethod
    def data_problems(cls, yields: type) -> Iterator[Problem]:
        if yields is not PairedBatch:
            yield Problem("this model enlarges images and the data has no small ones: choose data=sr_folder, or a "
                          "model that makes images from noise, e.g. model=dcgan")

    @classmethod
    def example_inputs(cls, recipe: Recipe) -> dict[str, tuple[Tensor, ...]]:
        images, labels = torch.empty(2, *recipe.image_shape, device="meta"), torch.zeros(2, dtype=int, device="meta")
        return {"generator": (images[..., ::recipe.scale, ::recipe.scale],), "discriminator": (images, labels)}

    @classmethod
    def problems(cls, recipe: Recipe) -> Iterator[Problem]:
        yield from _turns_problems(recipe)
        yield from [*_size_problems(recipe)] or discriminator_problems(recipe)


def _turns_problems(recipe: Recipe) -> Iterator[Problem]:
    turns = recipe.turns
    yield from one_fake_each_problems(recipe, "low-resolution images")
    if turns.generator_warmup_images and not recipe.content & {"always", "warmup"}:
        yield Problem(f"model.turns.generator_warmup_images={turns.generator_warmup_images} lets the generator learn "
                      "from content losses alone, and none with a weight counts then (model.content.*.during)",
                      {"model.turns.generator_warmup_images": 0})


def _size_problems(recipe: Recipe) -> Iterator[Problem]:
    scale, sides = recipe.scale, sides_of(recipe.image_size)
    if recipe.generator.scale != scale:
        yield Problem(f"model.generator.scale={recipe.generator.scale} and data.scale={scale} must be equal",
                      {"model.generator.scale": scale})
        return
    step = scale * recipe.generator.multiple
    if not sides.is_square:
        yield Problem(f"data.image_size={sides} must be one number: a model that enlarges images learns from square "
                      f"crops, and enlarges images of every shape: type data.image_size={min(sides)}",
                      {"data.image_size": min(sides)})
        return
    if (image_size := sides.height) % step:
        yield Problem(f"data.image_size={image_size} must be a multiple of {step} for an enlargement by {scale}",
                      {"data.image_size": max(image_size // step, 1) * step})
        return
    low = torch.empty(2, recipe.channels, image_size // scale, image_size // scale, device="meta")
    try:
        generated_shape = tuple(recipe.generator(low).shape[1:])
    except RuntimeError as error:
        yield Problem(f"the generator does not take images of {recipe.channels} channels (data.channels): {error}")
        return
    if generated_shape != recipe.image_shape:
        yield Problem(f"the generator makes images of {size_of(generated_shape)} and the data has "
                      f"{size_of(recipe.image_shape)}: model.generator and data.channels, data.scale must agree")

"""The task of super-resolution: high-resolution images from low-resolution ones.

N images of C channels and H x W pixels, s the upscaling factor.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.game.batches import PairedBatch
from saddlepoint.game.loss import ContentLoss
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.recipe import Problem, Recipe, size_of


class SuperResolutionModule(AdversarialModule):
    """The game of super-resolution. G reads and writes images in [0, 1], as BasicSR's networks do; D is shown [-1, 1].

    A fake is 2 G(low) - 1. G's loss is the adversarial loss, times `adversarial_weight`, plus the content terms, each
    with its own weight. Content terms compare G(low) with the target in [0, 1], because the papers give their weights
    for this range. D's step and G's step use one fake, which is computed once a batch.
    """

    def __init__(self, content: Mapping[str, ContentLoss], **more):
        super().__init__(**more)
        self.content = nn.ModuleDict(content)
        self._shared_fake: tuple[PairedBatch, Tensor] | None = None  # a batch and its fake, from D's step for G's

    def generate(self, batch: PairedBatch, count: int, random: RandomStreams) -> tuple[Tensor, Tensor]:
        """Returns N fakes [N, C, s*H, s*W] in [-1, 1], one for each low image, and their labels; `count` is N."""
        if self._shared_fake is not None and self._shared_fake[0] is batch:
            (_, fake), self._shared_fake = self._shared_fake, None
            return fake, batch.labels
        if not torch.is_grad_enabled() and self._generator_follows():
            with torch.enable_grad():
                fake = 2 * self.generator(batch.low) - 1
            self._shared_fake = batch, fake
            return fake.detach(), batch.labels
        return 2 * self.generator(batch.low) - 1, batch.labels

    def _generator_follows(self) -> bool:
        """Returns whether G moves after this step of D on the same fake; with fakes_in_eval D is shown another one."""
        moves = self.turns.generator_moves(self.images_seen, self.discriminator_steps_taken + 1)
        return bool(moves) and not self.turns.fakes_in_eval

    def content_terms(self, batch: PairedBatch, fake: Tensor) -> dict[str, Tensor]:
        high, playing = (fake + 1) / 2, self.turns.discriminator_moves(self.images_seen)
        return {name: loss(high, batch.target) for name, loss in self.content.items() if loss.counts(playing)}

    @classmethod
    def data_problems(cls, scale: int | None) -> Iterator[Problem]:
        if scale is None:
            yield Problem("this model enlarges images and the data has no small ones: choose data=sr_folder, or a "
                          "model that makes images from noise, e.g. model=dcgan")

    @classmethod
    def problems(cls, recipe: Recipe) -> Iterator[Problem]:
        yield from _turns_problems(recipe)
        yield from _size_problems(recipe)


def _turns_problems(recipe: Recipe) -> Iterator[Problem]:
    turns = recipe.turns
    for setting in ("generator_batch_multiple", "fake_batch_multiple"):
        if getattr(turns, setting) != 1:
            yield Problem(f"model.turns.{setting}={getattr(turns, setting)} asks for more fakes than there are "
                          "low-resolution images to make them from", {f"model.turns.{setting}": 1})
    if turns.generator_warmup_images and not recipe.content & {"always", "warmup"}:
        yield Problem(f"model.turns.generator_warmup_images={turns.generator_warmup_images} lets the generator learn "
                      "from content losses alone, and none with a weight counts then (model.content.*.during)",
                      {"model.turns.generator_warmup_images": 0})
    if turns.scoring == "half":
        yield Problem("model.turns.scoring=half shows the discriminator half a batch of reals and a whole one of "
                      "fakes, and here each fake belongs to a real image", {"model.turns.scoring": "separate"})


def _size_problems(recipe: Recipe) -> Iterator[Problem]:
    scale, image_size = recipe.scale, recipe.image_size
    if recipe.generator.scale != scale:
        yield Problem(f"model.generator.scale={recipe.generator.scale} and data.scale={scale} must be equal",
                      {"model.generator.scale": scale})
        return
    step = scale * recipe.generator.multiple
    if image_size % step:
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

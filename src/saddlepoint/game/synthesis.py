"""The task of synthesis: images, points or shapes from noise."""

from collections.abc import Iterator
from typing import Annotated

import torch
from torch import Tensor, nn

from saddlepoint.config.rules import set_by
from saddlepoint.game.adversarial import AdversarialModule, Terms
from saddlepoint.game.batches import ImageBatch, PartlyLabelledBatch, PointBatch, VoxelBatch
from saddlepoint.game.latents import Latents, classes_at
from saddlepoint.game.networks import mixes_styles, networks_of
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.recipe import Problem, Recipe, discriminator_problems, in_words
from saddlepoint.game.step import Contest

INSTEAD = {PointBatch: ("points", "points"), VoxelBatch: ("voxels", "gan3d")}  # of images: what data are, their model
FITTING = {  # what to type for data of so many axes
    1: "type a model of points, e.g. model=points, or data of images, e.g. data=mnist5k",
    3: "type a model of images, e.g. model=dcgan, or data of points, e.g. data=ring",
    4: "type a model of voxels, e.g. model=gan3d, or data of images, e.g. data=mnist5k",
}


class SynthesisModule(AdversarialModule):
    """The game with fakes G(z, y): z is drawn from `latents`, y from the classes of the data in their proportions.

    A learned mixture of latents is one of the networks of G's player, called `latents`: its optimizer trains it, and
    averages of weights have it. `num_classes` is that of the data, 0 where it has none. `game` are the settings of
    AdversarialModule.
    """

    can_be_packed = True

    def __init__(self, latents: Latents, num_classes: Annotated[int, set_by("data.num_classes")] = 0, **more):
        if latents.mixture is not None:
            more["generator"] = nn.ModuleDict(
                {**networks_of(more["generator"], "generator"), "latents": latents.mixture})
        super().__init__(**more)
        self.latents = latents
        self.draws_labels = any(getattr(network, "num_classes", 0)
                                for network in (self.networks["generator"], self.discriminator))
        uniform = torch.linspace(0, 1, num_classes + 1)[1:] if num_classes else torch.ones(1)
        self.register_buffer("class_distribution", uniform)  # [K] cumulative

    @property
    def sampling_latents(self) -> Latents:
        """The latents of the generator that draws for grids, metrics and files."""
        return self.latents if self.latents.mixture is None else self.latents.of_mixture(
            self.sampling_networks["latents"])

    def follow_classes(self, counts: Tensor) -> None:
        """Draws the labels of fakes in proportion to `counts` [K], the number of images of each class, from now on."""
        self.class_distribution.copy_(counts.double().cumsum(0) / counts.sum())

    def labels(self, count: int, random: RandomStreams) -> Tensor:
        """Returns class ids [count]; all are 0 where the data has no classes or both networks ignore them."""
        if not self.draws_labels:
            return torch.zeros(count, dtype=torch.long, device=self.device)
        return classes_at(self.class_distribution, random.uniform("labels", (count,)))

    def contests(self, batch: ImageBatch, count: int, random: RandomStreams) -> list[Contest]:
        labels, generator = self.labels(count, random), self.networks["generator"]
        latents = self.latents.draw(random, count)
        return [Contest("", generator, self.networks["discriminator"], batch.real, generator(latents, labels),
                        batch.labels, labels, latents)]

    def generator_terms(self, batch: ImageBatch, contests: list[Contest]) -> Terms:
        if self.latents.mixture is None or not self.latents.scale_weight:
            return {}
        return {"latent_scales": self.latents.scale_weight * self.latents.mixture.scale_penalty()}

    @classmethod
    def data_problems(cls, yields: type) -> Iterator[Problem]:
        if yields is PartlyLabelledBatch:
            yield Problem("the data hides most labels from training, and this model does not learn from few: choose "
                          "model=semi_supervised, or a set with all labels, e.g. data=mnist5k")
        elif yields not in (ImageBatch, PointBatch, VoxelBatch):
            yield Problem("this model makes images from noise and the data is pairs of images: choose data="
                          "image_folder, or a model that enlarges or translates, e.g. model=srgan or model=pix2pix")

    @classmethod
    def example_inputs(cls, recipe: Recipe) -> dict[str, tuple[Tensor, ...]]:
        labels = torch.zeros(2, dtype=torch.long, device="meta")
        return {"generator": (torch.empty(2, recipe.latents.size, device="meta"), labels),
                "discriminator": (torch.empty(2, *recipe.shown_shape, device="meta"), labels)}

    @classmethod
    def problems(cls, recipe: Recipe) -> Iterator[Problem]:
        yield from warmup_problems(recipe)
        yield from [*generator_problems(recipe)] or discriminator_problems(recipe)


def images_alone_problems(yields: type) -> Iterator[Problem]:
    """Yields the problem of a task that plays with images alone, where the data are points or voxels."""
    if yields in INSTEAD:
        things, model = INSTEAD[yields]
        yield Problem(f"this model is one of images and the data are {things}: choose a model of {things}, e.g. model="
                      f"{model}, or data of images, e.g. data=mnist5k")


def warmup_problems(recipe: Recipe) -> Iterator[Problem]:
    """Yields the problem of a generator that has no term but the adversarial one, and is to warm up on others."""
    if recipe.turns.generator_warmup_images:
        yield Problem(f"model.turns.generator_warmup_images={recipe.turns.generator_warmup_images} lets the "
                      "generator learn from content losses alone, and one that starts from noise has none",
                      {"model.turns.generator_warmup_images": 0})


def generator_problems(recipe: Recipe) -> Iterator[Problem]:
    """Yields what keeps the generator from making images, or points, of the data's shape from the recipe's latents."""
    if not hasattr(recipe.generator, "latent_dim"):
        yield Problem(f"{type(recipe.generator).__name__} (model.generator) has no attribute latent_dim, the "
                      "number of its latents: add self.latent_dim = latent_dim to its constructor")
        return
    if recipe.generator.latent_dim != recipe.latents.size:
        yield Problem(f"model.generator.latent_dim={recipe.generator.latent_dim} must equal model.latents.size="
                      f"{recipe.latents.size}", {"model.generator.latent_dim": recipe.latents.size})
        return
    latents, labels = torch.empty(2, recipe.latents.size, device="meta"), torch.zeros(2, dtype=int, device="meta")
    try:
        generated_shape = tuple(recipe.generator(latents, labels).shape[1:])
    except (RuntimeError, TypeError) as error:
        yield Problem(f"the generator does not fit {recipe.data_words}: {error}")
        return
    if len(generated_shape) != len(recipe.sample_shape):
        yield Problem(f"the generator makes {in_words(generated_shape)} and the data has "
                      f"{in_words(recipe.sample_shape)}: {FITTING[len(recipe.sample_shape)]}")
    elif generated_shape != recipe.sample_shape:
        yield Problem(f"the generator makes {in_words(generated_shape)} and the data has "
                      f"{in_words(recipe.sample_shape).rpartition(' of ')[2]}: model.generator and "
                      f"{recipe.shape_settings} must agree")
    elif mixes_styles(recipe.generator) and recipe.latents.distribution != "normal":
        yield Problem(f"model.generator.style_mixing={recipe.generator.style_mixing:g} mixes in styles of latents of "
                      f"N(0, I), and model.latents.distribution={recipe.latents.distribution} has others: take normal "
                      "ones, or mix no styles",
                      {"model.generator.style_mixing": 0})

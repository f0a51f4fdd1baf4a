"""The tasks of translation: images of a target domain from images of a source domain, with pairs and without.

N images of C channels (the target) or K channels (the source), H x W pixels, float32 in [-1, 1].
"""

from collections.abc import Hashable, Iterator

import torch
from torch import Tensor, nn

from saddlepoint.config.rules import NonNegative, WholeNumber
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.game.batches import TranslationBatch, UnpairedBatch
from saddlepoint.game.image_pool import ImagePool
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.recipe import Problem, Recipe, discriminator_problems, one_fake_each_problems, size_of
from saddlepoint.game.step import Contest


class TranslationModule(AdversarialModule):
    """A game in which fakes are translations G(source), one for each source image. Both players use the same ones."""

    shares_fakes = True

    @classmethod
    def data_problems(cls, yields: type) -> Iterator[Problem]:
        if not issubclass(yields, TranslationBatch):
            yield Problem("this model translates images of one kind into another, and the data has one kind only: "
                          "choose data with a source and a target, e.g. data=photo_edges or data=paired_folders, or a "
                          "model that makes images from noise, e.g. model=dcgan")

    @classmethod
    def example_inputs(cls, recipe: Recipe) -> dict[str, tuple[Tensor, ...]]:
        source, target, labels = _examples(recipe)
        return {"generator": (source, labels), "discriminator": (target, labels)}

    @classmethod
    def problems(cls, recipe: Recipe) -> Iterator[Problem]:
        yield from one_fake_each_problems(recipe, "source images")
        source, target, _ = _examples(recipe)
        unfit = [*_generator_problems(recipe, "generator", source, target)]
        if "inverse_generator" in recipe.networks:
            unfit += _generator_problems(recipe, "inverse_generator", target, source)
        yield from unfit or (
            problem for name, inputs in cls.example_inputs(recipe).items() if name.endswith("discriminator")
            for problem in discriminator_problems(recipe, *(tuple(part.shape[1:]) for part in inputs[:-1]), name=name))


class Pix2PixModule(TranslationModule):
    """The game of pix2pix: G translates the source, and D is shown each image together with its source.

    G's loss, of a source x and its target y: adversarial + l1_weight * E|y - G(x)|.

    Isola et al. 2017, eq. 1 to 4, https://arxiv.org/abs/1611.07004. There is no noise but dropout (section 3.2).
    """

    def __init__(self, l1_weight: NonNegative = 100.0, **more):
        super().__init__(**more)
        _refuse_empty_warmup(self, l1_weight, "model.module.l1_weight=0")
        self.l1_weight = l1_weight

    def contests(self, batch: TranslationBatch, count: int, random: RandomStreams) -> list[Contest]:
        """Returns one contest, whose sides are pairs (target, source); `count` is N."""
        fake = self.networks["generator"](batch.source, batch.labels)
        return [Contest("", self.networks["generator"], self.networks["discriminator"], (batch.real, batch.source),
                        (fake, batch.source), batch.labels, batch.labels, batch.source.new_empty(count, 0))]

    def generator_terms(self, batch: TranslationBatch, contests: list[Contest]) -> dict[str, Tensor]:
        if not self.l1_weight:
            return {}
        return {"l1": self.l1_weight * (contests[0].fake[0] - batch.real).abs().mean()}

    @classmethod
    def data_problems(cls, yields: type) -> Iterator[Problem]:
        if issubclass(yields, UnpairedBatch):
            yield Problem("this model learns from pairs of a source and its target, and the data has none: choose "
                          "data=paired_folders or data=paired_halves, or model=cyclegan, which needs no pairs")
        yield from super().data_problems(yields)

    @classmethod
    def example_inputs(cls, recipe: Recipe) -> dict[str, tuple[Tensor, ...]]:
        source, target, labels = _examples(recipe)
        return {"generator": (source, labels), "discriminator": (target, source, labels)}


class CycleGANModule(TranslationModule):
    """The game of CycleGAN: G translates the source into the target and F (inverse_generator) back, each against a
    discriminator of its own; source and target need not show the same scenes.

    G's loss, of a source x and a target y: both adversarial terms + cycle_weight * (E|F(G(x)) - x| + E|G(F(y)) - y|)
    + identity_weight * cycle_weight * (E|G(y) - y| + E|F(x) - x|).

    Zhu et al. 2017, eq. 1 to 4 and section 5.2, https://arxiv.org/abs/1703.10593

    identity_weight: relative to cycle_weight; 0 where source and target differ in channels
    pool_size: fakes of each generator that are kept to be shown to its discriminator again; 0: none
    """

    further_networks = {"inverse_generator": "generator", "inverse_discriminator": "discriminator"}

    def __init__(self, cycle_weight: NonNegative = 10.0, identity_weight: NonNegative = 0.5,
                 pool_size: WholeNumber = 50, **more):
        super().__init__(**more)
        _refuse_empty_warmup(self, cycle_weight, "model.module.cycle_weight=0")
        if identity_weight and not _same_channels(self.networks["generator"]):
            raise ValueError(f"model.module.identity_weight={identity_weight:g} compares a translation with its own "
                             "source, and source and target differ in channels: type model.module.identity_weight=0")
        self.cycle_weight, self.identity_weight = cycle_weight, identity_weight
        self.pools = nn.ModuleDict({"target": ImagePool(pool_size), "source": ImagePool(pool_size)})

    def contests(self, batch: TranslationBatch, count: int, random: RandomStreams) -> list[Contest]:
        """Returns the contest about the target domain and that about the source domain; `count` is N."""
        there, back, labels = self.networks["generator"], self.networks["inverse_generator"], batch.labels
        no_latents = batch.source.new_empty(count, 0)
        return [Contest("target", there, self.networks["discriminator"], batch.real, there(batch.source, labels),
                        labels, labels, no_latents),
                Contest("source", back, self.networks["inverse_discriminator"], batch.source, back(batch.real, labels),
                        labels, labels, no_latents)]

    def variant(self) -> Hashable:
        return tuple(len(pool.images) for pool in self.pools.values())  # until they are full

    def for_discriminator(self, contests: list[Contest], random: RandomStreams) -> list[Contest]:
        return [each._replace(fake=self.pools[each.name].exchange(each.fake, random)) for each in contests]

    def generator_terms(self, batch: TranslationBatch, contests: list[Contest]) -> dict[str, Tensor]:
        there, back = self.networks["generator"], self.networks["inverse_generator"]
        in_target, in_source = (contest.fake for contest in contests)
        terms = {}
        if self.cycle_weight:
            terms["cycle"] = self.cycle_weight * (mean_distance(back(in_target, batch.labels), batch.source)
                                                  + mean_distance(there(in_source, batch.labels), batch.real))
        if self.cycle_weight and self.identity_weight:
            terms["identity"] = self.identity_weight * self.cycle_weight * (
                mean_distance(there(batch.real, batch.labels), batch.real)
                + mean_distance(back(batch.source, batch.labels), batch.source))
        return terms

    @classmethod
    def example_inputs(cls, recipe: Recipe) -> dict[str, tuple[Tensor, ...]]:
        source, target, labels = _examples(recipe)
        return {"generator": (source, labels), "discriminator": (target, labels),
                "inverse_generator": (target, labels), "inverse_discriminator": (source, labels)}


def mean_distance(images: Tensor, others: Tensor) -> Tensor:
    """Returns the mean absolute difference [] of images [N, C, H, W]."""
    return (images - others).abs().mean()


def _same_channels(generator: nn.Module) -> bool:
    return getattr(generator, "channels", None) == getattr(generator, "source_channels", None)


def _refuse_empty_warmup(module: AdversarialModule, weight: float, typed: str) -> None:
    images = module.turns.generator_warmup_images
    if images and not weight:
        raise ValueError(f"model.turns.generator_warmup_images={images} lets the generator learn without the "
                         f"discriminator, and with {typed} nothing else counts: type "
                         "model.turns.generator_warmup_images=0")


def _examples(recipe: Recipe) -> tuple[Tensor, Tensor, Tensor]:
    """Returns two sources, targets and labels on the meta device."""
    shape = (recipe.source_channels or recipe.channels, *recipe.image_shape[1:])
    source = torch.empty(2, *shape, device="meta")
    target, labels = torch.empty(2, *recipe.image_shape, device="meta"), torch.zeros(2, dtype=int, device="meta")
    return source, target, labels


def _generator_problems(recipe: Recipe, name: str, source: Tensor, target: Tensor) -> Iterator[Problem]:
    """Yields what keeps model.<name> from translating `source` [2, K, H, W] into images of the shape of `target`."""
    words, expected = name.replace("_", " "), tuple(target.shape[1:])
    try:
        generated = tuple(recipe.networks[name](source, torch.zeros(2, dtype=torch.long, device="meta")).shape[1:])
    except (RuntimeError, TypeError, ValueError) as error:
        yield Problem(f"the {words} does not take images of {size_of(tuple(source.shape[1:]))} (data.source_channels, "
                      f"data.channels, data.image_size): {error}")
        return
    if generated != expected:
        yield Problem(f"the {words} makes images of {size_of(generated)}, and {size_of(expected)} are needed: "
                      f"model.{name} and data.channels, data.source_channels, data.image_size must agree")

"""Packing: D judges several images at once."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from torch import Tensor

from saddlepoint.config.rules import integer
from saddlepoint.errors import RequestError
from saddlepoint.game.recipe import Problem, Recipe
from saddlepoint.game.step import Contest
from saddlepoint.game.task import Task
from saddlepoint.game.trick import Trick

MULTIPLIED = ("channels", "dimensions")  # the setting of a discriminator that says how much of an image it reads


class Packing(Trick):
    """Shows D m images as one pack, all real or all fake, so that it sees how different they are.

    The images of a pack are side by side in the channels, [N, C, H, W] -> [N/m, mC, H, W], or in the coordinates of
    points, [N, D] -> [N/m, mD]. Pack i has the images im to im + m - 1 of its side. D is built for so many channels or
    coordinates. A generator that leaves out modes makes packs that are less diverse than real ones, which a D of single
    images cannot see. Lin et al. 2018 (PacGAN), sections 2 and 3, https://arxiv.org/abs/1712.04086.

    What acts on D's input or output acts on packs. A penalty's squared norm is that of the gradient of a whole pack,
    i.e. the sum over its m images. Targets are softened and flipped by the pack. Each image of a pack has noise of its
    own. D must be unconditional.

    images: m, 2 or more. data.batch_size counts images, and so do budgets and schedules: mB images make B packs
    """

    def __init__(self, images: Annotated[int, integer(2)] = 2):
        super().__init__()
        if images < 2:
            raise ValueError(f"tricks.packing.images={images} must be at least 2 images that are judged as one")
        self.images_of_a_pack = images

    def problems(self, recipe: Recipe) -> Iterable[Problem]:
        typed, images = f"trick=[{self.name_in(recipe)}]", self.images_of_a_pack
        without = {"trick": recipe.trick_list(without=[self.name_in(recipe)])}
        for name, network in recipe.discriminators.items():
            if getattr(network, "num_classes", 0):
                yield Problem(f"{typed} shows the discriminator {images} images at once, and model.{name} is "
                              "conditional: images of a pack have classes of their own. Choose an unconditional model, "
                              "e.g. model=dcgan, or leave the trick out", without)
        if recipe.provides("class_terms"):
            yield Problem(f"{typed} shows the discriminator {images} images at once, and another trick lets it tell "
                          "the class of each: leave out one of the two", without)
        if (reals := recipe.turns.real_images(recipe.batch_size)) % images:
            yield Problem(f"tricks.packing.images={images} does not divide the {reals} real images that "
                          f"data.batch_size={recipe.batch_size} gives an update",
                          {"data.batch_size": next_batch_size(recipe, images)})

    def discriminator_settings(self, given: Mapping[str, Any], where: str, game: type[Task]) -> Mapping[str, Any]:
        typed = f"trick=[packing] shows {where} {self.images_of_a_pack} images at once"
        if not game.can_be_packed:
            raise RequestError(f"{typed}, and {game.__name__} (model.module) shows it other things than images that "
                               "were made from noise: choose a model that does, e.g. model=dcgan, or leave packing out "
                               "of trick=")
        setting = next((setting for setting in MULTIPLIED if isinstance(given.get(setting), int)), None)
        if setting is None:
            raise RequestError(f"{typed}, and {given.get('_target_')} has no setting `channels`, the number that it "
                               "reads of each pixel, nor `dimensions`, the coordinates of a point: add an argument of "
                               "this name to its constructor and to the yaml file, e.g. channels: ${data.channels}, or "
                               "leave packing out of trick=")
        return {**given, setting: self.images_of_a_pack * given[setting]}

    def contest(self, contest: Contest) -> Contest:
        each = self.images_of_a_pack
        return contest._replace(
            real=self.packed(contest.real), fake=self.packed(contest.fake), latents=self.packed(contest.latents),
            real_labels=contest.real_labels[::each], fake_labels=contest.fake_labels[::each])

    def packed(self, rows: Tensor) -> Tensor:
        """[N, C, ...] -> [N/m, mC, ...], m rows that follow each other side by side"""
        each = self.images_of_a_pack
        return rows.reshape(len(rows) // each, each * rows.shape[1], *rows.shape[2:])


def next_batch_size(recipe: Recipe, images: int) -> int:
    """Returns the next larger batch size whose reals make whole packs of so many images."""
    size = recipe.batch_size
    while recipe.turns.real_images(size) % images or (recipe.turns.scoring == "half" and size % 2):
        size += 1
    return size

"""A game of three networks: a generator against two discriminators. N images of C channels and S x S pixels."""

from torch import Tensor, zeros
from torch.nn.functional import avg_pool2d

from saddlepoint.game.recipe import discriminator_problems
from saddlepoint.game.synthesis import SynthesisModule


class TwoScales(SynthesisModule):
    """G's images are judged at full size by one discriminator, and at half of it by another.

    Wang et al. 2018, section 3.2, https://arxiv.org/abs/1711.11585. Losses, tricks and turns act in both contests.
    """

    further_networks = {"coarse_discriminator": "discriminator"}  # model.coarse_discriminator, trained with D

    def contests(self, batch, count, random):
        [fine] = super().contests(batch, count, random)
        coarse = fine._replace(name="coarse", discriminator=self.networks["coarse_discriminator"],
                               real=halved(fine.real), fake=halved(fine.fake))
        return [fine._replace(name="fine"), coarse]

    @classmethod
    def problems(cls, recipe):
        yield from super().problems(recipe)
        yield from discriminator_problems(recipe, cls.coarse_shape(recipe), name="coarse_discriminator")

    @classmethod
    def example_inputs(cls, recipe):
        images = zeros(2, *cls.coarse_shape(recipe), device="meta")
        labels = zeros(2, dtype=int, device="meta")
        return super().example_inputs(recipe) | {"coarse_discriminator": (images, labels)}

    @staticmethod
    def coarse_shape(recipe) -> tuple[int, int, int]:
        return recipe.channels, recipe.image_size // 2, recipe.image_size // 2


def halved(images: Tensor) -> Tensor:
    """images [N, C, S, S] -> [N, C, S / 2, S / 2]"""
    return avg_pool2d(images, 2)

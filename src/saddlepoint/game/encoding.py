"""Tasks with an encoder, which maps images to latents: BiGAN or ALI, and the adversarial autoencoder.

N images of C channels and H x W pixels, M fakes, L numbers in the latents of an image.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from saddlepoint.config.rules import NonNegative, one_of
from saddlepoint.game.adversarial import Terms
from saddlepoint.game.batches import ImageBatch
from saddlepoint.game.latents import MIXTURE
from saddlepoint.game.networks import Encoder
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.recipe import Problem, Recipe, discriminator_problems, one_fake_each_problems, size_of
from saddlepoint.game.step import Contest
from saddlepoint.game.synthesis import SynthesisModule, generator_problems, images_alone_problems, warmup_problems

NORMS = {"l1": F.l1_loss, "l2": F.mse_loss}


def encode(encoder: Encoder, images: Tensor, labels: Tensor, random: RandomStreams) -> Tensor:
    """images [N, C, H, W], labels [N] -> latents [N, L], drawn from the encoder's Gaussians if it is stochastic"""
    mean, standard_deviation = encoder.distribution(images, labels)
    if standard_deviation is None:
        return mean
    return mean + standard_deviation * random.normal("encoder", tuple(mean.shape))


class EncodingModule(SynthesisModule):
    """Synthesis with an encoder, model.encoder, which the generator's optimizer trains."""

    further_networks: ClassVar[Mapping[str, str]] = {"encoder": "generator"}
    can_be_packed = False  # D is shown latents

    @classmethod
    def data_problems(cls, yields: type) -> Iterator[Problem]:
        yield from super().data_problems(yields)
        yield from images_alone_problems(yields)

    @classmethod
    def shown_shapes(cls, recipe: Recipe) -> list[tuple[int, ...]]:
        """Returns the shapes of the parts of a side that D is shown, without the batch."""
        raise TypeError(f"{cls.__name__} does not say what its discriminator is shown")

    @classmethod
    def example_inputs(cls, recipe: Recipe) -> dict[str, tuple[Tensor, ...]]:
        images, labels = torch.empty(2, *recipe.image_shape, device="meta"), torch.zeros(2, dtype=int, device="meta")
        shown = (torch.empty(2, *shape, device="meta") for shape in cls.shown_shapes(recipe))
        return {"generator": (torch.empty(2, recipe.latents.size, device="meta"), labels), "encoder": (images, labels),
                "discriminator": (*shown, labels)}

    @classmethod
    def problems(cls, recipe: Recipe) -> Iterator[Problem]:
        yield from ([*generator_problems(recipe), *encoder_problems(recipe)]
                    or discriminator_problems(recipe, *cls.shown_shapes(recipe)))


class BiGANModule(EncodingModule):
    """D tells pairs (x, E(x)) from pairs (G(z), z); G and E make them alike, and so E inverts G.

    Donahue et al. 2017, https://arxiv.org/abs/1605.09782, with a deterministic encoder; Dumoulin et al. 2017 (ALI),
    https://arxiv.org/abs/1606.00704, with a stochastic one. That E and G agree for each single image does not follow
    from the game alone. ALICE (Li et al. 2017, section 3.2, https://arxiv.org/abs/1709.01215) adds to the loss of both
    the term `reconstruction`, weight * E ||x - G(E(x))||, of the code that D is shown, mean over pixels from -1 to 1.

    reconstruction_weight: of that term, 0 or more; 0: BiGAN, ALI
    reconstruction_norm: l1, the absolute error, or l2, the squared error
    """

    def __init__(self, reconstruction_weight: NonNegative = 0.0,
                 reconstruction_norm: Annotated[str, one_of(*NORMS)] = "l2", **more):
        super().__init__(**more)
        if reconstruction_norm not in NORMS:
            raise ValueError(f"model.module.reconstruction_norm={reconstruction_norm} must be one of "
                             f"{', '.join(NORMS)}")
        self.reconstruction_weight, self.error = reconstruction_weight, NORMS[reconstruction_norm]

    def contests(self, batch: ImageBatch, count: int, random: RandomStreams) -> list[Contest]:
        generator, encoder = self.networks["generator"], self.networks["encoder"]
        labels, latents = self.labels(count, random), self.latents.draw(random, count)
        return [Contest("", generator, self.networks["discriminator"],
                        real=(batch.real, encode(encoder, batch.real, batch.labels, random)),
                        fake=(generator(latents, labels), latents),
                        real_labels=batch.labels, fake_labels=labels, latents=latents, reals_are_made=True)]

    def generator_terms(self, batch: ImageBatch, contests: list[Contest]) -> Terms:
        terms = super().generator_terms(batch, contests)
        if not self.reconstruction_weight:
            return terms
        images, codes = contests[0].real
        error = self.error(self.networks["generator"](codes, batch.labels), images)
        return terms | {"reconstruction": self.reconstruction_weight * error}

    @classmethod
    def shown_shapes(cls, recipe: Recipe) -> list[tuple[int, ...]]:
        return [recipe.image_shape, (recipe.latents.size,)]

    @classmethod
    def problems(cls, recipe: Recipe) -> Iterator[Problem]:
        yield from warmup_problems(recipe)
        yield from super().problems(recipe)


class AdversarialAutoencoderModule(EncodingModule):
    """D tells codes E(x) from latents of the prior; E and the decoder G reconstruct x, and G(z) samples.

    Makhzani et al. 2015, https://arxiv.org/abs/1511.05644. The generator's loss is the adversarial loss of the encoder,
    times `adversarial_weight`, plus the term `reconstruction`, the mean squared error of G(E(x)), pixels from -1 to 1.

    reconstruction_weight: of that term, 0 or more
    """

    shares_fakes = True  # codes of the batch's images: a second pass through the encoder would give the same

    def __init__(self, reconstruction_weight: NonNegative = 1.0, **more):
        super().__init__(**more)
        self.reconstruction_weight = reconstruction_weight

    def contests(self, batch: ImageBatch, count: int, random: RandomStreams) -> list[Contest]:
        encoder, labels = self.networks["encoder"], self.labels(count, random)
        return [Contest("", encoder, self.networks["discriminator"], real=self.latents.draw(random, count),
                        fake=encode(encoder, batch.real, batch.labels, random), real_labels=labels,
                        fake_labels=batch.labels, latents=batch.real.new_empty(count, 0))]

    def generator_terms(self, batch: ImageBatch, contests: list[Contest]) -> dict[str, Tensor]:
        decoded = self.networks["generator"](contests[0].fake, batch.labels)
        return {"reconstruction": self.reconstruction_weight * (decoded - batch.real).square().mean()}

    @classmethod
    def shown_shapes(cls, recipe: Recipe) -> list[tuple[int, ...]]:
        return [(recipe.latents.size,)]

    @classmethod
    def problems(cls, recipe: Recipe) -> Iterator[Problem]:
        yield from one_fake_each_problems(recipe, "images")
        if recipe.latents.distribution == MIXTURE:
            yield Problem("model.latents.distribution=mixture is learned with the generator, and here the latents are "
                          "what codes are to be like, which nobody may move: type model.latents.distribution=normal",
                          {"model.latents.distribution": "normal"})
        yield from super().problems(recipe)


def encoder_problems(recipe: Recipe) -> Iterator[Problem]:
    """Yields what keeps the encoder from giving latents of the recipe's size for images of the data's shape."""
    encoder = recipe.networks["encoder"]
    if not isinstance(encoder, Encoder):
        yield Problem(f"{type(encoder).__name__} (model.encoder) is no encoder: it needs latent_dim, distribution and "
                      "features, as saddlepoint.networks.encoders.DCGANEncoder has them")
        return
    if encoder.latent_dim != recipe.latents.size:
        yield Problem(f"model.encoder.latent_dim={encoder.latent_dim} must equal model.latents.size="
                      f"{recipe.latents.size}", {"model.encoder.latent_dim": recipe.latents.size})
        return
    images, labels = torch.empty(2, *recipe.image_shape, device="meta"), torch.zeros(2, dtype=int, device="meta")
    try:
        codes = tuple(encoder(images, labels).shape)
    except (RuntimeError, TypeError, ValueError) as error:
        yield Problem(f"the encoder does not fit images of {size_of(recipe.image_shape)} (data.channels, "
                      f"data.image_size): {error}")
        return
    if codes != (2, recipe.latents.size):
        yield Problem(f"the encoder must give {recipe.latents.size} numbers an image (model.latents.size), and gives "
                      f"{size_of(codes[1:])}")

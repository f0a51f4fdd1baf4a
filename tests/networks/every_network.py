"""Every generator and discriminator of saddlepoint by the name of its model, small. Images are [N, 3, 16, 16], those of
BigGAN [N, 3, 32, 32]."""

import torch
from torch import nn

from saddlepoint.networks.autoencoder_discriminator import DCGANAutoencoderDiscriminator
from saddlepoint.networks.biggan import BigGANDiscriminator, BigGANGenerator
from saddlepoint.networks.conditional_dcgan import ClassifyingDCGANDiscriminator, ConditionalDCGANGenerator
from saddlepoint.networks.conditional_mlp import ConditionalMLPDiscriminator, ConditionalMLPGenerator
from saddlepoint.networks.conditional_resnet import (
    ClassifyingResNetDiscriminator,
    ConditionalResNetGenerator,
    ProjectionResNetDiscriminator,
)
from saddlepoint.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from saddlepoint.networks.lecture import (
    ConditionalLectureDiscriminator,
    ConditionalLectureGenerator,
    LectureDiscriminator,
    LectureGenerator,
)
from saddlepoint.networks.mlp import MLPDiscriminator, MLPGenerator
from saddlepoint.networks.r3gan import (
    ConditionalR3GANDiscriminator,
    ConditionalR3GANGenerator,
    R3GANDiscriminator,
    R3GANGenerator,
)
from saddlepoint.networks.resnet import ResNetDiscriminator, ResNetGenerator
from saddlepoint.networks.stacked_digits import StackedDigitsDiscriminator, StackedDigitsGenerator
from saddlepoint.networks.stylegan2 import (
    ConditionalStyleGAN2Discriminator,
    ConditionalStyleGAN2Generator,
    StyleGAN2Discriminator,
    StyleGAN2Generator,
)


def small(network: type, side: int = 16, **defaults):
    """A constructor of it for images [N, channels, size, size], small unless told otherwise."""
    def build(channels: int = 3, size: int = side, **settings) -> nn.Module:
        return network(channels=channels, image_size=size, **(defaults | settings))
    return build


MLP, WIDE4, WIDE8, CLASSES = {"widths": [8, 8]}, {"width": 4}, {"width": 8}, {"num_classes": 6}
STYLES = {"style_size": 6, "mapping_layers": 2, "most_maps": 8}
LECTURE_G = {"first_maps": 8, "maps": [6, 4, 3]}
LECTURE_D = {"maps": [3, 4, 6], "kernel_sizes": [4, 3, 3], "dropout": 0.0}
METZ_G, METZ_D = {"maps": [6, 4, 3], "image_stride": 1}, {"maps": [2, 4], "normalize_first": True}
GENERATORS = {
    "mlp": small(MLPGenerator, latent_dim=5, **MLP),
    "dcgan": small(DCGANGenerator, latent_dim=5, **WIDE4),
    "ebgan": small(DCGANGenerator, latent_dim=5, **WIDE4),
    "resnet": small(ResNetGenerator, latent_dim=5, **WIDE8),
    "lecture_dcgan": small(LectureGenerator, latent_dim=5, **LECTURE_G),
    "pacgan_digits": small(StackedDigitsGenerator, latent_dim=5, maps=[6, 4]),
    "metz_digits": small(StackedDigitsGenerator, latent_dim=5, kernel_size=3, **METZ_G),
    "cgan": small(ConditionalMLPGenerator, latent_dim=5, **MLP, **CLASSES),
    "lecture_cgan": small(ConditionalLectureGenerator, latent_dim=5, embedding_size=4, **LECTURE_G, **CLASSES),
    "projection": small(ConditionalResNetGenerator, latent_dim=5, **WIDE8, **CLASSES),
    "acgan": small(ConditionalResNetGenerator, latent_dim=5, **WIDE8, **CLASSES),
    "acgan_dcgan": small(ConditionalDCGANGenerator, latent_dim=5, **WIDE4, **CLASSES),
}
DISCRIMINATORS = {
    "mlp": small(MLPDiscriminator, **MLP),
    "dcgan": small(DCGANDiscriminator, **WIDE4),
    "ebgan": small(DCGANAutoencoderDiscriminator, code_size=3, **WIDE4),
    "resnet": small(ResNetDiscriminator, **WIDE8),
    "lecture_dcgan": small(LectureDiscriminator, **LECTURE_D),
    "pacgan_digits": small(StackedDigitsDiscriminator, maps=[4, 6]),
    "metz_digits": small(StackedDigitsDiscriminator, kernel_size=3, **METZ_D),
    "cgan": small(ConditionalMLPDiscriminator, **MLP, **CLASSES),
    "lecture_cgan": small(ConditionalLectureDiscriminator, embedding_size=4, **LECTURE_D, **CLASSES),
    "projection": small(ProjectionResNetDiscriminator, **WIDE8, **CLASSES),
    "acgan": small(ClassifyingResNetDiscriminator, **WIDE8, **CLASSES),
    "acgan_dcgan": small(ClassifyingDCGANDiscriminator, **WIDE4, **CLASSES),
}
# Of systems that fix whether their networks normalise, and how: test_biggan.py, test_r3gan.py, test_stylegan2.py.
SIDES = {"biggan": 32}  # of the smallest images, where these are not 16
OWN_GENERATORS = {
    "biggan": small(BigGANGenerator, SIDES["biggan"], latent_dim=60, width=2, embedding_size=4, **CLASSES),
    "stylegan2": small(StyleGAN2Generator, latent_dim=5, **STYLES),
    "stylegan2_conditional": small(ConditionalStyleGAN2Generator, latent_dim=5, **STYLES, **CLASSES),
    "r3gan_conditional": small(ConditionalR3GANGenerator, latent_dim=5, blocks=1, embedding_size=4, **WIDE8, **CLASSES),
    "r3gan": small(R3GANGenerator, latent_dim=5, blocks=1, **WIDE8),
}
OWN_DISCRIMINATORS = {
    "biggan": small(BigGANDiscriminator, SIDES["biggan"], width=4, **CLASSES),
    "stylegan2": small(StyleGAN2Discriminator, most_maps=8),
    "stylegan2_conditional": small(ConditionalStyleGAN2Discriminator, most_maps=8, mapping_layers=2, **CLASSES),
    "r3gan_conditional": small(ConditionalR3GANDiscriminator, blocks=1, **WIDE8, **CLASSES),
    "r3gan": small(R3GANDiscriminator, blocks=1, **WIDE8),
}
ALL_GENERATORS, ALL_DISCRIMINATORS = GENERATORS | OWN_GENERATORS, DISCRIMINATORS | OWN_DISCRIMINATORS
COMPARING = ("stylegan2", "stylegan2_conditional")  # whose discriminators compare the images of a batch
LABELS = torch.zeros(6, dtype=torch.long)
OTHERS = torch.arange(6)
UNCONDITIONAL = ["mlp", "dcgan", "ebgan", "resnet", "lecture_dcgan", "pacgan_digits", "metz_digits"]
CLASSIFYING = ["acgan", "acgan_dcgan"]  # their scores ignore labels
NORMALIZATIONS = ("none", "batch", "layer", "instance")
DENSE = dict.fromkeys(["mlp", "cgan"], ("none", "batch", "layer"))
GENERATORS_OFFER = DENSE | dict.fromkeys(["projection", "acgan"], ("batch", "layer", "instance"))
DISCRIMINATORS_OFFER = DENSE | dict.fromkeys(["lecture_dcgan", "lecture_cgan"], ("none",))


def normalized(name: str, kind: str) -> nn.Module:
    """A discriminator with that normalisation, or without where it offers none."""
    return DISCRIMINATORS[name](**({} if DISCRIMINATORS_OFFER.get(name) == ("none",) else {"normalization": kind}))


def judging_alone(name: str) -> nn.Module:
    """A discriminator that scores each image without the others: without batch normalisation and comparisons."""
    if name in OWN_DISCRIMINATORS:
        return OWN_DISCRIMINATORS[name](**({"minibatch_stddev": None} if name in COMPARING else {}))
    return normalized(name, "layer")


def noise_images(name: str, count: int = 6, **how) -> torch.Tensor:
    """Images of normal numbers, of the smallest size of a model."""
    return torch.randn(count, 3, SIDES.get(name, 16), SIDES.get(name, 16), **how)

"""Networks for images that are not square."""

import json

import pytest
import torch

from saddlepoint.networks.encoders import DCGANEncoder, MLPEncoder
from saddlepoint.networks.infogan import InfoGANDiscriminator, InfoGANGenerator
from saddlepoint.networks.latent_discriminators import DCGANPairDiscriminator, MLPPairDiscriminator
from saddlepoint.networks.layers import doublings
from saddlepoint.networks.patch_discriminator import PatchDiscriminator
from saddlepoint.networks.resnet_translator import ResNetTranslator
from saddlepoint.networks.unet import UNet, halvings
from saddlepoint.networks.upscaling_discriminators import SRGANDiscriminator, VGGStyleDiscriminator
from tests.networks.every_network import DISCRIMINATORS, GENERATORS, LABELS

SIZES = [(32, 48), (48, 32), (24, 16)]


@pytest.fixture(autouse=True)
def meta():
    with torch.device("meta"):
        yield


@pytest.mark.parametrize("sides", SIZES)
@pytest.mark.parametrize("name", GENERATORS)
def test_every_model_draws_and_judges_images_of_other_shapes(name, sides):
    generator, discriminator = GENERATORS[name](size=sides), DISCRIMINATORS[name](size=sides)
    images = generator(torch.empty(6, 5), LABELS.to("meta"))
    assert images.shape == (6, 3, *sides)
    assert discriminator(images, LABELS.to("meta")).shape == (6,)


@pytest.mark.parametrize("sides", SIZES)
@pytest.mark.parametrize("judge", [
    lambda s, x, z: InfoGANDiscriminator(3, s, [2], 1, width=4, hidden=8)(x, None),
    lambda s, x, z: DCGANEncoder(5, 3, s, width=4)(x, None)[:, 0],
    lambda s, x, z: MLPEncoder(5, 3, s, widths=[8])(x, None)[:, 0],
    lambda s, x, z: DCGANPairDiscriminator(5, 3, s, width=4, hidden=8)(x, z, None),
    lambda s, x, z: MLPPairDiscriminator(5, 3, s, widths=[8])(x, z, None),
    lambda s, x, z: VGGStyleDiscriminator(3, s, width=4)(x, None),
    lambda s, x, z: PatchDiscriminator(width=4, halvings=2)(x, None).mean((1, 2, 3)),
])
def test_every_other_network_reads_them(judge, sides):
    assert judge(sides, torch.empty(6, 3, *sides), torch.empty(6, 5)).shape == (6,)


@pytest.mark.parametrize("network", [
    lambda sides: InfoGANGenerator(5, 3, sides, width=4, hidden=8), lambda sides: UNet(image_size=sides, width=4),
    lambda sides: ResNetTranslator(width=4, num_blocks=1)])
@pytest.mark.parametrize("sides", SIZES)
def test_every_other_generator_makes_them(network, sides):
    inputs = torch.empty(6, 5) if (made := network(sides)).__class__ is InfoGANGenerator else torch.empty(6, 3, *sides)
    assert made(inputs, None).shape == (6, 3, *sides)


@pytest.mark.parametrize("name", ["dcgan", "resnet", "projection", "acgan_dcgan"])
def test_they_are_the_networks_of_squares_but_for_the_first_maps_and_the_last(name):
    """48 x 32 pixels are as many doublings of 6 x 4 as 32 x 32 are of 4 x 4."""
    for networks in (GENERATORS, DISCRIMINATORS):
        square, tall = (networks[name](size=size).state_dict() for size in (32, [48, 32]))
        differing = {key for key in square if square[key].shape != tall[key].shape}
        assert square.keys() == tall.keys()
        for key in differing:
            assert tall[key].numel() * 4 * 4 == square[key].numel() * 6 * 4
        assert all("first" in key or key.startswith(("layers.0.linear", "logit", "classes")) for key in differing)


def test_sizes_either_fit_or_are_refused_with_one_that_does():
    for sides in ((16, 24), (48, 64), (96, 72), (112, 256), (50, 70), (15, 16), (64, 66), (3, 500), (999, 7), (65, 64)):
        try:
            levels, smallest = doublings(sides)
        except ValueError as refusal:
            sides = json.loads(str(refusal).rpartition("data.image_size=")[2])
            levels, smallest = doublings(sides)
        doubled = tuple(side * 2**levels for side in smallest)
        assert doubled == (tuple(sides) if not isinstance(sides, int) else (sides, sides))
        assert 4 <= min(smallest) <= 7 and 2 <= levels <= 6


def test_a_refusal_names_the_nearest_size():
    for sides, nearest in {(50, 70): r"\[48,72\]", (64, 66): "64", (218, 178): r"\[224,192\]"}.items():
        with pytest.raises(ValueError, match=f"type data.image_size={nearest}$"):
            doublings(sides)


def test_a_u_net_halves_as_often_as_both_sides_allow():
    assert [halvings(sides) for sides in ((64, 96), (96, 64), (256, 512), (6, 10))] == [5, 5, 8, 1]
    with pytest.raises(ValueError, match=r"\[6,13\] must be multiples of 4 .* type data.image_size=\[8,12\]"):
        UNet(image_size=[6, 13])


def test_networks_with_a_fixed_number_of_halvings_want_multiples():
    for network, step in ((lambda size: InfoGANGenerator(5, 3, size), 4), (GENERATORS["lecture_dcgan"], 8),
                          (lambda size: SRGANDiscriminator(3, size), 16)):
        with pytest.raises(ValueError, match=rf"data.image_size=\[7,23\] must be multiples of {step} for this"):
            network(size=[7, 23])

"""R3GAN's networks: counts of the paper's presets, and each part by what it is to compute."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from saddlepoint.networks.r3gan import (
    Block,
    ConditionalR3GANDiscriminator,
    ConditionalR3GANGenerator,
    R3GANDiscriminator,
    R3GANGenerator,
)
from tests.networks.counting import trainable

IMAGENET = {"width": 1536, "maps_per_group": 32, "full_width_up_to": 64}


@pytest.mark.parametrize(("size", "classes", "more", "generator_count", "discriminator_count"), [
    (32, 10, {}, 20_781_952, 21_280_512), (32, 0, {}, 20_732_160, 20_683_776), (64, 0, {}, 22_429_824, 22_381_440),
    (256, 0, {}, 23_057_952, 23_009_568), (32, 1000, IMAGENET, 82_914_304, 86_548_992),
    (64, 1000, IMAGENET, 103_570_432, 107_205_120)])
def test_the_counts_are_those_of_the_papers_presets(size, classes, more, generator_count, discriminator_count):
    with torch.device("meta"):
        if classes:
            generator = ConditionalR3GANGenerator(64, 3, size, classes, **more)
            discriminator = ConditionalR3GANDiscriminator(3, size, classes, **more)
        else:
            generator, discriminator = R3GANGenerator(64, 3, size, **more), R3GANDiscriminator(3, size, **more)
    assert (trainable(generator), trainable(discriminator)) == (generator_count, discriminator_count)


def test_a_block_is_three_convolutions_beside_the_maps_themselves():
    block, maps = Block(8, group=4).double(), torch.randn(2, 8, 5, 5, dtype=torch.float64)
    hidden = F.leaky_relu(F.conv2d(maps, block.widen.weight, block.widen.bias), 0.2)
    of_groups = [F.conv2d(hidden[:, 4 * group:4 * group + 4], block.mix.weight[4 * group:4 * group + 4], padding=1)
                 for group in range(4)]
    mixed = F.leaky_relu(torch.cat(of_groups, 1) + block.mix.bias[:, None, None], 0.2)
    torch.testing.assert_close(block(maps), maps + F.conv2d(mixed, block.narrow.weight))


def test_first_weights_follow_fixup():
    torch.manual_seed(0)
    network = R3GANDiscriminator(3, 16, width=256, blocks=2)
    blocks = [module for module in network.modules() if isinstance(module, Block)]
    assert len(blocks) == 6
    gain = math.sqrt(2 / 1.04) * 6 ** -0.25
    for block in blocks:
        assert block.widen.weight.std().item() == pytest.approx(gain / math.sqrt(256), rel=0.02)
        assert block.mix.weight.std().item() == pytest.approx(gain / math.sqrt(16 * 9), rel=0.02)
        assert not block.narrow.weight.any() and not block.widen.bias.any() and not block.mix.bias.any()
    assert network.places.weight.std().item() == pytest.approx(1 / 4, rel=0.05)  # 4x4 places of one map
    assert network.image.weight.std().item() == pytest.approx(1 / math.sqrt(3), rel=0.1)


def test_blocks_begin_as_identities_so_g_begins_as_a_linear_function_of_the_latents():
    torch.manual_seed(0)
    network = R3GANGenerator(5, 1, 16, width=8)
    latents, labels = torch.randn(2, 5), torch.zeros(2, dtype=torch.long)
    torch.testing.assert_close(network(latents[:1], labels) + network(latents[1:], labels),
                               network(latents.sum(0, keepdim=True), labels))


def test_a_class_reaches_g_beside_the_latents_and_d_as_a_product():
    torch.manual_seed(0)
    generator = ConditionalR3GANGenerator(5, 1, 16, 3, embedding_size=4, width=8)
    discriminator = ConditionalR3GANDiscriminator(1, 16, 3, width=8)
    latents, labels = torch.randn(2, 5), torch.tensor([0, 2])
    with torch.no_grad():
        images = generator(latents, labels)
        torch.testing.assert_close(images, R3GANGenerator.forward(
            generator, torch.cat([latents, generator.embedding.weight[labels]], 1), labels))
        products = discriminator.last_numbers(images) @ discriminator.embedding.weight.T
        for label in range(3):
            torch.testing.assert_close(discriminator(images, torch.full((2,), label)), products[:, label])


def test_embeddings_begin_as_linear_layers_of_a_one_hot_vector():
    torch.manual_seed(0)
    generator = ConditionalR3GANGenerator(2, 1, 16, num_classes=400, width=16)
    discriminator = ConditionalR3GANDiscriminator(1, 16, num_classes=400, width=16)
    assert generator.embedding.weight.std().item() == pytest.approx(1 / 20, rel=0.03)
    assert discriminator.embedding.weight.std().item() == pytest.approx(1 / 80, rel=0.03)


def test_stages_follow_each_other_from_input_to_output():
    generator, discriminator = R3GANGenerator(5, 1, 32, width=8), R3GANDiscriminator(1, 32, width=8)
    labels, values = torch.zeros(2, dtype=torch.long), torch.randn(2, 5)
    images = generator(values, labels)
    for stage in generator.stages:
        values = stage(values)
    torch.testing.assert_close(generator.image(values), images, rtol=0, atol=0)
    assert [feature.shape[2] for feature in discriminator.features(images, labels)] == [16, 8, 4, 4]
    torch.testing.assert_close(discriminator.features(images, labels)[-1],
                               nn.Sequential(*sum(discriminator.stages, []))(images), rtol=0, atol=0)


@pytest.mark.parametrize(("settings", "said"), [
    ({"image_size": 64, "width": 9}, r"model.discriminator.width=9 must be a multiple of 2, as it is halved .* beyond "
                                     r"32 pixels \(model.discriminator.full_width_up_to\)"),
    ({"width": 20}, "model.discriminator.maps_per_group=16 must be a divisor of 40, which is twice the width of a sta"),
    ({"full_width_up_to": 24}, "model.discriminator.full_width_up_to=24 must be a power of two from 4 to 256"),
    ({"image_size": 48}, "data.image_size=48 must be a power of two"),
])
def test_what_does_not_go_together_is_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        R3GANDiscriminator(**({"channels": 1, "image_size": 32} | settings))

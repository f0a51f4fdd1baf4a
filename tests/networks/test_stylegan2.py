"""StyleGAN2's networks: counts of published ones, and each part by what it is to compute."""

import math

import pytest
import torch
from torch.nn import functional as F

from saddlepoint.networks.equalised import EqualisedConvolution, EqualisedLinear, unit_length
from saddlepoint.networks.stylegan2 import (
    ConditionalStyleGAN2Discriminator,
    ConditionalStyleGAN2Generator,
    DownBlock,
    StyleGAN2Discriminator,
    StyleGAN2Generator,
)
from saddlepoint.networks.styles import Mapping, StyledConvolution
from tests.networks.counting import trainable

SMALL = {"most_maps": 8, "maps_times_side": 128}


def generator(**more) -> StyleGAN2Generator:
    torch.manual_seed(0)
    return StyleGAN2Generator(5, 1, 16, **{"style_size": 6, "mapping_layers": 2} | SMALL | more)


def inputs(count: int = 3):
    torch.manual_seed(1)
    return torch.randn(count, 5), torch.zeros(count, dtype=torch.long)


def test_the_counts_for_cifar10_are_studiogans():
    with torch.device("meta"):
        assert trainable(ConditionalStyleGAN2Generator(512, 3, 32, 10, mapping_layers=2)) == 20_215_315
        assert trainable(ConditionalStyleGAN2Discriminator(3, 32, 10, residual=False,
                                                           minibatch_stddev=32)) == 23_089_664


def test_the_counts_for_256_pixels_are_those_of_r3gans_road_map_in_millions():
    with torch.device("meta"):
        networks = StyleGAN2Generator(512, 3, 256), StyleGAN2Discriminator(3, 256)
    assert [round(trainable(network) / 1e6, 3) for network in networks] == [24.767, 24.001]


@pytest.mark.parametrize("doubles", [None, 6])
def test_a_styled_convolution_has_weights_of_each_image_of_unit_size(doubles):
    """By the paper's eq. 1 and 3: each image by itself, with weights that are scaled and divided."""
    torch.manual_seed(0)
    layer = StyledConvolution(3, 4, 3, style_size=5, doubles=doubles).double()
    maps, styles = torch.randn(2, 3, 6, 6, dtype=torch.float64), torch.randn(2, 5, dtype=torch.float64)
    one = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64) / 8
    expected = []
    for image, scales in zip(maps, layer.scales(styles), strict=True):
        weight = layer.weight * scales[:, None, None]
        weight = weight / weight.square().sum((1, 2, 3), keepdim=True).sqrt()
        if doubles:
            made = F.conv_transpose2d(image[None], weight.transpose(0, 1), stride=2)
            expected.append(F.conv2d(made, 4 * torch.outer(one, one).expand(4, 1, 4, 4), padding=1, groups=4))
        else:
            expected.append(F.conv2d(image[None], weight, padding=1))
    torch.testing.assert_close(layer(maps, styles), torch.cat(expected), rtol=1e-6, atol=1e-6)


def test_equalised_layers_are_torchs_with_scaled_weights():
    torch.manual_seed(0)
    linear, convolution = EqualisedLinear(5, 4, bias=0.5, rate=0.01), EqualisedConvolution(3, 4, 3)
    assert linear.weight.std().item() == pytest.approx(100, rel=0.3)
    values, maps = torch.randn(2, 5), torch.randn(2, 3, 6, 6)
    torch.testing.assert_close(linear(values), F.linear(values, linear.weight * 0.01 / math.sqrt(5)) + 0.5)
    torch.testing.assert_close(convolution(maps), F.conv2d(maps, convolution.weight / math.sqrt(27), padding=1))


def test_a_mapping_begins_with_vectors_of_one_length_and_reads_the_class_as_a_one_hot_vector():
    torch.manual_seed(0)
    mapping, latents, labels = Mapping(4, 3, 6, layers=1), torch.randn(2, 4), torch.tensor([2, 0])
    one_hot = mapping.embedding(F.one_hot(labels, 3).float())
    together = torch.cat([unit_length(latents), unit_length(one_hot)], 1)
    torch.testing.assert_close(mapping(latents, labels),
                               F.leaky_relu(mapping.layers[0](together), 0.2) * math.sqrt(2))
    torch.testing.assert_close(mapping(7 * latents, labels), mapping(latents, labels), rtol=1e-4, atol=1e-5)


def test_an_image_is_the_synthesis_of_its_style_and_the_noise_stays_outside_training():
    network = generator().eval()
    latents, labels = inputs()
    styles = network.mapping(latents, labels)
    assert network.num_styles == 6
    torch.testing.assert_close(network(latents, labels), network.synthesis(styles), rtol=0, atol=0)
    torch.testing.assert_close(network.synthesis(styles[:, None].repeat(1, 6, 1)), network.synthesis(styles))


def test_noise_is_drawn_in_training_as_strong_as_was_learned():
    network = generator()
    latents, labels = inputs()
    torch.testing.assert_close(network(latents, labels), network(latents, labels), rtol=0, atol=0)  # strength 0
    with torch.no_grad():
        for block in network.blocks:
            block.second.noise_strength.fill_(0.5)
    assert (network(latents, labels) - network(latents, labels)).abs().max() > 1e-3
    network.eval()
    torch.testing.assert_close(network(latents, labels), network(latents, labels), rtol=0, atol=0)


def test_each_style_reaches_its_layers_and_the_last_two_sides_share_one():
    network = generator().eval()
    styles = network.mapping(*inputs(1))[:, None].repeat(1, 6, 1)
    with torch.no_grad():
        plain = network.synthesis(styles)
        for number in range(6):
            changed = styles.clone()
            changed[:, number] += 1
            assert (network.synthesis(changed) - plain).abs().max() > 1e-4, number
        # The first style belongs to the layer of 4x4 alone; the image of 4x4 has the second.
        maps, image = network.blocks[0](network.first[None], None, styles.unbind(1)[:2])
        other = network.blocks[0](network.first[None], None, (styles[:, 0], styles[:, 1] + 1))
    torch.testing.assert_close(other[0], maps, rtol=0, atol=0)
    assert (other[1] - image).abs().max() > 1e-4


def test_the_mean_style_follows_training_alone():
    network = generator()
    latents, labels = inputs()
    styles = network.mapping(latents, labels).detach()
    torch.testing.assert_close(network.mean_style, 0.005 * styles.mean(0))
    network.eval()
    kept = network.mean_style.clone()
    network(latents, labels)
    assert torch.equal(network.mean_style, kept)


def test_mixed_styles_are_of_other_latents_from_some_layer_on():
    network = generator(style_mixing=1.0)
    own, others = torch.zeros(64, 6), torch.ones(64, 6)
    mixed = network._mixed(own, others)[:, :, 0]
    assert (mixed[:, 0] == 0).all() and (mixed[:, -1] == 1).all()
    assert (mixed.diff(dim=1) >= 0).all() and mixed.sum(1).unique().tolist() == [1, 2, 3, 4, 5]
    network.style_mixing = 0.0
    assert not network._mixed(own, others).any()


@pytest.mark.parametrize("residual", [False, True])
def test_a_down_block_is_the_papers(residual):
    torch.manual_seed(0)
    block, maps = DownBlock(3, 5, 8, residual), torch.randn(2, 3, 8, 8)
    one = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    kernel = torch.outer(one, one).expand(3, 1, 4, 4)

    def active(values):
        return F.leaky_relu(values, 0.2) * math.sqrt(2)

    inner = F.conv2d(active(block.first(maps)), kernel, padding=2, groups=3)
    expected = active(F.conv2d(inner, block.second.weight / math.sqrt(27), block.second.bias, stride=2))
    if residual:
        halved = F.conv2d(maps, kernel, stride=2, padding=1, groups=3)
        expected = (expected + F.conv2d(halved, block.shortcut.weight / math.sqrt(3))) / math.sqrt(2)
    torch.testing.assert_close(block(maps), expected, rtol=1e-4, atol=1e-5)


def test_a_conditional_logit_is_a_product_with_the_mapping_of_the_class():
    torch.manual_seed(0)
    network = ConditionalStyleGAN2Discriminator(1, 16, 3, mapping_layers=2, **SMALL)
    images, labels = torch.randn(4, 1, 16, 16), torch.tensor([0, 1, 2, 1])
    of_class = network.map(None, labels)
    assert not torch.allclose(of_class[0], of_class[1]) and torch.equal(of_class[1], of_class[3])
    torch.testing.assert_close(network(images, labels),
                               (network.last_numbers(images) * of_class).sum(1) / math.sqrt(8))


@pytest.mark.parametrize(("size", "said"), [(48, "type data.image_size=32"), (8, "type data.image_size=16")])
def test_another_size_is_refused(size, said):
    with pytest.raises(ValueError, match=f"data.image_size={size} must be a power of two from 16 to 1024.*{said}"):
        StyleGAN2Generator(5, 1, size)

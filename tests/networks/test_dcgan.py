"""DCGAN's shapes, counts and starting weights (recipe B1)."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from saddlepoint.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from saddlepoint.networks.layers import IMAGE_SIZES
from tests.networks.counting import layer_names, trainable

LABELS = torch.zeros(4, dtype=torch.long)


@pytest.mark.parametrize(("image_size", "settings", "generator_count", "discriminator_count"), [
    (64, {}, 3_576_704, 2_765_568),
    (32, {}, 1_068_928, 663_296),
    (64, {"width": 128, "kernel_size": 5}, 18_855_040, 17_232_768),
])
def test_parameter_counts_are_the_ports_and_the_papers(image_size, settings, generator_count, discriminator_count):
    with torch.device("meta"):
        assert trainable(DCGANGenerator(100, 3, image_size, **settings)) == generator_count
        assert trainable(DCGANDiscriminator(3, image_size, **settings)) == discriminator_count


@pytest.mark.parametrize("image_size", IMAGE_SIZES)
@pytest.mark.parametrize("kernel_size", [4, 5])
def test_maps_double_in_number_whenever_they_halve_in_size(image_size, kernel_size):
    with torch.device("meta"):
        discriminator = DCGANDiscriminator(2, image_size, width=3, kernel_size=kernel_size)
        features = discriminator.features(torch.empty(4, 2, image_size, image_size), LABELS)
    sides = [tuple(maps.shape[1:]) for maps in features]
    level = range(len(sides))
    assert sides == [(3 * 2**i, image_size // 2 ** (i + 1), image_size // 2 ** (i + 1)) for i in level]
    assert sides[-1][1:] == (4, 4)


def test_neither_the_image_nor_the_first_convolution_is_normalised():
    assert layer_names(DCGANGenerator(8, 1, 16, width=2)) == [
        "Linear", "BatchNorm2d", "ReLU", "ConvTranspose2d", "BatchNorm2d", "ReLU", "ConvTranspose2d", "Tanh"]
    assert layer_names(DCGANDiscriminator(1, 32, width=2)) == [
        "Conv2d", "LeakyReLU", "Conv2d", "BatchNorm2d", "LeakyReLU", "Conv2d", "BatchNorm2d", "LeakyReLU", "Linear"]


@pytest.mark.parametrize("network", [
    lambda normalization: DCGANGenerator(8, 1, 16, width=2, normalization=normalization),
    lambda normalization: DCGANDiscriminator(1, 16, width=2, normalization=normalization)])
def test_convolutions_have_a_bias_only_in_networks_that_do_not_normalise(network):
    for normalization in ("batch", "layer", "instance", "none"):
        weighted = [layer for layer in network(normalization).modules()
                    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)]
        assert {layer.bias is not None for layer in weighted} == {normalization == "none"}


def test_weights_start_as_the_paper_and_its_ports_start_them():
    torch.manual_seed(0)
    for network in (DCGANGenerator(100, 3, 32), DCGANDiscriminator(3, 32)):
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
                assert layer.weight.mean().item() == pytest.approx(0, abs=1e-3)
            elif isinstance(layer, nn.BatchNorm2d):
                assert layer.weight.mean().item() == pytest.approx(1, abs=0.01)
                assert layer.weight.std().item() == pytest.approx(0.02, rel=0.35)  # as few as 64 scales
                assert not layer.bias.any()


def test_the_first_maps_are_a_transposed_convolution_of_one_pixel():
    generator, latents = DCGANGenerator(8, 1, 16, width=2), torch.randn(4, 8)
    first = generator.layers[0]
    kernel = first.linear.weight.view(4, 4, 4, 8).permute(3, 2, 0, 1)  # [latent_dim, C, 4, 4]
    torch.testing.assert_close(first(latents), F.conv_transpose2d(latents[:, :, None, None], kernel))


def test_the_generator_is_the_layers_written_out_by_hand():
    generator, latents = DCGANGenerator(8, 1, 16, width=2, normalization="none"), torch.randn(4, 8)
    maps = F.relu(generator.layers[0](latents))
    first, second = [layer for layer in generator.modules() if isinstance(layer, nn.ConvTranspose2d)]
    maps = F.relu(F.conv_transpose2d(maps, first.weight, first.bias, stride=2, padding=1))
    images = torch.tanh(F.conv_transpose2d(maps, second.weight, second.bias, stride=2, padding=1))
    torch.testing.assert_close(generator(latents, LABELS), images)


def test_the_discriminator_is_the_layers_written_out_by_hand():
    discriminator, images = DCGANDiscriminator(1, 16, width=2, normalization="none"), torch.randn(4, 1, 16, 16)
    maps = images
    for layer in [layer for layer in discriminator.modules() if isinstance(layer, nn.Conv2d)]:
        maps = F.leaky_relu(F.conv2d(maps, layer.weight, layer.bias, stride=2, padding=1), 0.2)
    logits = (maps.flatten(1) @ discriminator.logit.weight.T + discriminator.logit.bias).squeeze(1)
    torch.testing.assert_close(discriminator(images, LABELS), logits)


def test_dropout_acts_in_training_only_and_after_every_activation():
    discriminator, images = DCGANDiscriminator(1, 16, width=8, dropout=0.5), torch.randn(4, 1, 16, 16)
    assert layer_names(discriminator).count("Dropout") == 2
    assert not torch.equal(discriminator(images, LABELS), discriminator(images, LABELS))
    discriminator.eval()
    torch.testing.assert_close(discriminator(images, LABELS), discriminator(images, LABELS), rtol=0, atol=0)


@pytest.mark.parametrize(("settings", "sentence"), [
    ({"image_size": 20}, r"data\.image_size=20 must be a power of two from 16 to 256.*type data\.image_size=16"),
    ({"image_size": 28}, r"data\.image_size=28 .*type data\.image_size=32"),
    ({"image_size": 8}, r"data\.image_size=8 .*type data\.image_size=16"),
    ({"image_size": 512}, r"data\.image_size=512 .*type data\.image_size=256"),
    ({"channels": 0}, r"data\.channels=0 must be a whole number"),
    ({"width": 0}, r"model\.discriminator\.width=0 must be a whole number"),
    ({"kernel_size": 3}, r"model\.discriminator\.kernel_size=3 must be 4"),
    ({"normalization": "spectral"}, r"model\.discriminator\.normalization=spectral must be one of none, batch, layer"),
    ({"negative_slope": 1.5}, r"model\.discriminator\.negative_slope=1\.5 must be at least 0 and below 1"),
    ({"dropout": -0.1}, r"model\.discriminator\.dropout=-0\.1 must be at least 0 and below 1"),
])
def test_refuses_impossible_settings_by_the_name_that_is_typed(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        DCGANDiscriminator(**({"channels": 1, "image_size": 16} | settings))


def test_the_generators_settings_carry_its_own_name():
    with pytest.raises(ValueError, match=r"model\.generator\.kernel_size=7"):
        DCGANGenerator(8, 1, 16, kernel_size=7)
    with pytest.raises(ValueError, match=r"model\.latents\.size=0"):
        DCGANGenerator(0, 1, 16)

"""The lecture's networks (recipes A4 and A5): counts digit for digit, and Keras's arithmetic."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from saddlepoint.config.image_sizes import Sides
from saddlepoint.networks.layers import same_convolution
from saddlepoint.networks.lecture import (
    ConditionalLectureDiscriminator,
    ConditionalLectureGenerator,
    LectureDiscriminator,
    LectureGenerator,
)
from tests.networks.counting import layer_names, running_statistics, trainable

TABLE, CODE = [4, 3, 3], [4, 4, 4]
LABELS = torch.tensor([0, 1, 1, 2])


def dcgan_generator(**settings) -> LectureGenerator:
    return LectureGenerator(128, 3, 256, **settings)


def cgan_generator(latent_dim: int = 128, image_size: int = 256, **settings) -> ConditionalLectureGenerator:
    return ConditionalLectureGenerator(latent_dim, 3, image_size, num_classes=10, **settings)


def cgan_discriminator(image_size: int, kernel_sizes: list[int]) -> ConditionalLectureDiscriminator:
    return ConditionalLectureDiscriminator(3, image_size, num_classes=10, kernel_sizes=kernel_sizes)


@pytest.mark.parametrize(("network", "count"), [
    (dcgan_generator, 34_512_035), (lambda: dcgan_generator(maps=[128, 32, 16]), 34_418_707),
    (lambda: LectureDiscriminator(3, 256), 921_025), (cgan_generator, 34_566_295),
    (lambda: cgan_discriminator(256, TABLE), 3_978_165), (lambda: cgan_discriminator(256, CODE), 4_264_885),
    (lambda: cgan_discriminator(32, CODE), 716_725),
])
def test_parameter_counts_are_the_lectures(network, count):
    with torch.device("meta"):
        assert trainable(network()) == count


@pytest.mark.parametrize(("network", "count"), [(dcgan_generator, 960), (cgan_generator, 448)])
def test_running_statistics_are_as_many_as_the_lecture_prints(network, count):
    with torch.device("meta"):
        assert running_statistics(network()) == count


def test_on_cifar_10_the_generator_starts_from_four_by_four_maps():
    with torch.device("meta"):
        generator = cgan_generator(latent_dim=100, image_size=32)
    projection, label_map, table_at_256 = 101 * 4 * 4 * 256, 51 * 4 * 4, 34_566_295
    assert trainable(generator) == table_at_256 - (129 * 32 * 32 * 256 + 51 * 32 * 32) + projection + label_map


def outputs_of(network: nn.Module, *inputs: torch.Tensor) -> list[tuple]:
    """(layer, its output's shape without the batch) in the order they run"""
    seen = []

    def note(layer: nn.Module, inputs_of_layer: tuple, output: torch.Tensor) -> None:
        seen.append((type(layer).__name__, *output.shape[1:]))

    for layer in network.modules():
        if not list(layer.children()):
            layer.register_forward_hook(note)
    network(*inputs)
    return seen


def test_the_conditional_generator_is_the_printed_table():
    with torch.device("meta"):
        seen = outputs_of(cgan_generator(), torch.empty(4, 128), torch.zeros(4, dtype=torch.long))
    up = [(name, maps, side, side) for maps, side in ((128, 64), (64, 128), (32, 256))
          for name in ("ConvTranspose2d", "BatchNorm2d", "ReLU")]
    assert seen == [("Linear", 262_144), ("LeakyReLU", 256, 32, 32), ("Embedding", 50), ("Linear", 1024), *up,
                    ("ZeroPad2d", 32, 263, 263), ("Conv2d", 3, 256, 256), ("Tanh", 3, 256, 256)]


def test_the_conditional_discriminator_is_the_printed_table():
    with torch.device("meta"):
        images, labels = torch.empty(4, 3, 256, 256), torch.zeros(4, dtype=torch.long)
        seen = outputs_of(cgan_discriminator(256, TABLE), images, labels)
    down = [[("Conv2d", maps, side, side), ("LeakyReLU", maps, side, side), ("Dropout", maps, side, side)]
            for maps, side in ((64, 128), (128, 64), (256, 32))]
    assert seen == [("Embedding", 50), ("Linear", 65_536), *down[0], ("ZeroPad2d", 64, 129, 129), *down[1],
                    ("ZeroPad2d", 128, 65, 65), *down[2], ("Linear", 1)]


def test_without_labels_the_first_maps_are_normalised_and_rectified():
    assert layer_names(LectureGenerator(4, 1, 16, first_maps=2, maps=[2, 2]))[:3] == ["Linear", "BatchNorm2d", "ReLU"]
    assert layer_names(LectureDiscriminator(1, 16, maps=[2, 2], kernel_sizes=[4, 4])) == [
        "Conv2d", "LeakyReLU", "Dropout"] * 2 + ["Linear"]


@pytest.mark.parametrize("side", [7, 8])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel_size", [2, 3, 4, 5, 8])
def test_same_convolution_reads_the_pixels_that_keras_reads(kernel_size, stride, side):
    """A kernel that is 1 at one place copies the pixel at that place; outside the image there are zeros."""
    image = torch.randn(1, 1, side, side)
    outputs = math.ceil(side / stride)
    total = max((outputs - 1) * stride + kernel_size - side, 0)  # Keras: as many zeros, the smaller half in front
    for row, column in ((0, 0), (kernel_size - 1, 0), (kernel_size // 2, kernel_size - 1)):
        sides = None if side % stride == 0 else Sides(side, side)
        layers = nn.Sequential(*same_convolution(1, 1, kernel_size, stride, sides))
        nn.init.zeros_(layers[-1].weight)
        nn.init.zeros_(layers[-1].bias)
        layers[-1].weight.data[0, 0, row, column] = 1
        expected = torch.zeros(1, 1, outputs, outputs)
        for i in range(outputs):
            for j in range(outputs):
                y, x = i * stride + row - total // 2, j * stride + column - total // 2
                if 0 <= y < side and 0 <= x < side:
                    expected[0, 0, i, j] = image[0, 0, y, x]
        torch.testing.assert_close(layers(image), expected)


def as_keras_normalises(maps: torch.Tensor) -> torch.Tensor:
    mean, variance = maps.mean((0, 2, 3), keepdim=True), maps.var((0, 2, 3), correction=0, keepdim=True)
    return (maps - mean) / (variance + 1e-3).sqrt()


def test_the_conditional_generator_is_the_layers_written_out_by_hand():
    torch.manual_seed(0)
    generator = ConditionalLectureGenerator(5, 1, 16, num_classes=3, embedding_size=4, first_maps=6, maps=[2, 3])
    latents = torch.randn(4, 5)
    first, _, label, up, _, _, up_again, *_, last, _ = generator.layers
    maps = F.leaky_relu(first.linear(latents), 0.2).view(4, 4, 4, 6).permute(0, 3, 1, 2)
    embedding, projection = label.label_map
    maps = torch.cat([maps, projection.linear(embedding.weight[LABELS]).view(4, 1, 4, 4)], 1)
    for layer in (up, up_again):
        maps = F.relu(as_keras_normalises(F.conv_transpose2d(maps, layer.weight, layer.bias, stride=2, padding=1)))
    images = torch.tanh(F.conv2d(F.pad(maps, (3, 4, 3, 4)), last.weight, last.bias))
    torch.testing.assert_close(generator(latents, LABELS), images)


def test_the_conditional_discriminator_is_the_layers_written_out_by_hand():
    torch.manual_seed(0)
    discriminator = ConditionalLectureDiscriminator(2, 8, num_classes=3, embedding_size=4, maps=[3, 5],
                                                    kernel_sizes=[4, 3]).eval()
    images = torch.randn(4, 2, 8, 8)
    label, first, *_ = discriminator.blocks[0]
    embedding, projection = label.label_map
    maps = torch.cat([images, projection.linear(embedding.weight[LABELS]).view(4, 1, 8, 8)], 1)
    maps = F.leaky_relu(F.conv2d(maps, first.weight, first.bias, stride=2, padding=1), 0.2)
    second = discriminator.blocks[1][1]
    maps = F.leaky_relu(F.conv2d(F.pad(maps, (0, 1, 0, 1)), second.weight, second.bias, stride=2), 0.2)
    torch.testing.assert_close(discriminator(images, LABELS), discriminator.logit(maps.flatten(1)).squeeze(1))


def test_running_statistics_move_by_a_hundredth_as_with_keras_momentum():
    generator = LectureGenerator(4, 1, 8, first_maps=2, maps=[2])
    _, norm, *_ = generator.layers
    seen = []
    norm.register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
    generator(torch.randn(16, 4), torch.zeros(16, dtype=torch.long))
    torch.testing.assert_close(norm.running_mean, 0.01 * seen[0].mean((0, 2, 3)))


def test_weights_start_as_keras_starts_them():
    torch.manual_seed(0)
    discriminator = ConditionalLectureDiscriminator(3, 32, num_classes=100)
    second = discriminator.blocks[1][0]
    bound = math.sqrt(6 / (16 * (64 + 128)))
    assert 0.99 * bound < second.weight.abs().max() <= bound
    assert second.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)
    assert not second.bias.any()
    embedding = discriminator.blocks[0][0].label_map[0].weight
    assert 0.049 < embedding.abs().max() <= 0.05
    assert embedding.std().item() == pytest.approx(0.05 / math.sqrt(3), rel=0.05)


@pytest.mark.parametrize(("settings", "sentence"), [
    ({"image_size": 28}, r"data\.image_size=28 must be a multiple of 8 for this model: type data\.image_size=32"),
    ({"image_size": 3}, r"data\.image_size=3 must be a multiple of 8 .*type data\.image_size=8"),
    ({"channels": 0}, r"data\.channels=0 must be a whole number"),
    ({"maps": []}, r"model\.discriminator\.maps=\[\] must be a list of whole numbers"),
    ({"maps": [64, 0, 1]}, r"model\.discriminator\.maps=\[64, 0, 1\] must be a list of whole numbers"),
    ({"kernel_sizes": [4, 4]}, r"model\.discriminator\.kernel_sizes=\[4, 4\] must be a list of 3 whole numbers"),
    ({"kernel_sizes": [4, 4, 1]}, r"kernel_sizes=\[4, 4, 1\] must be .* at least 2"),
    ({"negative_slope": 1.0}, r"model\.discriminator\.negative_slope=1\.0 must be at least 0 and below 1"),
    ({"dropout": 1.0}, r"model\.discriminator\.dropout=1\.0 must be at least 0 and below 1"),
    ({"embedding_size": 0}, r"model\.discriminator\.embedding_size=0 must be a whole number of at least 1"),
])
def test_refuses_impossible_settings_by_the_name_that_is_typed(settings, sentence):
    with torch.device("meta"), pytest.raises(ValueError, match=sentence):
        ConditionalLectureDiscriminator(**({"channels": 1, "image_size": 32, "num_classes": 10} | settings))


def test_the_generators_settings_carry_its_own_name():
    for settings, sentence in (({"maps": 3}, r"model\.generator\.maps=3"), ({"first_maps": 0}, "first_maps=0"),
                               ({"normalization": "group"}, r"model\.generator\.normalization=group")):
        with torch.device("meta"), pytest.raises(ValueError, match=sentence):
            LectureGenerator(8, 1, 32, **settings)

"""The fully connected networks of recipes A1 to A3, and each setting of theirs by what it changes."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from saddlepoint.networks.mlp import MLPDiscriminator, MLPGenerator
from tests.networks.counting import layer_names, trainable

LABELS = torch.zeros(8, dtype=torch.long)
DIGITS = {"channels": 1, "image_size": 28}


def report_generator() -> MLPGenerator:
    return MLPGenerator(100, **DIGITS, widths=[256, 512], negative_slope=0.3, activate_output=True)


def report_discriminator() -> MLPDiscriminator:
    return MLPDiscriminator(**DIGITS, widths=[256, 100], negative_slope=0.2, activate_output=True,
                            dropout=[0.0, 0.2, 0.2])


def lesson_generator() -> MLPGenerator:
    return MLPGenerator(100, **DIGITS, widths=[128, 256, 512], negative_slope=0.0, normalization="batch",
                        normalization_position="after", epsilon=1e-3, momentum=0.01)


def notebook_generator() -> MLPGenerator:
    return MLPGenerator(100, **DIGITS, widths=[256, 512, 1024], negative_slope=0.2, initialisation="uniform_fan_out")


def notebook_discriminator() -> MLPDiscriminator:
    return MLPDiscriminator(**DIGITS, widths=[1024, 512, 256], negative_slope=0.2, dropout=0.3,
                            initialisation="uniform_fan_out")


@pytest.mark.parametrize(("network", "count"), [
    (report_generator, 559_632), (report_discriminator, 226_761),
    (lesson_generator, 581_520), (lambda: MLPDiscriminator(**DIGITS, widths=[512, 256]), 533_505),
    (notebook_generator, 1_486_352), (notebook_discriminator, 1_460_225),
])
def test_parameter_counts_are_the_documents(network, count):
    assert trainable(network()) == count


def test_the_reports_discriminator_activates_and_drops_its_logit_too():
    assert layer_names(report_discriminator()) == ["Linear", "LeakyReLU", "Linear", "LeakyReLU", "Dropout",
                                                   "Linear", "LeakyReLU", "Dropout"]


def test_the_reports_generator_passes_its_output_through_leaky_relu_and_then_tanh():
    generator, latents = report_generator(), torch.rand(8, 100)
    values = latents
    for layer in [layer for layer in generator.modules() if isinstance(layer, nn.Linear)]:
        values = F.leaky_relu(F.linear(values, layer.weight, layer.bias), 0.3)
    torch.testing.assert_close(generator(latents, LABELS), torch.tanh(values).view(8, 1, 28, 28))


def test_the_lessons_generator_normalises_after_relu_with_keras_numbers():
    generator = lesson_generator()
    assert layer_names(generator) == ["Linear", "ReLU", "BatchNorm1d"] * 3 + ["Linear", "Tanh"]
    norms = [layer for layer in generator.modules() if isinstance(layer, nn.BatchNorm1d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.01)}


def test_a_single_dropout_is_for_the_hidden_layers_only():
    assert layer_names(notebook_discriminator()) == ["Linear", "LeakyReLU", "Dropout"] * 3 + ["Linear"]


def test_the_first_hidden_layer_is_normalised_only_on_request():
    def names(normalize_first: bool) -> list[str]:
        return layer_names(MLPGenerator(4, 1, 2, widths=[8, 8], normalization="batch",
                                        normalize_first=normalize_first))
    assert names(False) == ["Linear", "LeakyReLU", "Linear", "BatchNorm1d", "LeakyReLU", "Linear", "Tanh"]
    assert names(True) == ["Linear", "BatchNorm1d", "LeakyReLU"] * 2 + ["Linear", "Tanh"]


def test_layer_normalisation_gives_each_image_mean_zero_and_variance_one():
    discriminator = MLPDiscriminator(1, 4, widths=[64], normalization="layer", normalization_position="after")
    features = discriminator.features(torch.randn(8, 1, 4, 4), LABELS)[0]
    torch.testing.assert_close(features.mean(1), torch.zeros(8), atol=1e-5, rtol=0)
    torch.testing.assert_close(features.var(1, correction=0), torch.ones(8), atol=1e-2, rtol=0)


def test_uniform_fan_out_fills_the_interval_of_each_layers_output_width_and_no_more():
    torch.manual_seed(0)
    for layer in [layer for layer in notebook_generator().modules() if isinstance(layer, nn.Linear)]:
        bound = 1 / math.sqrt(layer.out_features)
        for values in (layer.weight, layer.bias):
            assert values.abs().max() <= bound
            assert values.min() < -0.95 * bound
            assert values.max() > 0.95 * bound
        assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)


def test_normal_initialisation_has_the_dcgan_papers_deviation():
    torch.manual_seed(0)
    weight = MLPDiscriminator(1, 28, widths=[512], initialisation="normal").layers[0][0].weight
    assert weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert weight.mean().item() == pytest.approx(0, abs=1e-3)


def test_the_logit_is_a_linear_function_of_the_last_features():
    discriminator, images = MLPDiscriminator(1, 4, widths=[8, 6]), torch.randn(8, 1, 4, 4)
    features = discriminator.features(images, LABELS)
    assert [tuple(values.shape) for values in features] == [(8, 8), (8, 6)]
    torch.testing.assert_close(discriminator.layers[-1](features[-1]).squeeze(1), discriminator(images, LABELS))


def test_without_hidden_layers_the_generator_is_tanh_of_a_linear_map():
    generator, latents = MLPGenerator(5, 3, 2, widths=[]), torch.randn(8, 5)
    (linear,) = [layer for layer in generator.modules() if isinstance(layer, nn.Linear)]
    torch.testing.assert_close(generator(latents, LABELS).flatten(1), torch.tanh(linear(latents)))


@pytest.mark.parametrize(("settings", "sentence"), [
    ({"widths": [8, 0]}, r"model\.discriminator\.widths=\[8, 0\] must be a list of whole numbers"),
    ({"widths": 256}, r"model\.discriminator\.widths=256 must be a list"),
    ({"normalization": "instance"}, r"model\.discriminator\.normalization=instance must be one of none, batch, layer"),
    ({"normalization_position": "inside"}, r"normalization_position=inside must be one of before, after"),
    ({"initialisation": "orthogonal"}, r"initialisation=orthogonal must be one of default, normal, uniform_fan_out"),
    ({"dropout": [0.1]}, r"model\.discriminator\.dropout=\[0\.1\] must be one number or a list of 3"),
    ({"dropout": 1.0}, r"model\.discriminator\.dropout=1\.0 must be at least 0 and below 1"),
    ({"negative_slope": -0.2}, r"model\.discriminator\.negative_slope=-0\.2 must be at least 0"),
    ({"epsilon": 0.0}, r"model\.discriminator\.epsilon=0\.0 must be above 0"),
    ({"momentum": 0.0}, r"model\.discriminator\.momentum=0\.0 must be above 0"),
    ({"image_size": 0}, r"data\.image_size=0 must be a whole number"),
])
def test_refuses_impossible_settings_by_the_name_that_is_typed(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        MLPDiscriminator(**({"channels": 1, "image_size": 28, "widths": [8, 8]} | settings))


def test_the_generators_settings_carry_its_own_name():
    with pytest.raises(ValueError, match=r"model\.generator\.negative_slope=2"):
        MLPGenerator(4, 1, 4, widths=[8], negative_slope=2)
    with pytest.raises(ValueError, match=r"model\.latents\.size=0"):
        MLPGenerator(0, 1, 4, widths=[8])

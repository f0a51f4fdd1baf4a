"""The residual networks with labels (recipes B2 and B3), and the normalisation by class they are made of."""

import math

import pytest
import torch
from torch import nn

from saddlepoint.game.latents import Latents
from saddlepoint.game.recipe import batch_norms
from saddlepoint.metrics.standing_statistics import use_standing_statistics
from saddlepoint.networks.conditional_resnet import (
    ClassifyingResNetDiscriminator,
    ConditionalResNetGenerator,
    ProjectionResNetDiscriminator,
)
from saddlepoint.networks.conditioning import ConditionalNormalization
from saddlepoint.networks.layers import map_normalization
from saddlepoint.networks.resnet import ResNetDiscriminator, ResNetGenerator
from saddlepoint.tricks.ema import ExponentialMovingAverage
from saddlepoint.tricks.weights import SpectralNorm
from tests.networks.counting import layer_names
from tests.tricks.stand_ins import update

LABELS = torch.tensor([0, 2, 2, 1])
SMALL = {"channels": 3, "image_size": 16, "num_classes": 3}


def small_generator(**settings) -> ConditionalResNetGenerator:
    torch.manual_seed(0)
    return ConditionalResNetGenerator(5, **SMALL, width=4, **settings)


def randomised(network: nn.Module) -> nn.Module:
    for layer in network.modules():
        if isinstance(layer, ConditionalNormalization):
            nn.init.normal_(layer.scale)
            nn.init.normal_(layer.shift)
    return network


@pytest.mark.parametrize("kind", ["batch", "layer", "instance"])
def test_normalised_maps_are_scaled_and_shifted_by_their_class(kind):
    torch.manual_seed(0)
    norm, maps = randomised(ConditionalNormalization(kind, 5, num_classes=3)), torch.randn(4, 5, 6, 6)
    over = {"batch": (0, 2, 3), "layer": (1, 2, 3), "instance": (2, 3)}[kind]
    plain = (maps - maps.mean(over, keepdim=True)) / (maps.var(over, correction=0, keepdim=True) + 1e-5).sqrt()
    for i, label in enumerate(LABELS):
        expected = norm.scale[label][:, None, None] * plain[i] + norm.shift[label][:, None, None]
        torch.testing.assert_close(norm(maps, LABELS)[i], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["batch", "layer", "instance"])
def test_at_the_start_every_class_is_normalised_as_without_classes(kind):
    maps, (plain,) = torch.randn(4, 5, 6, 6), map_normalization(kind, 5)
    torch.testing.assert_close(ConditionalNormalization(kind, 5, num_classes=3)(maps, LABELS), plain(maps))


def test_blocks_normalise_by_class_and_the_layers_before_the_image_do_not():
    conditional = layer_names(small_generator())
    plain = layer_names(ResNetGenerator(5, 3, 16, width=4))
    assert conditional == plain  # the same layers in the same order; torch's BatchNorm computes in both
    generator = small_generator()
    assert [isinstance(layer, ConditionalNormalization) for layer in generator.image] == [False] * 4
    by_class = [layer for layer in generator.blocks.modules() if isinstance(layer, ConditionalNormalization)]
    assert len(by_class) == 2 * 2 and generator.image[0].affine


def test_with_the_scales_of_one_class_for_all_the_generator_is_the_unconditional_one():
    generator, plain = small_generator().eval(), ResNetGenerator(5, 3, 16, width=4).eval()
    state = generator.state_dict()
    renamed = {name.replace(".normalized.", "."): values for name, values in state.items()}
    renamed |= {name.replace(".scale", ".weight"): state[name][0] for name in state if name.endswith(".scale")}
    renamed |= {name.replace(".shift", ".bias"): state[name][0] for name in state if name.endswith(".shift")}
    plain.load_state_dict({name: values for name, values in renamed.items() if not name.endswith((".scale", ".shift"))})
    latents = torch.randn(4, 5)
    torch.testing.assert_close(generator(latents, LABELS), plain(latents, LABELS))


def test_running_statistics_are_seen_by_whoever_asks_for_batch_norm():
    """Standing statistics: after them a norm's running mean is the mean of what the blocks put into it."""
    generator = randomised(small_generator()).eval()
    norms = batch_norms(generator)
    assert len(norms) == 2 * 2 + 1
    seen = []
    norms[0].register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0].mean((0, 2, 3))))
    use_standing_statistics(generator, Latents(5), torch.tensor([0.2, 0.5, 1.0]), seed=0, batches=3)
    torch.testing.assert_close(norms[0].running_mean, torch.stack(seen).mean(0))


def test_an_average_of_the_generator_has_its_scales_and_its_running_statistics():
    generator = randomised(small_generator())
    ema = ExponentialMovingAverage(half_life_images=10, rampup=None)
    ema.build(generator, nn.Identity())
    generator(torch.randn(8, 5), torch.arange(8) % 3)
    ema.after_generator_step(update(generator=generator))
    for name, values in generator.state_dict().items():
        torch.testing.assert_close(ema.generator.state_dict()[name], values)


def test_the_projection_adds_the_embeddings_product_with_the_pooled_features():
    torch.manual_seed(0)
    discriminator = ProjectionResNetDiscriminator(**SMALL, width=4, pooling="sum")
    images = torch.randn(4, 3, 16, 16)
    pooled = discriminator.features(images, LABELS)[-1].relu().sum((2, 3))
    weight, bias = discriminator.logit.weight[0], discriminator.logit.bias[0]
    expected = [pooled[i] @ (weight + discriminator.embedding.weight[label]) + bias for i, label in enumerate(LABELS)]
    torch.testing.assert_close(discriminator(images, LABELS), torch.stack(expected))


def test_the_embedding_starts_at_gain_one():
    torch.manual_seed(0)
    embedding = ProjectionResNetDiscriminator(3, 32, num_classes=100).embedding.weight
    bound = math.sqrt(6 / (100 + 128))
    assert 0.99 * bound < embedding.abs().max() <= bound
    assert embedding.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)


def test_spectral_norm_reaches_the_embedding_and_every_other_layer_of_the_projection_discriminator():
    discriminator = ProjectionResNetDiscriminator(**SMALL, width=4)
    weighted = [layer for layer in discriminator.modules() if isinstance(layer, nn.Conv2d | nn.Linear | nn.Embedding)]
    assert discriminator.embedding in weighted
    SpectralNorm(power_iterations=20).build(nn.Identity(), discriminator)
    discriminator(torch.randn(4, 3, 16, 16), LABELS)
    for layer in weighted:
        largest = torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2)
        assert largest.item() == pytest.approx(1, abs=0.05)


def test_spectral_norm_in_the_generator_leaves_scales_and_shifts_of_classes_alone():
    generator = small_generator()
    SpectralNorm(generator=True).build(generator, nn.Identity())
    assert generator(torch.randn(4, 5), LABELS).isfinite().all()
    shifts = [layer.shift for layer in generator.modules() if isinstance(layer, ConditionalNormalization)]
    assert all(isinstance(shift, nn.Parameter) and not shift.any() for shift in shifts)


def test_the_classifier_is_linear_in_what_the_logit_reads():
    torch.manual_seed(0)
    discriminator = ClassifyingResNetDiscriminator(**SMALL, width=4)
    images = torch.randn(4, 3, 16, 16)
    pooled = discriminator.features(images, LABELS)[-1].relu().mean((2, 3))
    expected = pooled @ discriminator.classes.weight.T + discriminator.classes.bias
    torch.testing.assert_close(discriminator.class_logits(images, LABELS), expected)
    plain = ResNetDiscriminator(3, 16, width=4)
    plain.load_state_dict(discriminator.state_dict(), strict=False)
    torch.testing.assert_close(discriminator(images, LABELS), plain(images, LABELS))


def test_a_generator_whose_labels_would_have_no_way_in_is_refused():
    with pytest.raises(ValueError, match="model.generator.normalization=none must be batch, layer, instance or vi"):
        small_generator(normalization="none")

"""3D-GAN's networks: the paper's counts of weights, shapes, and a layer against scipy."""

import numpy
import pytest
import scipy.signal
import torch
from torch import nn

from saddlepoint.game.networks import HasFeatures
from saddlepoint.networks.voxels import VoxelDiscriminator, VoxelGenerator
from tests.networks.counting import trainable
from tests.networks.test_model_configs import build, settings_of

LABELS = torch.zeros(3, dtype=torch.long)
NORMALIZATIONS = ("none", "batch", "layer", "instance")


def test_the_defaults_have_the_papers_weights_for_64_voxels():
    """200 -> 512 maps of 4^3, 256 of 8^3, 128 of 16^3, 64 of 32^3, one of 64^3, by kernels of 4^3; D the other way."""
    maps, kernel = [512, 256, 128, 64], 4**3
    between = sum(kernel * inputs * outputs for inputs, outputs in zip(maps, maps[1:], strict=False))
    generator = 200 * maps[0] * kernel + between + maps[-1] * kernel + 2 * sum(maps)
    discriminator = kernel * maps[-1] + between + maps[0] * kernel + 2 * sum(maps[:-1])
    assert (generator, discriminator) == (17_569_664, 11_048_704)
    settings = settings_of("gan3d")
    with torch.device("meta"):
        assert trainable(build(settings["generator"])) == generator
        assert trainable(build(settings["discriminator"])) == discriminator


@pytest.mark.parametrize("edge", [8, 16, 64])
def test_latents_become_cubes_and_cubes_one_logit_each(edge):
    with torch.device("meta"):
        generator, discriminator = VoxelGenerator(5, edge, width=2), VoxelDiscriminator(edge, width=2)
        shapes = generator(torch.empty(3, 5), LABELS)
        assert shapes.shape == (3, 1, edge, edge, edge)
        assert discriminator(shapes, LABELS).shape == (3,)
        features = discriminator.features(shapes, LABELS)
    assert isinstance(discriminator, HasFeatures)
    assert [values.shape[2] for values in features] == [edge // 2**level for level in range(1, len(features) + 1)]
    assert features[-1].shape[2] == 4


def test_voxels_are_between_empty_and_full_and_come_near_both():
    torch.manual_seed(0)
    generator = VoxelGenerator(5, 8, width=4)
    for parameter in generator.parameters():
        parameter.data *= 100
    voxels = generator(torch.randn(3, 5), LABELS)
    assert 0 <= voxels.min() < 0.01 and 0.99 < voxels.max() <= 1


def test_the_first_layer_is_scipys_correlation_of_every_second_voxel():
    torch.manual_seed(0)
    discriminator, shapes = VoxelDiscriminator(8, width=2, negative_slope=0.2).eval(), torch.rand(2, 1, 8, 8, 8)
    weight = discriminator.blocks[0][0].weight.detach().numpy()
    computed = discriminator.features(shapes, LABELS)[0].detach().numpy()
    for number, maps in numpy.ndindex(2, 2):
        whole = scipy.signal.correlate(numpy.pad(shapes[number, 0].numpy(), 1), weight[maps, 0], mode="valid")
        expected = whole[::2, ::2, ::2]
        numpy.testing.assert_allclose(computed[number, maps], numpy.where(expected > 0, expected, 0.2 * expected),
                                      atol=1e-6)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_a_finite_gradient_reaches_every_weight_and_only_batch_norm_mixes_shapes(normalization):
    torch.manual_seed(0)
    generator = VoxelGenerator(5, 8, width=2, normalization=normalization)
    discriminator = VoxelDiscriminator(16, width=2, normalization=normalization)
    generator(torch.randn(3, 5), LABELS).square().sum().backward()
    shapes = torch.rand(3, 1, 16, 16, 16, requires_grad=True)
    logits = discriminator(shapes, LABELS)
    (slope,) = torch.autograd.grad(logits[1], shapes, retain_graph=True)
    logits.square().sum().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all()
               for network in (generator, discriminator) for weight in network.parameters())
    assert bool(slope[[0, 2]].any()) is (normalization == "batch")
    biases = [layer.bias is not None for layer in discriminator.modules() if isinstance(layer, nn.Conv3d | nn.Linear)]
    assert set(biases) == {normalization == "none"}


@pytest.mark.parametrize(("make", "message"), [
    (lambda: VoxelGenerator(5, 24), "data.edge=24 must be a power of two from 8 to 128 .*: type data.edge=(16|32)"),
    (lambda: VoxelDiscriminator(4), "data.edge=4 must be a power of two .*: type data.edge=8"),
    (lambda: VoxelGenerator(5, 8, width=0), "model.generator.width=0 must be a whole number of at least 1"),
    (lambda: VoxelDiscriminator(8, negative_slope=1.0), "model.discriminator.negative_slope=1.0 must be"),
])
def test_what_makes_no_network_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()

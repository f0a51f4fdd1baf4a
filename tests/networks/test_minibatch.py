"""What a discriminator is told of the other images of a batch, against sums written out and NumPy's deviation."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from saddlepoint.networks.dcgan import DCGANDiscriminator
from saddlepoint.networks.minibatch import Comparison, MinibatchDeviation, MinibatchDiscrimination
from saddlepoint.networks.mlp import MLPDiscriminator
from saddlepoint.networks.points import PointDiscriminator
from saddlepoint.networks.resnet import ResNetDiscriminator
from tests.networks.counting import trainable

KERNELS, DIMENSIONS, GROUP = 3, 2, 2
SIZES = {"kernels": KERNELS, "dimensions": DIMENSIONS}
LABELS = torch.zeros(6, dtype=torch.long)
IMAGES = {"channels": 2, "image_size": 16}
# discriminator, what it is shown, and A: the numbers from which it makes its logit, on so many places
NETWORKS = [
    pytest.param(lambda **more: DCGANDiscriminator(**IMAGES, width=2, normalization="none", **more), (2, 16, 16), 4, 16,
                 id="dcgan"),
    pytest.param(lambda **more: ResNetDiscriminator(**IMAGES, width=5, **more), (2, 16, 16), 5, 1, id="resnet"),
    pytest.param(lambda **more: MLPDiscriminator(**IMAGES, widths=[4, 7], **more), (2, 16, 16), 7, 1, id="mlp"),
    pytest.param(lambda **more: PointDiscriminator(3, widths=[4, 7], **more), (3,), 7, 1, id="points"),
]


def test_minibatch_discrimination_is_the_papers_sum_over_the_other_images():
    torch.manual_seed(0)
    layer, features = MinibatchDiscrimination(4, **SIZES).double(), torch.randn(5, 4).double()
    matrices = (features @ layer.tensor.weight.T).view(5, KERNELS, DIMENSIONS).tolist()
    expected = [[sum(math.exp(-sum(abs(one - other) for one, other in zip(matrices[i][b], matrices[j][b], strict=True)))
                     for j in range(5) if j != i) for b in range(KERNELS)] for i in range(5)]
    output = layer(features)
    assert torch.equal(output[:, :4], features)
    torch.testing.assert_close(output[:, 4:], torch.tensor(expected, dtype=torch.float64))


def test_images_that_are_all_the_same_are_as_near_as_can_be_and_others_far_apart_are_not():
    layer = MinibatchDiscrimination(4, **SIZES)
    same = layer(torch.randn(1, 4).expand(6, 4))[:, 4:]
    torch.testing.assert_close(same, torch.full((6, KERNELS), 5.0))
    assert layer(1e6 * torch.randn(6, 4))[:, 4:].max() < 1e-6


@pytest.mark.parametrize("shape", [(3, 4, 2), (7,)], ids=["maps", "vectors"])
def test_minibatch_deviation_is_numpys_over_each_group(shape):
    features = torch.randn(8, *shape)
    output = MinibatchDeviation(3)(features)
    assert output.shape == (8, shape[0] + 1, *shape[1:])
    assert torch.equal(output[:, :-1], features)
    for group in (slice(0, 3), slice(3, 6), slice(6, 8)):  # the last has what is left
        expected = torch.full_like(output[group, -1], np.std(features[group].numpy(), axis=0).mean().item())
        torch.testing.assert_close(output[group, -1], expected)


def test_a_group_of_equal_images_differs_by_nothing_and_still_has_a_gradient():
    features = torch.ones(4, 3, requires_grad=True)
    deviation = MinibatchDeviation(4)(features)[:, -1]
    assert deviation.abs().max() < 1e-3
    deviation.sum().backward()
    assert features.grad.isfinite().all()


@pytest.mark.parametrize(("network", "shape", "features", "places"), NETWORKS)
def test_every_discriminator_has_the_weights_of_both_and_no_other(network, shape, features, places):
    alone, both = network(), network(minibatch_discrimination=SIZES, minibatch_stddev=GROUP)
    read = (features + 1) * places  # by the tensor T
    assert trainable(both) - trainable(alone) == read * KERNELS * DIMENSIONS + places + KERNELS
    assert network(minibatch_stddev=GROUP)(torch.randn(6, *shape), LABELS).shape == (6,)


@pytest.mark.parametrize(("network", "shape", "features", "places"), NETWORKS)
@pytest.mark.parametrize(("more", "seen"), [
    ({}, {2}), ({"minibatch_stddev": GROUP}, {2, 3}), ({"minibatch_discrimination": SIZES}, {*range(6)})],
    ids=["alone", "stddev", "discrimination"])
def test_a_score_depends_on_the_images_that_it_is_compared_with(network, shape, features, places, more, seen):
    torch.manual_seed(0)
    discriminator, images = network(**more).double(), torch.randn(6, *shape).double().requires_grad_()
    for layer in discriminator.modules():
        if isinstance(layer, MinibatchDiscrimination):
            nn.init.normal_(layer.tensor.weight)
    (gradient,) = torch.autograd.grad(discriminator(images, LABELS)[2], images)
    assert {*gradient.flatten(1).abs().sum(1).nonzero().flatten().tolist()} == seen


@pytest.mark.parametrize(("settings", "sentence"), [
    ({"discrimination": {"kernels": 5}}, "model.discriminator.minibatch_discrimination={'kernels': 5} must be null, or"),
    ({"discrimination": {"kernels": 5, "dimensions": 0}}, "two whole numbers of at least 1, such as"),
    ({"group": 1}, "model.discriminator.minibatch_stddev=1 must be null, or a whole number of at least 2"),
])
def test_impossible_comparisons_are_refused(settings, sentence):
    with pytest.raises(ValueError, match="minibatch") as refusal:
        Comparison(**settings)
    assert sentence in str(refusal.value)

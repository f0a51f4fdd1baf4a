"""Synchronised BatchNorm against torch's; over several processes test_equivalence.py looks at it."""

import copy

import pytest
import torch
from torch import Tensor, nn

from saddlepoint.parallel.batchnorm import SynchronisedBatchNorm, synchronise_batchnorm

LAYERS = {
    "maps": (lambda: nn.BatchNorm2d(3), (4, 3, 5, 2)),
    "vectors": (lambda: nn.BatchNorm1d(3), (4, 3)),
    "no scale and shift": (lambda: nn.BatchNorm2d(3, affine=False), (4, 3, 2, 2)),
    "Keras's numbers": (lambda: nn.BatchNorm2d(3, eps=1e-3, momentum=0.01), (4, 3, 2, 2)),
    "cumulative averages": (lambda: nn.BatchNorm2d(3, momentum=None), (4, 3, 2, 2)),
    "no running statistics": (lambda: nn.BatchNorm2d(3, track_running_stats=False), (4, 3, 2, 2)),
}


def pair(name: str) -> tuple[nn.Module, nn.Module, Tensor]:
    """-> torch's layer and ours with the same numbers in them, values to normalise"""
    make, shape = LAYERS[name]
    theirs = nn.Sequential(make()).double()
    source = torch.Generator().manual_seed(0)
    for tensor in theirs.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=source) + 0.5)
    ours = copy.deepcopy(theirs)
    synchronise_batchnorm(ours)
    assert isinstance(ours[0], SynchronisedBatchNorm)
    return theirs, ours, 3 * torch.randn(shape, dtype=torch.float64, generator=source) + 1


@pytest.mark.parametrize("name", LAYERS)
def test_one_process_normalises_as_torch_does(name):
    theirs, ours, values = pair(name)
    theirs_in, ours_in = values.clone().requires_grad_(), values.clone().requires_grad_()
    weights = torch.randn(values.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for _ in range(2):
        expected, made = theirs(theirs_in), ours(ours_in)
        torch.testing.assert_close(made, expected, rtol=1e-12, atol=1e-12)
    (expected * weights).sum().backward()
    (made * weights).sum().backward()
    torch.testing.assert_close(ours_in.grad, theirs_in.grad, rtol=1e-10, atol=1e-12)
    for ours_parameter, parameter in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(ours_parameter.grad, parameter.grad, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(ours.eval()(values), theirs.eval()(values), rtol=1e-12, atol=1e-12)


def test_parameters_stay_the_optimizers_own():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.BatchNorm2d(2)))
    before = dict(network.named_parameters())
    synchronise_batchnorm(network)
    assert all(parameter is before[name] for name, parameter in network.named_parameters())


def test_half_precision_is_normalised_in_float32():
    layer = nn.Sequential(nn.BatchNorm1d(1))
    synchronise_batchnorm(layer)
    values = torch.tensor([[1000.0], [1001.0], [1002.0], [1003.0]], dtype=torch.float16)
    made = layer(values)
    assert made.dtype == torch.float16
    assert float(made.double().var(unbiased=False)) == pytest.approx(1, rel=2e-3)

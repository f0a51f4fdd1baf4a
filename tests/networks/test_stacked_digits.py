"""The published networks for stacked digits: counts, TensorFlow's layers, and recipes whose data are in [0, 1]."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from saddlepoint.config.image_sizes import Sides
from saddlepoint.networks.colours import after_generator
from saddlepoint.networks.layers import SameTransposed, same_convolution
from saddlepoint.networks.stacked_digits import StackedDigitsDiscriminator, StackedDigitsGenerator, halvings
from tests.networks.counting import trainable

LABELS = torch.zeros(4, dtype=torch.long)
SMALL = {"image_size": 7, "maps": [3, 4], "kernel_size": 3}


@pytest.mark.parametrize(("settings", "count"), [
    ({"channels": 3}, 4_310_401), ({"channels": 6}, 4_315_201), ({"channels": 9}, 4_320_001),
    ({"channels": 12}, 4_324_801),
    ({"channels": 3, "maps": [4, 8, 16], "kernel_size": 3, "normalize_first": True}, 1_889)])
def test_discriminators_have_the_papers_counts_packed_and_of_half_size(settings, count):
    with torch.device("meta"):
        assert trainable(StackedDigitsDiscriminator(image_size=28, **settings)) == count


def test_sides_are_halved_and_rounded_up():
    assert [sides.height for sides in halvings(28, 4)] == [28, 14, 7, 4, 2]
    assert halvings([28, 33], 2) == [Sides(28, 33), Sides(14, 17), Sides(7, 9)]


@pytest.mark.parametrize("sides", [Sides(4, 4), Sides(7, 14), Sides(28, 27)])
@pytest.mark.parametrize("kernel_size", [2, 3, 5])
def test_a_transposed_convolution_is_the_adjoint_of_the_same_convolution(kernel_size, sides):
    """<conv(x), y> = <x, transposed(y)> for all x and y, with the same weights: so TensorFlow defines it."""
    torch.manual_seed(0)
    convolution = nn.Sequential(*same_convolution(2, 3, kernel_size, 2, sides)).double()
    transposed = SameTransposed(3, 2, kernel_size, 2, sides).double()
    transposed.weight.data.copy_(convolution[-1].weight)
    for bias in (convolution[-1].bias, transposed.bias):
        nn.init.zeros_(bias)
    large = torch.randn(2, 2, *sides, dtype=torch.float64)
    small = torch.randn(convolution(large).shape, dtype=torch.float64)
    torch.testing.assert_close((convolution(large) * small).sum(), (large * transposed(small)).sum())


def test_the_first_maps_of_metz_discriminator_alone_are_normalised():
    for normalize_first in (False, True):
        discriminator = StackedDigitsDiscriminator(channels=3, normalize_first=normalize_first, **SMALL)
        has_norm = [any(isinstance(layer, nn.BatchNorm2d) for layer in block) for block in discriminator.blocks]
        assert has_norm == [normalize_first, True]


def test_weights_start_as_in_the_papers_code():
    torch.manual_seed(0)
    generator, discriminator = StackedDigitsGenerator(100, 3, 28), StackedDigitsDiscriminator(3, 28)
    for network in (generator, discriminator):
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                assert (layer.eps, layer.momentum) == (1e-5, 0.1)
                assert (layer.weight == 1).all()
            if getattr(layer, "bias", None) is not None:
                assert (layer.bias == 0).all()
    drawn, cut = generator.layers[6].weight, discriminator.blocks[2][-3].weight
    assert drawn.std().item() == pytest.approx(0.02, rel=0.01) and drawn.abs().max() > 0.04
    assert cut.abs().max() <= 0.04
    # Cut at two standard deviations, a normal distribution keeps 1 - 4 phi(2) / (2 Phi(2) - 1) of its variance.
    assert cut.std().item() == pytest.approx(0.02 * (1 - 4 * 0.0539910 / 0.9544997) ** 0.5, rel=0.01)


def unit_and_symmetric(network: type, **settings) -> tuple[nn.Module, nn.Module]:
    """The same weights twice, in both units."""
    networks = []
    for colours in ("unit", "symmetric"):
        torch.manual_seed(0)
        networks.append(network(colours=colours, **settings, **SMALL).double())
    return tuple(networks)


def test_with_unit_colours_a_step_is_the_one_that_is_written_in_0_to_1():
    """D's and G's losses and the gradients of all weights, against networks without units on data in [0, 1]."""
    generator, their_generator = unit_and_symmetric(StackedDigitsGenerator, latent_dim=5, channels=3)
    discriminator, their_discriminator = unit_and_symmetric(StackedDigitsDiscriminator, channels=3)
    latents, data = torch.randn(4, 5, dtype=torch.float64), torch.rand(4, 3, 7, 7, dtype=torch.float64)  # in [0, 1]

    def gradients(generator: nn.Module, discriminator: nn.Module, real: torch.Tensor) -> list[torch.Tensor]:
        fake = generator(latents, LABELS)
        of_discriminator = (F.softplus(-discriminator(real, LABELS)) +
                            F.softplus(discriminator(fake.detach(), LABELS))).mean()
        of_generator = F.softplus(-discriminator(fake, LABELS)).mean()
        return [of_discriminator, of_generator,
                *torch.autograd.grad(of_discriminator, [*discriminator.parameters()]),
                *torch.autograd.grad(of_generator, [*generator.parameters()])]

    ours = gradients(generator, discriminator, 2 * data - 1)
    theirs = gradients(their_generator, their_discriminator, data)
    assert len(ours) == len(theirs) > 10
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)


def test_a_tanh_of_a_recipe_in_0_to_1_reaches_from_minus_3_to_1():
    [layer] = after_generator("unit")
    assert layer(torch.tensor([-1.0, 0.0, 0.5, 1.0])).tolist() == [-3.0, -1.0, 0.0, 1.0]
    assert after_generator("symmetric") == []


@pytest.mark.parametrize(("build", "message"), [
    (lambda: StackedDigitsGenerator(5, 3, 28, maps=[]), r"model.generator.maps=\[\] must be a list"),
    (lambda: StackedDigitsGenerator(5, 3, 28, image_stride=3), "model.generator.image_stride=3 must be 1 or 2"),
    (lambda: StackedDigitsGenerator(5, 3, 28, colours="red"), "model.colours=red must be one of symmetric, unit"),
    (lambda: StackedDigitsDiscriminator(3, 28, kernel_size=1), "model.discriminator.kernel_size=1 must be a whole"),
    (lambda: StackedDigitsDiscriminator(3, 28, normalization="group"), "model.discriminator.normalization=group must"),
    (lambda: StackedDigitsDiscriminator(3, 28, negative_slope=1.0), "model.discriminator.negative_slope=1.0 must be"),
])
def test_what_cannot_be_built_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()

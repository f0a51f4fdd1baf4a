"""Networks of points: numbers of weights as papers have them, maxout by hand, first weights, the Dirac-GAN."""

import pytest
import torch

from saddlepoint import build
from saddlepoint.losses.adversarial import Hinge, LeastSquares, NonSaturating
from saddlepoint.networks.points import DiracDiscriminator, DiracGenerator, Maxout, PointDiscriminator, PointGenerator
from tests.composing import settings

LABELS = torch.zeros(3, dtype=torch.long)


def count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def of_pacgan(*overrides: str) -> dict[str, torch.nn.Module]:
    with torch.device("meta"):
        return build.networks(settings("data=ring", "model=pacgan_points", *overrides))


def test_pacgans_networks_have_the_papers_numbers_of_weights():
    """4 layers of 400 with a scale and a shift each and no bias; 3 of 200 units of 5 pieces (protocol in its code)."""
    networks = of_pacgan()
    assert count(networks["generator"]) == 2 * 400 + 3 * 400 * 400 + 4 * 2 * 400 + 400 * 2 + 2 == 484_802
    assert count(networks["discriminator"]) == 3 * 1000 + 2 * 201 * 1000 + 201 == 405_201


@pytest.mark.parametrize(("images", "weights"), [(2, 407_201), (3, 409_201), (4, 411_201)])
def test_a_discriminator_of_packs_has_more_weights_in_its_first_layer_alone(images, weights):
    assert count(of_pacgan(f"model.discriminator.dimensions={2 * images}")["discriminator"]) == weights


def test_maxout_is_the_largest_of_its_pieces():
    values = torch.tensor([[1., -3., 2., 0., -1., -5.]])
    assert torch.equal(Maxout(3)(values), torch.tensor([[2., 0.]]))


def test_a_maxout_layer_of_two_opposite_pieces_is_the_absolute_value():
    discriminator = PointDiscriminator(1, widths=[1], pieces=2)
    with torch.no_grad():
        discriminator.layers[0][0].weight.copy_(torch.tensor([[1.], [-1.]]))
        discriminator.layers[0][0].bias.zero_()
        discriminator.layers[1][0].weight.fill_(1)
        discriminator.layers[1][0].bias.zero_()
    points = torch.tensor([[-2.], [0.5], [3.]])
    assert torch.equal(discriminator(points, LABELS), points.abs().squeeze(1))


def test_orthogonal_first_weights_have_orthonormal_rows_or_columns():
    generator = PointGenerator(4, 2, widths=[8, 8], initialisation="orthogonal")
    tall, square, wide = (layer[0].weight for layer in generator.layers)
    torch.testing.assert_close(tall.T @ tall, torch.eye(4))
    torch.testing.assert_close(square.T @ square, torch.eye(8))
    torch.testing.assert_close(wide @ wide.T, torch.eye(2))
    assert not any(layer[0].bias.any() for layer in generator.layers)


def test_normal_first_weights_leave_the_scales_of_batch_norm_at_1():
    generator = PointGenerator(2, 2, widths=[400, 400], normalization="batch", initialisation="normal")
    weights = generator.layers[1][0].weight
    assert weights.std().item() == pytest.approx(0.02, rel=0.02)  # of 160,000 numbers
    assert torch.equal(generator.layers[0][1].weight, torch.ones(400))
    assert generator.layers[0][0].bias is None


def test_features_are_the_hidden_layers():
    discriminator = PointDiscriminator(2, widths=[5, 4])
    points = torch.randn(3, 2)
    hidden = discriminator.features(points, LABELS)
    assert [tuple(each.shape) for each in hidden] == [(3, 5), (3, 4)]
    torch.testing.assert_close(discriminator.layers[-1](hidden[-1]).squeeze(1), discriminator(points, LABELS))


def test_every_fake_of_the_dirac_gan_is_theta():
    generator = DiracGenerator(2, dimensions=3, theta=0.5)
    fakes = generator(torch.randn(3, 2), LABELS)
    assert torch.equal(fakes, torch.full((3, 3), 0.5))
    fakes.sum().backward()
    assert torch.equal(generator.theta.grad, torch.full((3,), 3.0))


def test_diracs_discriminator_is_linear_with_the_losss_boundary():
    points = torch.tensor([[1., 2.], [0., -1.], [0.5, 0.5]])
    for loss, boundary in ((NonSaturating, 0), (LeastSquares, 0.5), (Hinge, 0)):
        discriminator = DiracDiscriminator(2, psi=2.0)
        discriminator.follow_loss(loss.boundary)
        assert torch.equal(discriminator(points, LABELS), 2 * points.sum(1) + boundary)


def test_a_boundary_that_was_typed_stays():
    discriminator = DiracDiscriminator(boundary=0.0)
    discriminator.follow_loss(LeastSquares.boundary)
    assert discriminator.boundary == 0


def test_a_game_gives_the_discriminator_the_boundary_of_its_loss():
    module = build.module(settings("data=dirac", "model=dirac", "loss=least_squares"))
    assert module.networks["discriminator"].boundary == 0.5


@pytest.mark.parametrize(("setting", "value", "words"), [
    ("widths", [0], "model.generator.widths=\\[0\\] must be a list of whole numbers"),
    ("pieces", 0, "model.generator.pieces=0 must be a whole number of at least 1"),
    ("normalization", "instance", "model.generator.normalization=instance must be one of none, batch, layer"),
    ("initialisation", "he", "model.generator.initialisation=he must be one of default, normal, orthogonal"),
    ("negative_slope", 1.0, "model.generator.negative_slope=1.0 must be at least 0 and below 1"),
])
def test_a_setting_that_cannot_be_is_refused_by_name(setting, value, words):
    with pytest.raises(ValueError, match=words):
        PointGenerator(2, 2, **{"widths": [4], setting: value})

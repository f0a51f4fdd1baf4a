"""Inversion against closed forms: least squares, ridge regression, and images that a generator made itself."""

import math

import pytest
import torch
from torch import nn

from saddlepoint.game.latents import Latents
from saddlepoint.game.structured_latents import StructuredLatents
from saddlepoint.sampling import descent
from saddlepoint.sampling.generator import SamplingGenerator
from saddlepoint.sampling.inversion import Region, Search, invert, psnr

LATENTS, SIDE = 3, 4


class Linear(nn.Module):
    """Images [N, 1, 4, 4] that are a matrix times the latents, plus a shade of the class."""

    def __init__(self, latent_dim=LATENTS, num_classes=0):
        super().__init__()
        draws = torch.Generator().manual_seed(1)
        self.latent_dim, self.num_classes = latent_dim, num_classes
        self.matrix = nn.Parameter(torch.randn(SIDE**2, latent_dim, generator=draws))
        self.shades = nn.Parameter(torch.randn(max(num_classes, 1), SIDE**2, generator=draws))

    def forward(self, latents, labels):
        return (latents @ self.matrix.T + self.shades[labels]).view(-1, 1, SIDE, SIDE)


class Squashed(Linear):
    """The same images, squashed by tanh, so that the search is no linear problem."""

    def forward(self, latents, labels):
        return super().forward(latents, labels).tanh()


def generator_of(network, distribution="normal"):
    return SamplingGenerator(network, Latents(network.latent_dim, distribution))


@pytest.fixture(scope="module")
def images():
    return torch.randn(5, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(2))


def least_squares(network, images):
    return torch.linalg.lstsq(network.matrix, (images.flatten(1) - network.shades[0]).T).solution.T.detach()


@pytest.mark.parametrize(("search", "tolerance"), [(Search("lbfgs", 50, prior_weight=0), 1e-4),
                                                   (Search("adam", 800, 0.1, prior_weight=0), 1e-3)])
def test_the_latents_of_a_linear_generator_are_the_least_squares_solution(images, search, tolerance):
    network = Linear()
    found = invert(generator_of(network), images, search=search)
    torch.testing.assert_close(found.latents, least_squares(network, images), rtol=0, atol=tolerance)
    torch.testing.assert_close(found.errors, (found.images - images).square().mean((1, 2, 3)))
    assert torch.equal(found.scores, found.errors)  # without features


def test_the_prior_makes_it_ridge_regression(images):
    network, weight = Linear(), 0.5
    found = invert(generator_of(network), images, search=Search("lbfgs", 50, prior_weight=weight))
    # the gradient of |Wz + b - x|^2 / P + weight |z|^2 / 2Z is 0
    matrix = network.matrix.detach()
    left = 2 / SIDE**2 * matrix.T @ matrix + weight / LATENTS * torch.eye(LATENTS)
    right = 2 / SIDE**2 * matrix.T @ (images.flatten(1) - network.shades[0].detach()).T
    torch.testing.assert_close(found.latents, torch.linalg.solve(left, right).T, rtol=0, atol=1e-4)


@pytest.mark.parametrize("method", ["adam", "lbfgs"])
def test_what_a_conditional_generator_made_is_found_again_with_its_class(method):
    generator = SamplingGenerator(Linear(num_classes=4), Latents(LATENTS), class_names=("a", "b", "c", "d"))
    labels, latents = torch.tensor([2, 0, 3]), generator.latents.of_images(7, 0, 3)
    made = generator(latents, labels)
    found = invert(generator, made, search=Search(method, 300, 0.1, prior_weight=0))
    assert torch.equal(found.labels, labels)
    torch.testing.assert_close(found.latents, latents, rtol=0, atol=1e-3)
    wrong = invert(generator, made, labels=(labels + 1) % 4, search=Search(method, 300, 0.1, prior_weight=0))
    assert torch.equal(wrong.labels, (labels + 1) % 4) and (wrong.errors > 100 * found.errors).all()


@pytest.mark.parametrize("method", ["adam", "lbfgs"])
def test_uniform_latents_stay_in_their_range(method):
    """Of a generator that shows each number in a pixel of its own, the nearest in the range is the clipped one."""
    network = Linear(SIDE**2)
    with torch.no_grad():
        network.matrix.copy_(torch.eye(SIDE**2))
        network.shades.zero_()
    wanted = 2 * torch.randn(4, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(3))
    found = invert(generator_of(network, "uniform"), wanted, search=Search(method, 300))
    torch.testing.assert_close(found.latents, wanted.flatten(1).clamp(-1, 1), rtol=0, atol=1e-3)


def test_categorical_codes_stay_as_drawn_and_the_best_start_has_the_right_one():
    latents = StructuredLatents(size=6, categorical=[3], continuous=1)
    generator = SamplingGenerator(Linear(6), latents)
    wanted = latents.of_images(5, 0, 4)
    found = invert(generator, generator(wanted), search=Search("lbfgs", 100, restarts=12, prior_weight=0))
    torch.testing.assert_close(found.latents, wanted, rtol=0, atol=1e-3)
    assert torch.equal(found.latents[:, 2:5], wanted[:, 2:5])  # exactly 0 or 1
    assert Region(latents).moves.tolist() == [True, True, False, False, False, True]


@pytest.mark.parametrize("method", ["adam", "lbfgs"])
def test_an_image_is_inverted_alike_with_others_and_alone(images, method):
    generator = generator_of(Squashed())
    search = Search(method, 30)
    together, alone = invert(generator, images, search=search), invert(generator, images[3:4], search=search)
    torch.testing.assert_close(together.latents[3:4], alone.latents, rtol=0, atol=1e-4)


def test_without_steps_the_latents_are_those_of_the_best_start(images):
    network = Linear()
    best, other = least_squares(network, images), torch.zeros(len(images), LATENTS)
    found = invert(generator_of(network), images, starts=torch.stack([other, best], 1), search=Search(steps=0))
    assert torch.equal(found.latents, best)
    assert torch.equal(found.images, network(best, torch.zeros(5, dtype=torch.long)))


def test_features_weigh_as_asked_and_alone_they_decide(images):
    """Features are the first three pixels, which three latents can match exactly."""
    network = Linear()

    def features(shown, labels):
        return [shown.flatten(1)[:, :LATENTS]]
    alone = invert(generator_of(network), images, search=Search("lbfgs", 200, prior_weight=0, feature_weight=1),
                   features=features)
    wanted = (images.flatten(1) - network.shades[0])[:, :LATENTS].detach()
    solution = torch.linalg.solve(network.matrix[:LATENTS].detach(), wanted.T).T
    torch.testing.assert_close(alone.latents, solution, rtol=1e-3, atol=1e-3)
    mixed = invert(generator_of(network), images, search=Search(steps=0, feature_weight=0.25), features=features)
    of_features = (mixed.images - images).flatten(1)[:, :LATENTS].square().mean(1)
    torch.testing.assert_close(mixed.scores, 0.75 * mixed.errors + 0.25 * of_features)


def test_lbfgs_finds_the_minimum_of_rosenbrocks_valley_from_each_start():
    def valley(points):
        x, y = points.unbind(1)
        return (1 - x).square() + 100 * (y - x.square()).square()
    starts = torch.tensor([[-1.2, 1.0], [2.0, -1.0], [0.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    found = descent.lbfgs(valley, starts, 200, lambda points: points)
    torch.testing.assert_close(found.points, torch.ones_like(starts), rtol=0, atol=1e-5)
    assert (found.values < 1e-9).all()


def test_the_two_loops_multiply_by_the_matrix_of_bfgs():
    """Built up densely from a multiple of I: (I - s y' / y's) H (I - y s' / y's) + s s' / y's (algorithm 7.4's matrix).
    A pair without positive curvature is left out, here that of the second point."""
    draws = torch.Generator().manual_seed(4)
    gradients, *steps = torch.randn(4, 2, 5, generator=draws, dtype=torch.float64)
    changes = [step + 0.3 * torch.randn(2, 5, generator=draws, dtype=torch.float64) for step in steps]
    changes[1][1] = -steps[1][1]
    result = descent._two_loops(gradients, [*zip(steps, changes, strict=True)])
    for point in range(2):
        pairs = [(s[point], y[point]) for s, y in zip(steps, changes, strict=True) if s[point] @ y[point] > 0]
        assert len(pairs) == 3 - point
        newest, change = pairs[-1]
        identity = torch.eye(5, dtype=torch.float64)
        matrix = newest @ change / (change @ change) * identity
        for s, y in pairs:
            left = identity - torch.outer(s, y) / (y @ s)
            matrix = left @ matrix @ left.T + torch.outer(s, s) / (y @ s)
        torch.testing.assert_close(result[point], matrix @ gradients[point])


def test_the_lowest_point_is_returned_and_not_the_last():
    found = descent.adam(lambda points: points.square().sum(1), torch.zeros(1, 2), 10, 1.0, lambda points: points + 1)
    assert torch.equal(found.points, torch.zeros(1, 2))  # the projection drives it away


def test_a_difference_of_a_tenth_of_the_peak_is_20_decibels():
    torch.testing.assert_close(psnr(torch.tensor([0.2**2, 2.0**2])), torch.tensor([20.0, 0.0]))
    assert math.isinf(psnr(torch.zeros(1)))


@pytest.mark.parametrize(("setting", "value"), [("method", "sgd"), ("steps", -1), ("restarts", 0), ("lr", 0.0),
                                                ("prior_weight", -1.0), ("feature_weight", 1.5)])
def test_a_search_that_cannot_be_is_refused(setting, value):
    with pytest.raises(ValueError, match=f"{setting}={value} must be"):
        Search(**{setting: value})


def test_labels_of_other_images_are_refused(images):
    with pytest.raises(ValueError, match=r"those of 5 images, and they are \[2\]"):
        invert(generator_of(Linear()), images, labels=torch.zeros(2, dtype=torch.long))

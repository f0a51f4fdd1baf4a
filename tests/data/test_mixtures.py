import math

import pytest
import torch

from saddlepoint.data.mixtures import Dirac, Grid, HighDimensionalMixture, Ring

COUNT = 20_000


def drawn(mixture, count=COUNT, seed=0):
    return mixture.draw(count, torch.Generator().manual_seed(seed))


def test_a_rings_modes_lie_on_its_circle_at_equal_angles():
    centres = Ring(modes=8, radius=2.0).centres
    torch.testing.assert_close(centres.norm(dim=1), torch.full((8,), 2.0))
    torch.testing.assert_close(centres[:3], torch.tensor([[2.0, 0], [math.sqrt(2), math.sqrt(2)], [0, 2]]))
    sides = (centres - centres.roll(1, 0)).norm(dim=1)  # the side of a regular octagon is 2 r sin(pi / 8)
    torch.testing.assert_close(sides, torch.full((8,), 4 * math.sin(math.pi / 8)))


def test_the_grid_is_pacgans():
    expected = {(x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)}
    assert {tuple(centre) for centre in Grid().centres.tolist()} == expected


def test_an_even_grid_has_its_middle_at_0():
    assert sorted(Grid(side=2, spacing=3.0).centres.tolist()) == [[-1.5, -1.5], [-1.5, 1.5], [1.5, -1.5], [1.5, 1.5]]


@pytest.mark.parametrize("mixture", [Ring(modes=3, standard_deviation=0.5), Grid(side=2, standard_deviation=0.25)])
def test_points_of_a_mode_have_its_centre_and_an_isotropic_covariance(mixture):
    points, modes = drawn(mixture)
    assert points.shape == (COUNT, 2) and points.dtype == torch.float32 and modes.dtype == torch.int64
    for mode, centre in enumerate(mixture.centres):
        members = points[modes == mode]
        assert abs(len(members) - COUNT / mixture.modes) < 5 * math.sqrt(COUNT / mixture.modes)
        error = mixture.standard_deviation / math.sqrt(len(members))
        assert (members.mean(0) - centre).abs().max() < 5 * error
        scaled = members.T.cov() / mixture.standard_deviation ** 2
        assert (scaled - torch.eye(2)).abs().max() < 5 * math.sqrt(2 / len(members))


def test_draws_follow_from_the_generator_alone():
    mixture = Ring()
    for one, same, other in zip(drawn(mixture, 9), drawn(mixture, 9), drawn(mixture, 9, seed=1), strict=True):
        assert one.equal(same) and not one.equal(other)


def test_points_of_many_dimensions_vary_within_their_subspace_alone():
    mixture = HighDimensionalMixture(modes=3, dimensions=20, subspace=6, standard_deviation=0.5)
    points, modes = drawn(mixture, 4_000)
    offsets = (points - mixture.centres[modes]).double()
    variances = torch.linalg.eigvalsh(offsets.T.cov())
    torch.testing.assert_close(variances[-6:], torch.full((6,), 0.25, dtype=torch.float64), atol=0.03, rtol=0)
    assert variances[:-6].abs().max() < 1e-9
    assert torch.linalg.matrix_rank(torch.cat([mixture.centres, offsets.float()]), tol=1e-3) == 6
    squared = offsets.square().sum(1) / 0.25  # chi-squared: mean 6, variance 12
    assert abs(squared.mean() - mixture.degrees_of_freedom) < 5 * math.sqrt(12 / 4_000)


def test_centres_of_many_dimensions_have_their_spread_and_follow_from_the_seed():
    mixture = HighDimensionalMixture(modes=400, dimensions=30, subspace=10, spread=3.0)
    assert abs(mixture.centres.square().sum(1).mean() / (10 * 9) - 1) < 5 * math.sqrt(2 / (400 * 10))
    same, other = (HighDimensionalMixture(modes=2, dimensions=8, subspace=3, seed=seed) for seed in (0, 1))
    assert same.centres.equal(HighDimensionalMixture(modes=2, dimensions=8, subspace=3).centres)
    assert not same.centres.equal(other.centres)


def test_veegans_mixture_has_its_published_sizes():
    mixture = HighDimensionalMixture()
    assert (mixture.modes, mixture.dimensions, mixture.degrees_of_freedom) == (10, 1200, 700)


def test_a_dirac_is_one_point_at_0():
    points, modes = drawn(Dirac(dimensions=2), 5)
    assert points.equal(torch.zeros(5, 2)) and modes.equal(torch.zeros(5, dtype=torch.int64))


@pytest.mark.parametrize(("make", "words"), [
    (lambda: Ring(modes=0), "data.mixture.modes=0 must be a whole number of at least 1"),
    (lambda: Ring(radius=0.0), "data.mixture.radius=0.0 must be a number above 0"),
    (lambda: Grid(standard_deviation=math.nan), "data.mixture.standard_deviation=nan must be a number above 0"),
    (lambda: Grid(side=2.5), "data.mixture.side=2.5 must be a whole number"),
    (lambda: HighDimensionalMixture(dimensions=5, subspace=6), "type data.mixture.subspace=5"),
])
def test_settings_that_make_no_mixture_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()

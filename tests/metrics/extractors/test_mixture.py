"""Points beside their mixture: distances by hand, shares by closed forms."""

import math

import pytest
import torch

from saddlepoint.data.evaluation_points import EvaluationPoints
from saddlepoint.data.mixtures import Dirac, Grid, HighDimensionalMixture, Ring
from saddlepoint.errors import RequestError
from saddlepoint.metrics.extractors.classifier import Digits
from saddlepoint.metrics.extractors.mixture import MixtureExtractor
from tests.metrics.features import points
from tests.metrics.stand_ins import grey

PLANE = Grid(side=2, spacing=2.0, standard_deviation=0.1)  # centres (-1, -1), (-1, 1), (1, -1), (1, 1)


def drawn(mixture, count=20_000, seed=0):
    return mixture.draw(count, torch.Generator().manual_seed(seed))


def test_a_point_belongs_to_the_nearest_mode_within_three_deviations_or_to_none():
    at = points((1.0, 1.29), (1.0, 1.31), (-1.2, -1.2), (-1.25, -1.25), (0.0, 0.0), (-0.8, 1.0))
    assert MixtureExtractor(PLANE)(at).modes.tolist() == [3, -1, 0, -1, -1, 1]


def test_typed_deviations_that_differ_are_another_rule():
    one, other = (MixtureExtractor(PLANE, deviations=deviations).mode_rule for deviations in (3.0, 3.00001))
    assert one.words != other.words and one == MixtureExtractor(PLANE, deviations=3).mode_rule
    assert one.words == MixtureExtractor(PLANE).mode_rule.words


def test_by_axes_the_corners_of_a_square_belong_to_it_too():
    at = points((-1.25, -1.25), (-1.29, -0.71), (-1.31, -1.0))  # the first two are further than 3 deviations
    assert MixtureExtractor(PLANE, rule="per_axis")(at).modes.tolist() == [0, 0, -1]
    assert MixtureExtractor(PLANE)(at).modes.tolist() == [-1, -1, -1]


def test_features_are_the_points_and_logits_log_densities():
    at, _ = drawn(PLANE, 10)
    seen = MixtureExtractor(PLANE)(at)
    assert seen.features.equal(at)
    ours = seen.logits.double().softmax(1)
    density = torch.distributions.Normal(PLANE.centres.double(), 0.1)
    expected = density.log_prob(at.double()[:, None]).sum(2).softmax(1)
    torch.testing.assert_close(ours, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(("mixture", "rule", "expected"), [
    (Grid(), "euclidean", 1 - math.exp(-4.5)),  # P(|x| <= 3) of two normal numbers: Rayleigh
    (Grid(), "per_axis", math.erf(3 / math.sqrt(2)) ** 2),
    (HighDimensionalMixture(modes=2, dimensions=5, subspace=1), "euclidean", math.erf(3 / math.sqrt(2)))])
def test_a_perfect_generator_has_the_share_of_a_normal_distribution(mixture, rule, expected):
    extractor = MixtureExtractor(mixture, rule)
    assert extractor.share_within(3.0) == pytest.approx(expected, abs=1e-9)
    at, modes = drawn(mixture, 40_000)
    belongs = extractor(at).modes
    share, error = (belongs >= 0).double().mean().item(), math.sqrt(expected * (1 - expected) / 40_000)
    assert abs(share - expected) < 4 * error
    assert belongs[belongs >= 0].equal(modes[belongs >= 0])  # these modes lie far apart


def test_more_dimensions_have_a_rule_that_holds_as_many_of_their_points():
    mixture = HighDimensionalMixture()  # points are about sqrt(700) = 26.5 deviations from their centres
    extractor = MixtureExtractor(mixture)
    assert 26.5 < extractor.deviations < 30
    assert extractor.share_within(extractor.deviations) == pytest.approx(1 - math.exp(-4.5), abs=1e-9)
    at, modes = drawn(mixture, 500)
    belongs = extractor(at).modes
    assert (belongs >= 0).double().mean() > 0.96 and belongs[belongs >= 0].equal(modes[belongs >= 0])
    assert "within 28" in extractor.mode_rule.words


def test_by_axes_more_dimensions_have_their_number_too():
    mixture = HighDimensionalMixture(modes=2, dimensions=9, subspace=9)
    extractor = MixtureExtractor(mixture, rule="per_axis")
    assert math.erf(extractor.deviations / math.sqrt(2)) ** 9 == pytest.approx(math.erf(3 / math.sqrt(2)) ** 2)


def test_what_leaves_nothing_is_refused_with_what_to_type():
    mixture = HighDimensionalMixture()
    with pytest.raises(ValueError, match=r"extractor.deviations=3 must be larger .* type extractor.deviations=28"):
        MixtureExtractor(mixture, deviations=3.0)
    with pytest.raises(ValueError, match="type extractor.rule=euclidean"):
        MixtureExtractor(mixture, rule="per_axis")
    with pytest.raises(ValueError, match="extractor.rule=axis must be one of euclidean, per_axis"):
        MixtureExtractor(PLANE, rule="axis")
    with pytest.raises(ValueError, match="extractor.deviations=0 must be a number above 0"):
        MixtureExtractor(PLANE, deviations=0)


def test_a_mixture_without_width_has_features_alone():
    extractor = MixtureExtractor(Dirac(2))
    seen = extractor(points((1.0, 2.0)))
    assert seen.features.tolist() == [[1, 2]] and seen.logits is None and seen.modes is None
    assert extractor.mode_rule is None and "no width (standard deviation 0)" in extractor.why_no_modes


def test_what_it_is_not_for_is_refused_with_what_to_type():
    cloud = EvaluationPoints("cloud", "train", torch.zeros(3, 4), torch.zeros(3).long())
    with pytest.raises(RequestError, match="points of 2 coordinates, those of its mixture, and these have 4"):
        MixtureExtractor(PLANE).check_set(cloud)
    with pytest.raises(RequestError, match="extractor=mixture looks at points, and these are images"):
        MixtureExtractor(PLANE).check_set(grey(3))
    with pytest.raises(RequestError, match="extractor=digits looks at images, and these are points of 4 coordinates: "
                                           "type extractor=mixture"):
        Digits().check_set(cloud)
    with pytest.raises(RequestError, match="there is none here: choose data with one, e.g. data=ring"):
        MixtureExtractor(None)
    MixtureExtractor(PLANE).check_set(EvaluationPoints("cloud", "train", torch.zeros(3, 2), torch.zeros(3).long()))


def test_its_digest_is_of_centres_and_width():
    digests = {MixtureExtractor(mixture).digest for mixture in (
        Ring(), Ring(radius=2.0), Ring(standard_deviation=0.02), Ring(modes=7))}
    assert len(digests) == 4 and MixtureExtractor(Ring()).digest in digests

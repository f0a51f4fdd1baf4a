"""The Inception Score, against its limits and torch-fidelity."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, KEY_METRIC_ISC_STD, isc_features_to_metric

from saddlepoint.metrics.evaluator import Evaluator
from saddlepoint.metrics.images import EvaluationBlocks
from saddlepoint.metrics.inception_score import InceptionScore, resampled_scores
from saddlepoint.metrics.sums import SplitScores
from tests.metrics.features import normal, sample, setup
from tests.metrics.stand_ins import BlockMeans, features_of, grey
from tests.metrics.test_collecting import Gaps


def scored(logits, splits: int, portions: list[int] | None = None) -> SplitScores:
    scores, first = SplitScores(logits.shape[1], len(logits), splits), 0
    for portion in logits.split(portions or len(logits)):
        scores.update(portion, first)
        first += len(portion)
    return scores


def certain_of(classes: list[int], num_classes: int):
    """p = 1 for the class, below 1e-40 for the others: logits 100 apart"""
    return 100 * torch.nn.functional.one_hot(torch.tensor(classes), num_classes).float()


def test_probabilities_that_are_all_alike_score_1():
    """KL(p(y|x) || p(y)) = 0: nothing is recognised, or always the same"""
    assert scored(torch.zeros(20, 7), 2).value() == pytest.approx((1, 0))
    assert scored(certain_of([3] * 20, 7), 2).value() == pytest.approx((1, 0))


def test_each_class_recognised_and_made_equally_often_scores_the_number_of_classes():
    assert scored(certain_of([0, 1, 2, 3, 4] * 8, 5), 4).value() == pytest.approx((5, 0))


def test_it_is_the_exponential_of_the_mean_over_images_and_then_the_mean_over_splits():
    """First split: two classes, equally often: 2. Second split: one class: 1. Both are 1/2 away from their mean."""
    assert scored(certain_of([0, 1, 1, 0, 2, 2, 2, 2], 3), 2).value() == pytest.approx((1.5, 0.5))


def test_of_two_outcomes_with_known_probabilities():
    """p = (3/4, 1/4) and (1/4, 3/4): p(y) = 1/2 each, KL = 3/4 log 3/2 + 1/4 log 1/2"""
    logits = torch.tensor([[3.0, 1.0], [1.0, 3.0]]).log()
    expected = math.exp(0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    assert scored(logits, 1).value()[0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("count, splits", [(500, 10), (503, 10), (97, 7), (40, 1)])
def test_it_is_torch_fidelitys(count, splits):
    logits = 3 * normal(count, 12, seed=count)
    theirs = isc_features_to_metric(logits, splits, shuffle=False)
    value, deviation = scored(logits, splits).value()
    assert value == pytest.approx(theirs[KEY_METRIC_ISC_MEAN], rel=1e-9)
    assert deviation == pytest.approx(theirs[KEY_METRIC_ISC_STD], rel=1e-6, abs=1e-12)


def test_classes_that_never_occur_and_logits_far_apart_leave_it_finite():
    logits = torch.tensor([[0.0, -1e30, 1e4], [1e4, -1e30, 0.0]])
    assert scored(logits, 1).value()[0] == pytest.approx(2)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 5), st.randoms())
def test_portions_of_any_length_and_order_add_up(portions, splits, random):
    logits = normal(sum(portions) + splits, 4, seed=len(portions))
    portions = [*portions, splits]
    starts = [sum(portions[:index]) for index in range(len(portions))]
    order = random.sample(range(len(portions)), len(portions))
    scores = SplitScores(4, len(logits), splits)
    for index in order:
        scores.update(logits[starts[index]:starts[index] + portions[index]], starts[index])
    assert scores.value() == pytest.approx(scored(logits, splits).value(), rel=1e-12, abs=1e-12)


def test_sums_of_two_processes_are_those_of_all_images():
    logits = normal(100, 6, seed=1)
    halves = [SplitScores(6, 100, 3) for _ in range(2)]
    for number, portion in enumerate(logits.split(16)):
        halves[number % 2].update(portion, 16 * number)
    one, other = (half.tensors() for half in halves)
    together = SplitScores.from_tensors({name: one[name] + other[name] for name in one})
    assert together.value() == pytest.approx(scored(logits, 3).value(), rel=1e-12)
    assert together.splits == 3


def test_the_metric_reads_the_sums_and_says_its_splits():
    scores = scored(certain_of([0, 1, 1, 0, 2, 2, 2, 2], 3), 2)
    measured = InceptionScore(splits=2).measure(sample(), sample(scores=scores), seed=0, resamples=0)
    assert (measured.value, measured.details["std"]) == pytest.approx((1.5, 0.5))
    assert measured.settings == {"splits": 2} and measured.interval is None


@pytest.mark.parametrize("count, splits", [(500, 10), (503, 10), (97, 7)])
def test_files_are_dealt_out_to_splits_as_torch_fidelity_deals_them_out(count, splits):
    logits = 3 * normal(count, 12, seed=count)
    theirs = isc_features_to_metric(logits, splits)  # with its own choice to mix, and its own seed
    measured = InceptionScore(splits).measure(sample(), sample(logits=logits), seed=7, resamples=0)
    assert measured.value == pytest.approx(theirs[KEY_METRIC_ISC_MEAN], rel=1e-9)
    assert measured.details["std"] == pytest.approx(theirs[KEY_METRIC_ISC_STD], rel=1e-6)


def test_files_sorted_by_class_score_what_files_in_any_other_order_score():
    """Each of 5 classes 100 times, recognised: 5 if a split of 50 has 10 of each, a little less by chance. Contiguous
    splits would have one class each, and score 1."""
    logits = certain_of([label for label in range(5) for _ in range(100)], 5)

    def score(order):
        return InceptionScore(10).measure(sample(), sample(logits=logits[order]), seed=0, resamples=0).value

    draws = torch.Generator().manual_seed(0)
    others = torch.tensor([score(torch.randperm(500, generator=draws)) for _ in range(30)])
    assert scored(logits, 10).value()[0] == pytest.approx(1)
    assert abs(score(torch.arange(500)) - others.mean()) < 4 * others.std() and others.min() > 4.5


def test_the_interval_of_files_sorted_by_class_is_around_their_value():
    logits = certain_of([0] * 50 + [1] * 50, 2)
    measured = InceptionScore(2).measure(sample(), sample(logits=logits), seed=0, resamples=50)
    low, high = measured.interval
    assert low < measured.value < high and measured.value > 1.9


def test_splits_are_those_of_the_files_that_can_be_read():
    """20 files of which 2 break off, in 18 splits: none is empty, and torch-fidelity agrees on the 18."""
    evaluator = Evaluator(BlockMeans(), {"is": InceptionScore(18)}, resamples=10)
    still = grey(20)
    fake = evaluator.look_at_fakes(EvaluationBlocks(Gaps(still)))
    measured = evaluator.measure(evaluator.look_at_real(still), fake)["is"]
    read = [index for index in range(20) if index % 10]
    theirs = isc_features_to_metric(20 * features_of(still)[read], 18)
    assert measured.value == pytest.approx(theirs[KEY_METRIC_ISC_MEAN], rel=1e-9)
    assert measured.interval is None and "alone in theirs" in measured.reason


def test_only_values_of_mixed_files_say_so_since_those_of_generators_are_what_they_were():
    logits = normal(40, 4, seed=8)
    of_files = InceptionScore(2).measure(sample(), sample(logits=logits), 0, 0)
    of_generator = InceptionScore(2).measure(sample(), sample(scores=scored(logits, 2)), 0, 0)
    assert "torch-fidelity" in of_files.settings["order"] and of_generator.settings == {"splits": 2}


def test_no_interval_is_given_where_an_image_is_alone_in_its_split():
    few = sample(logits=normal(15, 4, seed=9))
    measured = InceptionScore(10).measure(sample(), few, seed=0, resamples=20)
    assert measured.interval is None and "15 fakes in metrics.is.splits=10 splits" in measured.reason
    assert InceptionScore(7).measure(sample(), few, seed=0, resamples=20).interval is not None


def test_resampling_draws_the_images_of_each_split_anew():
    """Splits of one class each: whatever is drawn, each scores 1, while all images together score 2."""
    logits = certain_of([0] * 10 + [1] * 10, 2)
    torch.testing.assert_close(resampled_scores(logits, 2, seed=0, resamples=5), torch.ones(5).double())
    assert (resampled_scores(logits, 1, seed=0, resamples=5) > 1.5).all()


def test_a_resample_is_the_score_of_the_drawn_images():
    """Two images: drawn is one of them twice (score 1, half of the time) or both (their score)."""
    logits = normal(2, 5, seed=3)
    both = scored(logits, 1).value()[0]
    resampled = resampled_scores(logits, 1, seed=0, resamples=200)
    is_one = (resampled - 1).abs() < 1e-12
    torch.testing.assert_close(resampled[~is_one], torch.full_like(resampled[~is_one], both))
    assert 60 <= is_one.sum() <= 140  # Binomial(200, 1/2) leaves this range once in 10^8


def test_the_interval_covers_the_mean_score_of_such_sets_in_95_of_100():
    """Sets of 200 images in 2 splits; the truth is the mean over 400 other sets. Binomial(100, 0.95) is at least 87
    with probability 0.999."""
    logits = 2 * normal(500 * 200, 5, seed=5).view(500, 200, 5)
    values = torch.tensor([scored(each, 2).value()[0] for each in logits])
    truth, covered = values[100:].mean().item(), 0
    for seed, each in enumerate(logits[:100]):
        fake = sample(logits=each, scores=scored(each, 2))
        low, high = InceptionScore(2).measure(sample(), fake, seed, resamples=400).interval
        covered += low <= truth <= high
    assert covered >= 87


def test_the_interval_depends_on_the_seed_alone_and_leaves_torchs_generator_alone():
    logits = normal(60, 4, seed=6)
    fake, state = sample(logits=logits, scores=scored(logits, 3)), torch.get_rng_state()
    first, again, other = (InceptionScore(3).measure(sample(), fake, seed, 20).interval for seed in (1, 1, 2))
    assert first == again != other
    assert torch.equal(torch.get_rng_state(), state)


def test_fewer_fakes_than_splits_are_refused():
    metric = InceptionScore(splits=10)
    assert metric.problem(setup(num_fake=10)) is None
    sentence = metric.problem(setup(num_fake=9))
    assert "is_digits" in sentence and "metrics.is.splits=10" in sentence and "9" in sentence
    assert "knows none" in metric.problem(setup(num_fake=9, num_classes=0))


def test_a_setting_out_of_range_is_named():
    with pytest.raises(ValueError, match="metrics.is.splits=0"):
        InceptionScore(splits=0)

"""What a metric says of images of which there is nothing to say: a reason in place of a number, never a number that is
none, and the other metrics have theirs."""

import json
import math
from importlib import resources

import jsonschema
import pytest
import torch

from saddlepoint.data.evaluation_images import EvaluationTensor
from saddlepoint.metrics.bootstrap import ONE_IMAGE
from saddlepoint.metrics.conditional import ClassFrechetDistance, LabelAccuracy
from saddlepoint.metrics.evaluator import Evaluator
from saddlepoint.metrics.frechet import ExtrapolatedFrechetDistance, FrechetDistance
from saddlepoint.metrics.images import EvaluationBlocks
from saddlepoint.metrics.inception_score import InceptionScore
from saddlepoint.metrics.kernel import KernelDistance
from saddlepoint.metrics.metric import Measurement, Metric, Sample
from saddlepoint.metrics.modes import RarestClass
from saddlepoint.metrics.neighbours import Duplicates, NeighbourDistance
from saddlepoint.metrics.precision_recall import Coverage, Density, Precision, Recall
from saddlepoint.metrics.provenance import format_table, values
from saddlepoint.metrics.sums import Moments
from tests.metrics.features import sample, setup
from tests.metrics.stand_ins import BlockMeans, grey
from tests.metrics.test_provenance import PROTOCOL

SCHEMA = json.loads(resources.files("saddlepoint.metrics").joinpath("schema.json").read_text())
ALL = {metric.name: metric for metric in (
    FrechetDistance(), ExtrapolatedFrechetDistance(), InceptionScore(2), KernelDistance(4, 10), Precision(), Recall(),
    Density(), Coverage(), Duplicates(), NeighbourDistance(), LabelAccuracy(), ClassFrechetDistance(), RarestClass())}
CLASSES = ("0", "1", "2", "3")


def of_one_grey(count: int, level: int) -> EvaluationTensor:
    return EvaluationTensor("grey", "train", torch.full((count, 1, 4, 4), level, dtype=torch.uint8),
                       torch.arange(count) % 4)


def with_copies() -> EvaluationTensor:
    once = grey(40)
    return EvaluationTensor("copies", "train", once.images.repeat(2, 1, 1, 1), once.labels.repeat(2))


def measured(real: EvaluationTensor, fake: EvaluationTensor) -> dict[str, Measurement]:
    evaluator = Evaluator(BlockMeans(), ALL, resamples=12)
    return evaluator.measure(evaluator.look_at_real(real), evaluator.look_at_fakes(EvaluationBlocks(fake)), CLASSES)


@pytest.mark.parametrize(("real", "fake"), [
    (grey(80), of_one_grey(80, 50)), (of_one_grey(80, 50), grey(80)), (of_one_grey(80, 50), of_one_grey(80, 60)),
    (of_one_grey(80, 0), of_one_grey(80, 0)), (with_copies(), grey(80, seed=1)), (grey(80), with_copies()),
    (grey(80), grey(1)), (grey(1), grey(80)), (grey(1), grey(1)), (grey(2), grey(2)), (grey(7), grey(30)),
], ids=["all fakes equal", "all reals equal", "all equal", "all black", "copies among reals", "copies among fakes",
        "one fake", "one real", "one of each", "two of each", "few"])
def test_every_metric_has_a_finite_value_or_a_reason_and_the_file_is_json(real, fake):
    found = measured(real, fake)
    assert found.keys() == ALL.keys()
    for name, each in found.items():
        assert math.isfinite(each.value) != (each.interval is None and math.isnan(each.value)), name
        assert math.isfinite(each.value) or each.reason, name
        assert each.interval is None or all(map(math.isfinite, each.interval)), name
    numbers = values(found, PROTOCOL, 1)
    content = json.dumps({"metrics": [value.as_json() for value in numbers]}, allow_nan=False)
    jsonschema.validate(json.loads(content), SCHEMA)
    shown = format_table(numbers)
    assert "nan" not in shown.split("has no")[0] and shown.count("none") >= sum(map(math.isnan, (
        value.value for value in numbers)))


def test_copies_among_real_images_cost_one_metric_its_value_and_the_others_nothing():
    found = measured(with_copies(), grey(80, seed=1))
    lost = {name for name, each in found.items() if math.isnan(each.value)}
    assert lost == {"neighbour_distance"}
    assert "exact copy" in found["neighbour_distance"].reason
    details = found["neighbour_distance"].details
    assert details["real_to_real"] == 0 < details["fake_to_real"]


def test_black_images_are_no_distance_from_black_images():
    found = measured(of_one_grey(80, 0), of_one_grey(80, 0))
    assert found["fid"].value == found["class_fid"].value == 0 and abs(found["kid"].value) < 1e-12
    assert found["is"].value == pytest.approx(1)  # each is recognised as the same


def test_images_of_one_colour_lie_apart_by_the_square_of_their_means():
    """Both covariances are 0: four features, each 10 / 255 apart"""
    assert measured(of_one_grey(80, 50), of_one_grey(80, 60))["fid"].value == pytest.approx(4 * (10 / 255) ** 2)


def test_a_single_image_has_no_interval():
    one = sample(torch.zeros(1, 4), logits=torch.zeros(1, 10), labels=torch.zeros(1, dtype=torch.long))
    many = sample(torch.randn(20, 4))
    for metric in (Precision(), Density(), LabelAccuracy(), RarestClass()):
        found = metric.measure(many, one, 0, 20)
        assert found.interval is None and found.reason == ONE_IMAGE, metric.name
    assert NeighbourDistance().measure(many, one, 0, 20).reason == "a median's takes 6 fakes or more, and there are 1"


@pytest.mark.parametrize("count", range(2, 12))
def test_a_median_has_an_interval_where_all_values_together_hold_it_95_times_of_100(count):
    """All lie above the median with probability 1 / 2^N, and below it as well."""
    found = NeighbourDistance().measure(sample(torch.randn(20, 4)), sample(torch.randn(count, 4)), 0, 20)
    assert (found.interval is not None) == (1 - 2 / 2**count >= 0.95)


def test_kid_says_why_it_has_no_interval():
    features = torch.randn(30, 4)
    for metric in (KernelDistance(1, 10), KernelDistance(5, 30)):
        found = metric.measure(sample(features), sample(features), 0, 20)
        assert math.isfinite(found.value) and found.interval is None
        assert f"of 30 images there are metrics.kid.subsets={metric.subsets} of" in found.reason
    assert KernelDistance(5, 10).measure(sample(features), sample(features), 0, 20).reason == ""


def test_a_line_through_one_point_is_refused():
    """0.999 of 400 is 400: all subsets are the whole"""
    sentence = ExtrapolatedFrechetDistance(smallest_share=0.999).problem(setup(num_fake=400))
    assert "metrics.fid_infinity.smallest_share=0.999" in sentence
    assert ExtrapolatedFrechetDistance(smallest_share=0.99).problem(setup(num_fake=400)) is None


def test_a_class_of_which_too_few_images_can_be_read_has_no_distance():
    """Three of class 0, where 5 are needed for 4 features; the files promised 20."""
    real, fake = grey(80), grey(80, seed=1)
    real.labels, fake.labels = torch.arange(80) % 4, torch.arange(80) % 4
    evaluator = Evaluator(BlockMeans(), {"class_fid": ClassFrechetDistance(), "fid": FrechetDistance()})
    seen = evaluator.look_at_real(real)
    kept = torch.tensor([label != 0 or index < 12 for index, label in enumerate(real.labels.tolist())])
    left = Sample(Moments.of(seen.features[kept]), features=seen.features[kept], labels=seen.labels[kept])
    found = evaluator.measure(left, evaluator.look_at_fakes(EvaluationBlocks(fake)), CLASSES)
    assert math.isnan(found["class_fid"].value) and "3 real images of class 0" in found["class_fid"].reason
    assert math.isfinite(found["fid"].value)


class Odd(Metric):
    name, greater_is_better = "odd", True

    def __init__(self, measurement: Measurement | None):
        self.measurement = measurement

    def measure(self, real, fake, seed, resamples):
        if self.measurement is None:
            raise torch.linalg.LinAlgError("it does not converge")
        return self.measurement


@pytest.mark.parametrize(("given", "reason"), [
    (Measurement(math.inf, (0.0, 1.0)), "it came out as inf"), (None, "cannot be decomposed"),
    (Measurement(math.nan, (math.nan, math.nan)), "it came out as nan")])
def test_whatever_else_goes_wrong_with_a_number_costs_this_number_only(given, reason):
    evaluator = Evaluator(BlockMeans(), {"odd": Odd(given), "fid": FrechetDistance()})
    found = evaluator.measure(evaluator.look_at_real(grey(80)), evaluator.look_at_fakes(EvaluationBlocks(grey(80))))
    assert math.isnan(found["odd"].value) and found["odd"].interval is None and reason in found["odd"].reason
    assert abs(found["fid"].value) < 1e-9


def test_an_interval_that_is_none_costs_the_interval_only():
    evaluator = Evaluator(BlockMeans(), {"odd": Odd(Measurement(2.0, (1.0, math.nan)))})
    real, fake = evaluator.look_at_real(grey(80)), evaluator.look_at_fakes(EvaluationBlocks(grey(80)))
    found = evaluator.measure(real, fake)["odd"]
    assert found.value == 2 and found.interval is None and found.reason

"""One pass serves every metric; what cannot be measured is said before."""

import torch
from torch import nn

from saddlepoint.game.latents import Latents
from saddlepoint.metrics.evaluator import Evaluator, without
from saddlepoint.metrics.frechet import FrechetDistance
from saddlepoint.metrics.images import BLOCK, EvaluationBlocks, GeneratedImages
from saddlepoint.metrics.inception_score import InceptionScore
from saddlepoint.metrics.kernel import KernelDistance
from saddlepoint.metrics.precision_recall import Coverage, Precision
from tests.metrics.stand_ins import BlockMeans, grey

ALL = {metric.name: metric for metric in (
    FrechetDistance(), InceptionScore(2), KernelDistance(subsets=3, subset_size=50), Precision(), Coverage())}


def test_every_image_passes_once_whatever_the_number_of_metrics():
    extractor = BlockMeans()
    evaluator = Evaluator(extractor, ALL, resamples=2)
    real, fake = evaluator.look_at_real(grey(100)), evaluator.look_at_fakes(EvaluationBlocks(grey(80, seed=1)))
    evaluator.measure(real, fake)
    assert sum(extractor.seen) == 180


def test_real_against_itself_is_perfect():
    evaluator = Evaluator(BlockMeans(), ALL)
    real, fake = evaluator.look_at_real(grey(100)), evaluator.look_at_fakes(EvaluationBlocks(grey(100)))
    measured = {name: measurement.value for name, measurement in evaluator.measure(real, fake).items()}
    assert abs(measured["fid"]) < 1e-9 and measured["precision"] == measured["coverage"] == 1


def test_features_are_kept_only_for_metrics_that_need_them():
    sums_only = {name: ALL[name] for name in ("fid", "is")}
    assert Evaluator(BlockMeans(), sums_only).look_at_real(grey(100)).features is None
    assert Evaluator(BlockMeans(), ALL).look_at_real(grey(100)).features is not None
    fakes = EvaluationBlocks(grey(100))
    assert Evaluator(BlockMeans(), sums_only, resamples=10).look_at_fakes(fakes).logits is not None


def test_what_cannot_be_measured_is_said_with_the_numbers():
    evaluator = Evaluator(BlockMeans(), ALL)
    problems = evaluator.problems(evaluator.setup(grey(100), 4))
    assert set(problems) == {"fid", "kid"}
    assert "5" in problems["fid"] and "4" in problems["fid"]
    assert set(without(ALL, problems)) == {"is", "precision", "coverage"}


def test_fakes_for_classes_are_counted_in_the_datas_proportions():
    real = grey(100)
    real.labels[:] = torch.arange(100) // 50
    setup = Evaluator(BlockMeans(), ALL).setup(real, 40, ("0", "1"))
    assert setup.labelled and setup.class_counts == ((50, 50), (20, 20)) and not setup.same_classes
    assert Evaluator(BlockMeans(), ALL).setup(real, 40, ("0", "1", "2", "3")).same_classes


class Labelled(nn.Module):
    """Paints its label."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.1))

    def forward(self, latents, labels):
        return (self.scale * labels).view(-1, 1, 1, 1).expand(-1, 1, 4, 4)


def test_classes_of_fakes_follow_the_distribution_and_the_seed():
    cumulative = torch.tensor([0.2, 0.2, 1.0], dtype=torch.float64)
    images = GeneratedImages(Labelled(), Latents(3), cumulative, seed=0, count=1000)
    labels = torch.cat([block.labels for _, block in images.blocks()])
    counts = labels.bincount(minlength=3).tolist()
    assert counts[1] == 0 and 150 < counts[0] < 250
    again = GeneratedImages(Labelled(), Latents(3), cumulative, seed=0, count=100)
    assert torch.equal(torch.cat([block.labels for _, block in again.blocks()]), labels[:100])


def test_an_image_is_the_same_however_many_are_drawn():
    generator = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Unflatten(1, (1, 4, 4)))
    generator.forward = lambda latents, labels, forward=generator.forward: forward(latents)
    few, many = (GeneratedImages(generator, Latents(3), None, 0, count) for count in (BLOCK + 3, 5 * BLOCK))
    for (first, some), (start, all_of_them) in zip(few.blocks(), many.blocks(), strict=False):
        assert first == start and torch.equal(some.images, all_of_them.images[:len(some.images)])

"""Run alone or as one of several: measures the same fakes by as many processes as there are, and the first writes what
came out. Not a test itself."""

import sys

import torch
from torch import nn

from saddlepoint.game.latents import Latents
from saddlepoint.metrics.cmmd import NormalisedKernelDistance
from saddlepoint.metrics.evaluator import Evaluator
from saddlepoint.metrics.frechet import FrechetDistance, SpatialFrechetDistance
from saddlepoint.metrics.images import GeneratedImages
from saddlepoint.metrics.inception_score import InceptionScore
from saddlepoint.metrics.kernel import KernelDistance
from saddlepoint.metrics.neighbours import Duplicates, NeighbourDistance
from saddlepoint.metrics.path_length import PathLength
from saddlepoint.metrics.precision_recall import Coverage, Density, Precision, Recall
from saddlepoint.parallel.collectives import join_processes
from tests.metrics.stand_ins import BlockMeans, grey


class Painter(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 16), nn.Tanh())

    def forward(self, latents, labels):
        return self.layers(latents).view(-1, 1, 4, 4)


class Pixels(nn.Module):
    digest = "0" * 64

    def forward(self, one, other):
        return (one - other).square().sum((1, 2, 3))


class PathLengthByPixels(PathLength):
    """Without the weights of LPIPS"""

    distance = Pixels()

    def problem(self, setup):
        return None


METRICS = (FrechetDistance(), InceptionScore(splits=3), KernelDistance(subsets=10, subset_size=50), Precision(),
           Recall(), Density(), Coverage(), Duplicates(), NeighbourDistance(), SpatialFrechetDistance(),
           NormalisedKernelDistance(), PathLengthByPixels())

torch.set_num_threads(1)
torch.manual_seed(0)
painter = Painter()
with join_processes() as is_first:
    evaluator = Evaluator(BlockMeans(), {metric.name: metric for metric in METRICS}, resamples=5)
    real = evaluator.look_at_real(grey(150))
    fake = evaluator.look_at_fakes(GeneratedImages(painter, Latents(3), None, seed=0, count=201))
    if is_first:
        values = {}
        for name, measurement in evaluator.measure(real, fake).items():
            values[name] = measurement.value
            values |= {f"{name} {end}": bound for end, bound in enumerate(measurement.interval or ())}
        torch.save(values, sys.argv[1])

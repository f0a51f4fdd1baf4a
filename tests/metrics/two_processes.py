"""Run alone or as one of several: measures the same fakes by as many processes as there are, and the first writes what
came out. Not a test itself."""

import sys

import torch
from torch import nn

from saddlepoint.metrics.frechet import FrechetDistance
from saddlepoint.metrics.images import GeneratedImages
from saddlepoint.metrics.inception_score import InceptionScore
from saddlepoint.metrics.judge import Judge
from saddlepoint.metrics.kernel import KernelDistance
from saddlepoint.metrics.neighbours import Duplicates, NeighbourDistance
from saddlepoint.metrics.precision_recall import Coverage, Density, Precision, Recall
from saddlepoint.modules.latents import Latents
from saddlepoint.parallel.collectives import joined
from tests.metrics.stand_ins import BlockMeans, grey


class Painter(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 16), nn.Tanh())

    def forward(self, latents, labels):
        return self.layers(latents).view(-1, 1, 4, 4)


METRICS = (FrechetDistance(), InceptionScore(splits=3), KernelDistance(subsets=10, subset_size=50), Precision(),
           Recall(), Density(), Coverage(), Duplicates(), NeighbourDistance())

torch.set_num_threads(1)
torch.manual_seed(0)
painter = Painter()
with joined() as is_first:
    judge = Judge(BlockMeans(), {metric.name: metric for metric in METRICS}, resamples=5)
    real = judge.look_at_real(grey(150))
    fake = judge.look_at_fakes(GeneratedImages(painter, Latents(3), None, seed=0, count=201))
    if is_first:
        values = {}
        for name, measurement in judge.measure(real, fake).items():
            values[name] = measurement.value
            values |= {f"{name} {end}": bound for end, bound in enumerate(measurement.interval or ())}
        torch.save(values, sys.argv[1])

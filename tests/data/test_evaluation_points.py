"""Points in the place of images for metrics."""

import torch
from torch import nn

from saddlepoint.data.evaluation_points import EvaluationPoints
from saddlepoint.game.latents import Latents
from saddlepoint.metrics.images import BLOCK, EvaluationBlocks, GeneratedImages
from saddlepoint.metrics.quantisation import half_up
from tests.metrics.features import normal


def points(count: int, dimensions: int = 3, seed: int = 0) -> EvaluationPoints:
    return EvaluationPoints("cloud", "train", normal(count, dimensions, seed), torch.arange(count))


def test_blocks_have_each_point_once_in_float32():
    cloud = points(2 * BLOCK + 5)
    blocks = [block for _, block in EvaluationBlocks(cloud).blocks()]
    assert [len(block.images) for block in blocks] == [BLOCK, BLOCK, 5]
    assert torch.cat([block.images for block in blocks]).equal(cloud.points)
    assert torch.cat([block.labels for block in blocks]).equal(torch.arange(2 * BLOCK + 5))


def test_a_subset_has_its_own_identity_and_the_same_points_the_same():
    cloud, few = points(50), points(50).limited(10)
    assert len(few) == 10 and few.points.equal(cloud.points[few.labels])
    assert cloud.identity() == points(50).identity()
    others = (few, points(50, seed=1), EvaluationPoints("cloud", "train", cloud.points, torch.zeros(50).long()),
              EvaluationPoints("cloud", "train", cloud.points.view(25, 6), torch.arange(25)))
    assert cloud.identity() not in [other.identity() for other in others]


def test_a_generators_points_are_not_brought_to_8_bits():
    generator = nn.Linear(2, 3)
    drawn = GeneratedImages(Doubling(generator), Latents(2), None, seed=0, count=BLOCK + 1, quantise=half_up)
    blocks = dict(drawn.blocks())
    assert torch.cat([block.images for block in blocks.values()]).dtype == torch.float32
    latents = Latents(2).of_images(0, 0, BLOCK)
    torch.testing.assert_close(blocks[0].images, 2 * generator(latents).detach())
    assert drawn.block(BLOCK).images.equal(blocks[BLOCK].images) and len(blocks[BLOCK].images) == 1


class Doubling(nn.Module):
    """Makes points far outside [-1, 1]."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer

    def forward(self, latents, labels):
        return 2 * self.layer(latents)

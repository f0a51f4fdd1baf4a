"""What a GPU does differently, as far as it can be tried without one: several blocks pass at once, sums and distances
are computed where the features are, and nothing is read before the end. Tensors of the device "meta" have no numbers,
so that whoever reads one gets an error."""

import itertools

import pytest
import torch
from torch import nn

from saddlepoint.errors import Diverged, RequestError
from saddlepoint.game.latents import Latents
from saddlepoint.metrics import distances, metric, portions, sums
from saddlepoint.metrics.cmmd import NormalisedKernelDistance
from saddlepoint.metrics.collecting import Collector, Keep, collect
from saddlepoint.metrics.distances import MOST_TILE, TILE, largest_side, nearest, radii
from saddlepoint.metrics.evaluator import Evaluator
from saddlepoint.metrics.extractors.random import RandomConvolutions
from saddlepoint.metrics.frechet import FrechetDistance, SpatialFrechetDistance
from saddlepoint.metrics.images import BLOCK, EvaluationBlocks, GeneratedImages
from saddlepoint.metrics.inception_score import InceptionScore
from saddlepoint.metrics.kernel import KernelDistance
from saddlepoint.metrics.metric import on_one_device
from saddlepoint.metrics.neighbours import Duplicates, NeighbourDistance
from saddlepoint.metrics.portions import MOST_BLOCKS, Portion, blocks_that_fit
from saddlepoint.metrics.precision_recall import Coverage, Density, Precision, Recall, in_closed_balls, in_open_balls
from saddlepoint.metrics.standing_statistics import use_batch_statistics
from saddlepoint.metrics.sums import Moments, SplitScores
from tests.metrics.features import normal
from tests.metrics.stand_ins import BlockMeans, grey

META, CPU = torch.device("meta"), torch.device("cpu")


class Painter(nn.Module):
    """Draws grey images of 8 x 8 pixels, with convolutions."""

    def __init__(self, norm: bool = False):
        super().__init__()
        self.first = nn.Linear(3, 64)
        self.norm = nn.BatchNorm2d(4) if norm else nn.Identity()
        self.last = nn.Conv2d(4, 1, 3, padding=1)
        self.lengths: list[int] = []

    def forward(self, latents, labels):
        self.lengths.append(len(latents))
        maps = self.norm(self.first(latents).view(-1, 4, 4, 4)).repeat_interleave(2, 2).repeat_interleave(2, 3)
        return torch.tanh(self.last(maps))


@pytest.fixture
def painter() -> Painter:
    torch.manual_seed(0)
    return Painter().eval().requires_grad_(False)


@pytest.fixture
def roomy(monkeypatch):
    """A CPU on which blocks are joined as on a GPU: the first is said to have allocated a GB, and 8 GB are free."""
    spent = itertools.count(0, 1 << 30)
    monkeypatch.setattr(portions, "joins_blocks", lambda device: True)
    monkeypatch.setattr(portions, "bytes_allocated", lambda device: next(spent))
    monkeypatch.setattr(portions, "free_bytes", lambda device: 8 << 30)


def measured(painter: Painter):
    metrics = (FrechetDistance(), KernelDistance(subsets=10, subset_size=200), Precision(), Recall(), Density(),
               Coverage(), Duplicates(), NeighbourDistance(), SpatialFrechetDistance(),
               NormalisedKernelDistance())
    evaluator = Evaluator(RandomConvolutions(seed=0, image_size=8), {each.name: each for each in metrics}, resamples=3)
    fakes = evaluator.look_at_fakes(GeneratedImages(painter, Latents(3), None, seed=0, count=901))
    return fakes, evaluator.measure(evaluator.look_at_real(grey(801, size=8)), fakes)


def test_several_blocks_at_once_give_the_same_images_and_values(painter, monkeypatch, request):
    one_by_one, values = measured(painter)
    assert set(painter.lengths) == {BLOCK}
    painter.lengths.clear()
    request.getfixturevalue("roomy")
    joined, same_values = measured(painter)
    assert painter.lengths == [BLOCK] + 3 * [4 * BLOCK] + [2 * BLOCK]  # half of 8 GB, after a first one of 1 GB
    assert joined.digest == one_by_one.digest
    torch.testing.assert_close(joined.features, one_by_one.features, rtol=1e-5, atol=1e-6)
    for name, measurement in values.items():
        assert same_values[name].value == pytest.approx(measurement.value, rel=1e-6), name
        if measurement.interval:
            assert same_values[name].interval == pytest.approx(measurement.interval, rel=1e-5), name


def test_real_images_pass_together_too_whatever_could_not_be_read(roomy):
    class OneMissing(EvaluationBlocks):
        def block(self, first):
            block = super().block(first)
            cut = slice(1, None) if first == BLOCK else slice(None)
            return block._replace(images=block.images[cut], labels=block.labels[cut],
                                  unreadable={"a.png": "it is empty"} if first == BLOCK else {})

    still, extractor = grey(400), BlockMeans()
    sample = collect(OneMissing(still).blocks(), 400, extractor, Keep(features=True, logits=True))
    assert extractor.seen == [64, 4 * 64 - 1, 400 - 5 * 64]
    kept = [number for number in range(400) if number != BLOCK]
    assert torch.equal(sample.labels, still.labels[kept]) and sample.count == 399
    torch.testing.assert_close(sample.features, BlockMeans()(still.images[kept]).features)


def test_blocks_are_joined_only_where_a_block_does_not_matter(roomy):
    normed = Painter(norm=True).eval().requires_grad_(False)
    drawn = {}
    for kind in ("running", "batch"):
        if kind == "batch":
            use_batch_statistics(normed)
        list(GeneratedImages(normed, Latents(3), None, seed=0, count=8 * BLOCK).blocks())
        drawn[kind] = max(normed.lengths)
        normed.lengths.clear()
    assert drawn == {"running": 4 * BLOCK, "batch": BLOCK}


def test_each_of_several_processes_joins_its_own_blocks(painter, roomy, monkeypatch):
    images = GeneratedImages(painter, Latents(3), None, seed=0, count=20 * BLOCK + 5)
    alone = dict(images.blocks())
    monkeypatch.setattr("saddlepoint.metrics.images.place", lambda: (1, 2))
    shared = list(images.blocks())
    assert [first // BLOCK for first, _ in shared] == list(range(1, 21, 2))
    for first, block in shared:
        assert (block.images.int() - alone[first].images.int()).abs().max() <= 1
        assert torch.equal(block.labels, alone[first].labels)


def test_a_number_of_blocks_is_a_power_of_two_that_fits():
    assert [blocks_that_fit(10, available) for available in (0, 9, 19, 20, 39, 79, 160, 10**9)] == [
        1, 1, 1, 2, 2, 4, 16, MOST_BLOCKS]
    assert blocks_that_fit(0, 0) == 1
    assert Portion(CPU).blocks == 1


def on_meta(module: nn.Module) -> nn.Module:
    return module.to(META)


def test_a_pass_reads_nothing_from_the_device_before_its_end(painter):
    extractor = on_meta(BlockMeans())
    collector = Collector(300, extractor, Keep(features=True, logits=True), splits=3)
    for portion in collector.portions(EvaluationBlocks(grey(300)).blocks()):
        collector.add(portion)
    assert collector.outputs["features"].device == collector.moments.device == META
    assert collector.moments.count == 300
    with pytest.raises(RuntimeError, match="[Mm]eta"):
        collector.finish()  # asks how many were not finite
    blocks = GeneratedImages(on_meta(painter), Latents(3), None, seed=0, count=300).blocks()
    assert [next(blocks)[1].images.device for _ in range(5)] == 5 * [META]
    with pytest.raises(RuntimeError, match="[Mm]eta"):
        next(blocks)


def test_neighbours_and_kernels_read_nothing_from_the_device():
    real, fake = (torch.empty(length, 5, device=META) for length in (2500, 1500))
    assert radii(real, 3).device == META
    assert {each.device for each in nearest(fake, real)} == {META}
    assert in_closed_balls(real, fake, 3).shape == (1500,)
    assert in_open_balls(real, fake, 5).occupied.shape == (2500,)


def test_features_that_are_not_finite_are_counted_and_said_at_the_end(monkeypatch):
    moments = Moments(4)
    monkeypatch.setattr(sums, "_refuse", lambda not_finite, count: None)  # the CPU would say so at once
    for bad in (0, 2, 1):
        features = normal(10, 4, seed=bad)
        features[:bad] = torch.nan
        moments.update(features)
    monkeypatch.undo()
    with pytest.raises(RequestError, match="features of 3 of 30 images are not finite"):
        moments.require_finite()


def test_a_generator_that_diverged_is_refused_at_once_on_the_cpu(painter):
    painter.last.bias.fill_(torch.nan)
    blocks = GeneratedImages(painter, Latents(3), None, seed=0, count=300).blocks()
    with pytest.raises(Diverged, match="not finite"):
        next(blocks)


def test_larger_tiles_change_no_neighbour(monkeypatch):
    real, fake = normal(2500, 6, seed=0), normal(1700, 6, seed=1)

    def everything(one, other):
        return radii(one, 3), *nearest(one, other), in_closed_balls(one, other, 3), *in_open_balls(one, other, 5)

    small = everything(real, fake)
    monkeypatch.setattr(distances, "tile_side", lambda device, num_features: 4096)
    for before, after in zip(small, everything(real.clone(), fake.clone()), strict=True):
        torch.testing.assert_close(after, before, rtol=1e-6, atol=0)


def test_a_tile_is_as_large_as_memory_allows():
    assert largest_side(2048, 0) == TILE and largest_side(2048, 10**12) == MOST_TILE
    for side in (2048, 4096):
        pairs, images = 3 * 8 * side * side, 3 * 8 * 2 * side * 2050  # both sides of a tile, in float64
        assert largest_side(2048, pairs + images) == side
        assert largest_side(2048, pairs + images - 1) == side // 2


def test_features_that_do_not_fit_stay_on_the_cpu_with_all_else_of_their_sample(monkeypatch):
    sample = collect(EvaluationBlocks(grey(100)).blocks(), 100, BlockMeans(), Keep(features=True))
    monkeypatch.setattr(metric, "fits", lambda num_bytes, device: num_bytes < 4 * 4 * 100)
    assert sample.on(META).features.device == sample.on(META).moments.device == CPU
    monkeypatch.undo()
    there = sample.on(META)
    assert there.features.device == there.moments.device == META and there.labels.device == CPU
    assert on_one_device(sample, sample) == (sample, sample)


def test_an_extractor_computes_in_float32_whatever_is_around_it():
    seen = []

    class Watching(BlockMeans):
        def forward(self, images):
            backends = torch.backends
            seen.append((backends.cudnn.allow_tf32, backends.cuda.matmul.allow_tf32, torch.is_autocast_enabled("cpu")))
            return super().forward(images)

    before = torch.backends.cudnn.allow_tf32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        Watching()(grey(10).images)
        assert torch.is_autocast_enabled("cpu")
    assert seen == [(False, False, False)] and torch.backends.cudnn.allow_tf32 == before


@pytest.mark.parametrize("splits", [1, 3])
def test_inception_scores_of_joined_blocks_are_those_of_single_ones(splits, roomy):
    images = EvaluationBlocks(grey(500))
    joined = collect(images.blocks(), 500, BlockMeans(), Keep(logits=True), splits)
    logits = BlockMeans()(grey(500).images).logits
    alone = InceptionScore(splits).measure(None, metric.Sample(None, SplitScores.of(logits, splits)), 0, 0)
    assert InceptionScore(splits).measure(None, joined, 0, 0).value == pytest.approx(alone.value, rel=1e-9)

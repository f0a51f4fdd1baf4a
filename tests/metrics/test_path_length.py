"""PPL on generators whose path lengths are known, and against torch-fidelity's."""

import numpy
import pytest
import torch
import torch_fidelity
from torch import Tensor, nn
from torch_fidelity.metric_ppl import KEY_METRIC_PPL_MEAN, calculate_ppl
from torch_fidelity.registry import INTERPOLATION_REGISTRY, NOISE_SOURCE_REGISTRY, SAMPLE_SIMILARITY_REGISTRY
from torch_fidelity.sample_similarity_base import SampleSimilarityBase

from saddlepoint.game.latents import Latents
from saddlepoint.game.random_streams import seed_of
from saddlepoint.game.structured_latents import StructuredLatents
from saddlepoint.metrics import lpips, path_length
from saddlepoint.metrics.evaluator import Evaluator
from saddlepoint.metrics.images import EvaluationBlocks, GeneratedImages
from saddlepoint.metrics.metric import Sample
from saddlepoint.metrics.path_length import PathLength, latent_spaces, reduced, trimmed_mean
from saddlepoint.metrics.provenance import values
from tests.metrics.features import setup
from tests.metrics.stand_ins import BlockMeans, grey
from tests.metrics.test_provenance import PROTOCOL

EPSILON = 0.01  # float32 images of a larger step have more digits in common with the formula


class Distance(nn.Module):
    """In LPIPS' place: half the squared distance"""

    digest = "c" * 64

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        return (one - other).square().sum((1, 2, 3)) / 2


class Linear(nn.Module):
    """Images of 4 x 4 pixels, each a linear function of z; and the same in two parts, a mapping and a synthesis"""

    def __init__(self, size: int = 3):
        super().__init__()
        draws = torch.Generator().manual_seed(0)
        self.register_buffer("styles", 0.1 * torch.randn(size, 5, generator=draws))
        self.register_buffer("pixels", 0.1 * torch.randn(5, 16, generator=draws))

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        return (latents @ self.styles @ self.pixels).view(-1, 1, 4, 4)


class Mapped(Linear):
    def mapping(self, latents: Tensor, labels: Tensor) -> Tensor:
        return (latents @ self.styles).exp()

    def synthesis(self, styles: Tensor) -> Tensor:
        return (styles @ self.pixels).view(-1, 1, 4, 4)


@pytest.fixture(autouse=True)
def distance(monkeypatch):
    monkeypatch.setattr(PathLength, "distance", Distance())
    monkeypatch.setattr(lpips, "missing", lambda backbone: None)


def ends(images: GeneratedImages) -> tuple[Tensor, Tensor]:
    return (images.latents.of_images(images.seed, 0, images.count),
            images.latents.of_images(seed_of(images.seed, 1, "path_length"), 0, images.count))


def seen(metric: PathLength, images: GeneratedImages) -> Tensor:
    parts = dict(metric.look_at_generator(images))
    assert list(parts) == [*range(0, images.count, 32)]
    return torch.cat([*parts.values()])


@pytest.mark.parametrize("sampling", ["full", "end"])
def test_of_a_linear_generator_of_uniform_latents_it_is_the_length_of_each_line(sampling):
    images = GeneratedImages(Linear(), Latents(3, "uniform"), None, seed=1, count=70)
    start, end = ends(images)
    lengths = ((end - start) @ images.generator.styles @ images.generator.pixels / 2).square().sum(1) / 2
    torch.testing.assert_close(seen(PathLength("z", sampling, EPSILON), images), lengths.double(), rtol=1e-3, atol=0)


def test_in_w_lines_are_those_between_styles():
    images = GeneratedImages(Mapped(), Latents(3), None, seed=1, count=40)
    start, end = ((latents @ images.generator.styles).exp() for latents in ends(images))
    lengths = ((end - start) @ images.generator.pixels / 2).square().sum(1) / 2
    torch.testing.assert_close(seen(PathLength("w", "full", EPSILON), images), lengths.double(), rtol=1e-3, atol=0)


def test_it_is_torch_fidelitys(monkeypatch):
    """Its paths begin at t = 0; its curve between latents is ours."""
    class Similarity(SampleSimilarityBase):
        def __init__(self, name, **_):
            super().__init__(name)

        def forward(self, one, other):
            return Distance()((one + 1) / 2, (other + 1) / 2)

    class Curved(Mapped):
        def forward(self, latents, labels=None):
            return self.synthesis(self.mapping(latents, labels))

    images = GeneratedImages(Curved(6), Latents(6), None, seed=3, count=150)
    drawn = iter(ends(images))
    monkeypatch.setitem(SAMPLE_SIMILARITY_REGISTRY, "tiny", Similarity)
    monkeypatch.setitem(NOISE_SOURCE_REGISTRY, "normal", lambda rng, shape: next(drawn))
    monkeypatch.setitem(INTERPOLATION_REGISTRY, "ours", lambda a, b, t: images.latents.on_path(a, b, torch.tensor(t)))
    percentile = numpy.percentile  # torch-fidelity 0.4 calls it by the name of an argument that NumPy 2.4 removed
    monkeypatch.setattr(numpy, "percentile", lambda values, share, interpolation: percentile(values, share,
                                                                                            method=interpolation))
    theirs = calculate_ppl(
        1, input1=torch_fidelity.GenerativeModelModuleWrapper(images.generator, 6, "normal", 0),
        input1_model_num_samples=150,
        ppl_sample_similarity="tiny", ppl_z_interp_mode="ours", ppl_epsilon=EPSILON, batch_size=50, cuda=False,
        verbose=False)
    looked_at = {"ppl": seen(PathLength("z", "end", EPSILON), images)}
    measured = PathLength("z", "end", EPSILON).measure(None, Sample(None, of_generator=looked_at), 0, 0)
    assert measured.value == pytest.approx(theirs[KEY_METRIC_PPL_MEAN], rel=1e-4)


# Paths.


def test_normal_latents_turn_at_a_constant_speed_and_change_their_length_evenly():
    start, end = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0))
    points = [Latents(8).on_path(start, end, torch.full((5, 1), share, dtype=torch.float64)) for share in
              (0.0, 0.25, 0.5, 0.75, 1.0)]
    torch.testing.assert_close(points[0], start)
    torch.testing.assert_close(points[-1], end)
    cosines = [torch.cosine_similarity(one, other) for one, other in zip(points, points[1:], strict=False)]
    whole = torch.cosine_similarity(start, end).acos()
    for cosine in cosines:
        torch.testing.assert_close(cosine.acos(), whole / 4, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(points[1].norm(dim=1), 0.75 * start.norm(dim=1) + 0.25 * end.norm(dim=1))


def test_codes_go_straight_beside_noise_that_turns():
    latents = StructuredLatents(size=7, categorical=[3], continuous=1)
    start, end = latents.of_images(0, 0, 4), latents.of_images(1, 0, 4)
    half = latents.on_path(start, end, torch.full((4, 1), 0.5, dtype=torch.float64))
    torch.testing.assert_close(latents.codes(half), (latents.codes(start) + latents.codes(end)) / 2)
    noise = Latents(3).on_path(start[:, :3], end[:, :3], torch.full((4, 1), 0.5, dtype=torch.float64))
    assert torch.equal(half[:, :3], noise)


# The value.


@pytest.mark.parametrize("count", [7, 100, 250])
def test_pairs_beyond_the_1st_and_99th_percentile_are_left_out_as_numpy_counts_them(count):
    changes = torch.randn(count, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).exp()
    low, high = numpy.percentile(changes, 1, method="lower"), numpy.percentile(changes, 99, method="higher")
    kept = [each for each in changes.tolist() if low <= each <= high]
    assert trimmed_mean(changes) == pytest.approx(numpy.mean(kept))


def test_the_interval_covers_the_true_mean_in_95_of_100_samples():
    """Of numbers from 0 to 1, whose mean does not change where both ends are cut"""
    covered = 0
    for seed in range(100):
        changes = torch.rand(200, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        low, high = PathLength().measure(None, Sample(None, of_generator={"ppl": changes}), seed, 60).interval
        covered += low <= 0.5 <= high
    assert covered >= 88  # of Binomial(100, 0.95), with probability 0.999


def test_its_name_and_protocol_are_those_of_the_network_it_looks_through():
    evaluator = Evaluator(BlockMeans(), {"ppl": PathLength()})
    images = GeneratedImages(Linear(), Latents(3), None, seed=0, count=40)
    fake = evaluator.look_at_fakes(images)
    value, = values(evaluator.measure(evaluator.look_at_real(grey(50)), fake), PROTOCOL, 0)
    assert value.name == "ppl_lpips_vgg" and value.value == trimmed_mean(seen(PathLength(), images))
    assert (value.protocol.extractor, value.protocol.digest) == ("lpips_vgg", "c" * 64)
    assert value.protocol.settings == {"space": "z", "sampling": "full", "epsilon": 1e-4}
    assert value.protocol.quantisation == "none"


def test_large_images_are_averaged_to_256_pixels_or_a_little_more():
    image = torch.arange(600.0)[None, None, :, None].expand(1, 1, 600, 600)
    assert torch.equal(reduced(image)[0, 0, :, 7], torch.arange(300) * 2 + 0.5)
    assert reduced(image[..., :511, :511]).shape[-1] == 511


# What it needs.


def test_it_needs_a_generator_a_mapping_for_w_and_vgg(monkeypatch):
    generator = latent_spaces(Linear())
    assert (generator, latent_spaces(Mapped())) == (("z",), ("z", "w"))
    assert PathLength().problem(setup()) == "ppl needs the generator itself, and these fakes are files: type run=RUN"
    assert PathLength().problem(setup(latent_spaces=generator)) is None
    assert PathLength("w").problem(setup(latent_spaces=generator)).endswith("has none: type metrics.ppl.space=z")
    assert PathLength("w").problem(setup(latent_spaces=("z", "w"))) is None
    monkeypatch.setattr(lpips, "missing", lambda backbone: f"LPIPS ({backbone}) needs a file")
    assert PathLength().problem(setup(latent_spaces=generator)).endswith("by LPIPS. LPIPS (vgg) needs a file")


def test_files_are_not_asked_for_a_generator():
    fake = Evaluator(BlockMeans(), {"ppl": PathLength()}).look_at_fakes(EvaluationBlocks(grey(20)))
    assert fake.latent_spaces == () and not fake.of_generator


@pytest.mark.parametrize(("setting", "value"), [("space", "x"), ("sampling", "half"), ("epsilon", 0)])
def test_an_impossible_setting_is_named(setting, value):
    with pytest.raises(ValueError, match=f"metrics.ppl.{setting}={value} must be"):
        PathLength(**{setting: value})


def test_lpips_is_vggs(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(path_length.lpips, "Lpips", lambda backbone: backbone)
    assert PathLength().distance == "vgg"

"""The ways of published protocols to 8 bits, each against its authors' formula."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy
import pytest
import torch

from saddlepoint.game.latents import Latents
from saddlepoint.metrics.images import BLOCK, GeneratedImages
from saddlepoint.metrics.quantisation import QUANTISATIONS

LEVELS = numpy.linspace(-1.1, 1.1, 4001)


@pytest.mark.parametrize("name, formula", [
    ("rounded", lambda x: numpy.rint((x + 1) * 127.5)),  # as numpy and torch do, half to even
    ("half_up", lambda x: numpy.floor(numpy.clip(x * 127.5 + 128, 0, 255))),  # StyleGAN, EDM
    ("truncated", lambda x: numpy.floor(numpy.clip((x + 1) * 127.5, 0, 255))),  # ADM
])
def test_each_follows_its_formula(name, formula):
    images = torch.tensor(LEVELS, dtype=torch.float32).reshape(1, 1, 1, -1)
    expected = numpy.clip(formula(images.double().numpy()), 0, 255)
    found = QUANTISATIONS[name].to_bytes(images)
    assert found.dtype == torch.uint8
    differing = found.numpy() != expected
    assert differing.mean() < 1e-3 and numpy.abs(found.numpy() - expected).max() <= 1  # float32 beside a whole number


def test_between_two_levels_they_differ():
    middle = torch.zeros(1, 1, 1, 1)  # 127.5
    found = [QUANTISATIONS[name].to_bytes(middle).item() for name in ("rounded", "half_up", "truncated")]
    assert found == [128, 128, 127]


def test_stretching_takes_the_whole_range_and_survives_one_grey():
    images = torch.rand(4, 1, 3, 3) * 0.2 - 0.1
    stretched = QUANTISATIONS["stretched"].to_bytes(images)
    assert stretched.min() == 0 and stretched.max() == 255
    assert QUANTISATIONS["stretched"].to_bytes(torch.zeros(2, 1, 3, 3)).max() == 0


@pytest.mark.parametrize("blocks_at_once", [1, 3])
def test_a_generators_images_are_stretched_block_by_block_whatever_is_drawn_at_once(blocks_at_once, monkeypatch):
    class Plain(torch.nn.Linear):
        def forward(self, latents, labels):
            return super().forward(latents).tanh()[:, :, None, None].expand(-1, 1, 2, 2)

    stretched = QUANTISATIONS["stretched"].to_bytes
    at_once = SimpleNamespace(blocks=blocks_at_once, measured=nullcontext)
    monkeypatch.setattr(GeneratedImages, "_portion", lambda self, device: at_once)
    images = GeneratedImages(Plain(3, 1), Latents(3), None, seed=0, count=2 * BLOCK + 10, quantise=stretched)
    blocks = [block.images for _, block in images.blocks()]
    assert [len(block) for block in blocks] == [BLOCK, BLOCK, 10]
    assert all(block.min() == 0 and block.max() == 255 for block in blocks[:2])
    assert all(torch.equal(images.block(number * BLOCK).images, block) for number, block in enumerate(blocks))

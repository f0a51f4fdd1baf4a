"""Numbered images in blocks. Image i is always number i mod 64 of a block of 64, whatever the number of images or of
processes, because the rounding of a convolution may depend on the batch: a metric is then a function of the seed.
"""

import math
from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from saddlepoint.data.evaluation_images import Block, EvaluationImages
from saddlepoint.data.pixels import to_bytes
from saddlepoint.errors import Diverged
from saddlepoint.game.latents import Latents, class_labels
from saddlepoint.game.modes import device_of
from saddlepoint.parallel.collectives import place

BLOCK = 64

Blocks = Iterator[tuple[int, Block]]  # the number of a block's first image, and the block


class Images(Protocol):
    count: int
    ordered: bool  # their order may mean something, e.g. they are sorted by class

    def block(self, first: int) -> Block:
        """Up to 64 images that begin with image `first`, a multiple of 64."""

    def blocks(self) -> Blocks:
        """The blocks of this process: every n-th of n processes'."""


class EvaluationBlocks(Dataset):
    """Real images, or fakes that came as files. `num_workers` processes decode files; memory needs none."""

    ordered = True

    def __init__(self, still: EvaluationImages, num_workers: int = 0):
        self.still, self.num_workers, self.count = still, num_workers, len(still)

    def __getitem__(self, number: int) -> tuple[int, Block]:
        return number * BLOCK, self.block(number * BLOCK)

    def block(self, first: int) -> Block:
        return self.still.block(range(first, min(first + BLOCK, self.count)))

    def blocks(self) -> Blocks:
        return iter(DataLoader(self, sampler=_mine(self.count), batch_size=None, collate_fn=_as_it_is,
                               num_workers=self.num_workers, generator=torch.Generator()))


class GeneratedImages:
    """Images 0 .. count - 1 of a seed, as `sample.py` numbers them, rounded to 8 bits as its files are."""

    ordered = False  # latents and classes are independent draws

    def __init__(self, generator: nn.Module, latents: Latents, class_distribution: Tensor | None, seed: int,
                 count: int):
        self.generator, self.latents, self.class_distribution = generator, latents, class_distribution
        self.seed, self.count = seed, count

    def blocks(self) -> Blocks:
        for number in _mine(self.count):
            yield number * BLOCK, self.block(number * BLOCK)

    @torch.no_grad()
    def block(self, first: int) -> Block:
        """The block that begins at image `first`."""
        device = device_of(self.generator)
        labels = class_labels(self.class_distribution, self.seed, first, BLOCK)
        latents = self.latents.of_images(self.seed, first, BLOCK)
        with torch.autocast(device.type, enabled=False):
            images = self.generator(latents.to(device), labels.to(device))
        if not torch.isfinite(images).all():
            raise Diverged("The generator's images are not finite: it has diverged, and there is nothing to measure")
        kept = min(BLOCK, self.count - first)
        return Block(to_bytes(images[:kept]).cpu(), labels[:kept], {})


def one_by_one(images: Images, indices: Tensor) -> Tensor:
    """Single images by their numbers -> [N, C, H, W] uint8"""
    blocks = {first: images.block(first).images for first in {index // BLOCK * BLOCK for index in indices.tolist()}}
    return torch.stack([blocks[index // BLOCK * BLOCK][index % BLOCK] for index in indices.tolist()])


def _mine(count: int) -> range:
    rank, num_processes = place()
    return range(rank, math.ceil(count / BLOCK), num_processes)


def _as_it_is(item: tuple[int, Block]) -> tuple[int, Block]:
    return item

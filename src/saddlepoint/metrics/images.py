"""Real and generated images in blocks of 64, by their numbers; points are images here.

Image i is always number i mod 64 of its block, whatever the number of images or of processes. The rounding of a
convolution may depend on the batch; with fixed blocks, a metric is a function of the seed. On a GPU several blocks are
computed at once (portions.py), and a metric is so to about 1e-6.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from saddlepoint.data.evaluation_images import Block, EvaluationImages
from saddlepoint.data.pixels import to_bytes
from saddlepoint.errors import Diverged
from saddlepoint.game.device_memory import upload
from saddlepoint.game.latents import Latents, class_labels
from saddlepoint.game.modes import device_of, in_float32
from saddlepoint.metrics.portions import Portion
from saddlepoint.parallel.collectives import place

BLOCK = 64

Blocks = Iterator[tuple[int, Block]]  # the number of a block's first image, and the block


class Images(Protocol):
    """A numbered set of images, which the processes share out among them block by block."""

    count: int
    ordered: bool  # their order may mean something, e.g. they are sorted by class

    def block(self, first: int) -> Block:
        """Returns the block that begins with image `first`, a multiple of 64: up to 64 images."""

    def blocks(self) -> Blocks:
        """Yields the blocks of this process: every n-th of n processes."""


class EvaluationBlocks(Dataset):
    """Real images, or fakes that came as files. `num_workers` processes decode files; images in memory need none."""

    ordered = True

    def __init__(self, images: EvaluationImages, num_workers: int = 0):
        self.images, self.num_workers, self.count = images, num_workers, len(images)

    def __getitem__(self, number: int) -> tuple[int, Block]:
        return number * BLOCK, self.block(number * BLOCK)

    def block(self, first: int) -> Block:
        return self.images.block(range(first, min(first + BLOCK, self.count)))

    def blocks(self) -> Blocks:
        return iter(DataLoader(self, sampler=own_blocks(self.count), batch_size=None, collate_fn=_unchanged,
                               num_workers=self.num_workers, generator=torch.Generator()))


class GeneratedImages:
    """The images 0 to count - 1 of a seed, as `sample.py` numbers them, in 8 bits; or the points, as they are.

    generator: (latents, labels) -> images [N, C, H, W] in [-1, 1], or points [N, D]
    latents: where latents come from
    class_distribution: [K], cumulative shares of the classes, by which labels are drawn; None: all labels are 0
    seed: fixes latents and labels
    count: number of images
    quantise: brings a block of images [N, C, H, W] in [-1, 1] to uint8; by default it rounds, as for sample.py's files
    """

    ordered = False  # latents and classes are independent draws

    def __init__(self, generator: nn.Module, latents: Latents, class_distribution: Tensor | None, seed: int,
                 count: int, quantise: Callable[[Tensor], Tensor] = to_bytes):
        self.generator, self.latents, self.class_distribution = generator, latents, class_distribution
        self.seed, self.count, self.quantise = seed, count, quantise

    def blocks(self) -> Blocks:
        """Yields the blocks of this process, whose images stay on the generator's device. Raises Diverged if some are
        not finite: at once on the CPU, and elsewhere after the last, so that the host need not wait for each."""
        device, numbers = device_of(self.generator), list(own_blocks(self.count))
        portion, finite = self._portion(device), torch.ones((), dtype=torch.bool, device=device)
        while numbers:
            firsts, numbers = [number * BLOCK for number in numbers[:portion.blocks]], numbers[portion.blocks:]
            with portion.measured():
                images, labels = self._drawn(firsts, device)
                finite &= torch.isfinite(images).all()
                pixels = [as_measured(block, self.quantise) for block in images.split(BLOCK)]
            del images
            if device.type == "cpu":
                _require(finite)
            for first, *block in zip(firsts, pixels, labels.split(BLOCK), strict=True):
                yield first, self._cut(first, *block)
        _require(finite)

    def _portion(self, device: torch.device) -> Portion:
        """Returns how many blocks are drawn at once: one wherever a layer is in training mode, as BatchNorm that takes
        the statistics of each block."""
        depends_on_block = any(layer.training for layer in self.generator.modules())
        return Portion(device, may_join=not depends_on_block)

    def block(self, first: int) -> Block:
        images, labels = self._drawn([first], device_of(self.generator))
        _require(torch.isfinite(images).all())
        return self._cut(first, as_measured(images, self.quantise).cpu(), labels)

    @torch.no_grad()
    def _drawn(self, firsts: Sequence[int], device: torch.device) -> tuple[Tensor, Tensor]:
        """Returns images [N, C, H, W] in [-1, 1], or points [N, D], on the device and labels [N] on the CPU: all images
        of the blocks that begin with these numbers."""
        labels = torch.cat([class_labels(self.class_distribution, self.seed, first, BLOCK) for first in firsts])
        latents = torch.cat([self.latents.of_images(self.seed, first, BLOCK) for first in firsts])
        with in_float32(device):
            return self.generator(upload(latents, device), upload(labels, device)), labels

    def _cut(self, first: int, images: Tensor, labels: Tensor) -> Block:
        """Returns a block without the images beyond the last one."""
        size = min(BLOCK, self.count - first)
        return Block(images[:size], labels[:size], {})


def as_measured(images: Tensor, quantise: Callable[[Tensor], Tensor] = to_bytes) -> Tensor:
    """Returns what an extractor sees of what a generator makes: of images [N, C, H, W] in [-1, 1] their 8 bits, of
    points [N, D] the points, in float32."""
    return images.float() if images.dim() == 2 else quantise(images)


def _require(finite: Tensor) -> None:
    if not finite:
        raise Diverged("The generator's images are not finite: it has diverged, and there is nothing to measure")


def images_at(images: Images, indices: Tensor) -> Tensor:
    """Returns the images with these numbers [N] as uint8 [N, C, H, W], or the points."""
    blocks = {first: images.block(first).images for first in {index // BLOCK * BLOCK for index in indices.tolist()}}
    return torch.stack([blocks[index // BLOCK * BLOCK][index % BLOCK] for index in indices.tolist()])


def own_blocks(count: int) -> range:
    """Returns the numbers of the blocks that this process looks at."""
    rank, num_processes = place()
    return range(rank, math.ceil(count / BLOCK), num_processes)


def _unchanged(item: tuple[int, Block]) -> tuple[int, Block]:
    return item

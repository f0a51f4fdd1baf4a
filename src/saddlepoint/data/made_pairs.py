"""Data sets whose pairs for translation are made from their images, batch by batch on the device that trains.

N images of C channels and H x W pixels.
"""

from collections.abc import Iterator
from typing import Annotated

import torch
from torch import Generator, Tensor
from torch.utils.data import Dataset

from saddlepoint.config.rules import Count, null_unless_chosen
from saddlepoint.data.evaluation_images import EvaluationImages
from saddlepoint.data.images import ImageDataModule
from saddlepoint.data.pair_making import PairMaker
from saddlepoint.data.pixels import to_bytes, to_unit_range
from saddlepoint.game.batches import TranslationBatch
from saddlepoint.game.random_streams import seed_of

PAIRS = "data.pair=edges, grey, holes, noise, reduced or next_frame"
VALIDATION_SEED = 0  # of the pairs of validation, so that runs with other seeds are measured by the same


class MadePairs(ImageDataModule):
    """Pairs of an image, the target, and a source that is made from it: its edges, say, or the image with a hole.

    Any data set becomes one of pairs by a class of two lines, `class PairsFromMine(MadePairs, Mine): ...`, and a yaml
    file that adds `pair` and `source_channels` to those of `Mine`. Batches are `TranslationBatch`. A made-up source
    depends on the seed and its position in the stream.

    pair: makes the sources
    source_channels: K of a source, which must be what `pair` makes of `channels`

    See the class after this one, and ImageDataModule, for the other settings.
    """

    yields = TranslationBatch
    has_sequences = False  # whether batches have `pair.length` consecutive images, channel after channel

    def __init__(self, pair: Annotated[PairMaker | None, null_unless_chosen(PAIRS)] = None,
                 source_channels: Count | None = None, **more):
        super().__init__(**more)
        if pair is None:
            raise ValueError(f"data.pair=null makes no pairs: type {PAIRS}")
        if pair.length > 1 and not self.has_sequences:
            raise ValueError(f"data={self.name} has no consecutive images, of which the pairs are to be made: type "
                             "data=moving_digits, or data=pairs_from_folder data.root=FOLDER for a folder of frames")
        pair.check(self.channels, self.image_size)
        expected = pair.source_channels(self.channels)
        if source_channels != expected:
            typed = "null" if source_channels is None else source_channels
            raise ValueError(f"data.source_channels={typed}, but the sources that data.pair makes of images with "
                             f"data.channels={self.channels} have {expected}: type data.source_channels={expected}")
        self.pair, self.source_channels = pair, expected

    def held_out_images(self) -> EvaluationImages:
        """Returns the images of which validation pairs are made: those of the split `test`, if there is one, else those
        that are trained on. Where pairs are made of sequences, these are joined channel after channel."""
        return self.evaluation_images(getattr(self, "splits", ("train",))[-1])

    def validation_pairs(self, count: int) -> tuple[Tensor, Tensor]:
        """Returns at most `count` sources [n, K, H, W] and targets [n, C, H, W], uint8 on the CPU, always the same.

        They are none that is trained on if `held_out_images` has others.
        """
        joined = to_unit_range(self.held_out_images().limited(count).for_validation())
        with torch.no_grad():
            source, target = self.pair(joined, generators(VALIDATION_SEED, "data/validation_pair", range(len(joined))))
        return to_bytes(source), to_bytes(target)

    def describe(self) -> list[str]:
        return [*super().describe(), f"source of a pair: {self.pair.words}"]

    def training_dataset(self) -> Dataset:
        return WithPositions(super().training_dataset())

    def on_after_batch_transfer(self, batch: tuple[int, tuple], dataloader_idx: int) -> TranslationBatch:
        first, of_images = batch
        joined, labels = super().on_after_batch_transfer(of_images, dataloader_idx)
        positions = range(first, first + len(joined))
        with torch.no_grad():
            source, target = self.pair(joined, generators(self.seed, "data/pair", positions))
        return TranslationBatch(target, labels, source)


class WithPositions(Dataset):
    """A data set that gives the first position of each batch along: a range of positions -> (its first, the batch)."""

    def __init__(self, batches: Dataset):
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    @property
    def num_bytes(self) -> int:
        """How much memory the images take."""
        return self.batches.num_bytes

    def to(self, device: torch.device) -> "WithPositions":
        """Returns the same batches with their images on another device."""
        return WithPositions(self.batches.to(device))

    def __getitems__(self, positions: range) -> tuple[int, tuple]:
        return positions.start, self.batches.__getitems__(positions)


def generators(seed: int, purpose: str, positions: range) -> Iterator[Generator]:
    """Yields a generator on the CPU for each position, when it is asked for."""
    return (Generator().manual_seed(seed_of(seed, position, purpose)) for position in positions)

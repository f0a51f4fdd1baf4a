"""Loads batches of image files, in the workers of the data loader.

Images have C channels and H x W pixels, all alike after cropping.
"""

from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from saddlepoint.data.cache import cache_of
from saddlepoint.data.decoding import Header, Limits, Unreadable, decode, drafted, header_of
from saddlepoint.data.listing import ImageFile
from saddlepoint.data.pixels import mirrored
from saddlepoint.data.progress import with_progress
from saddlepoint.data.residence import GatheredBatches
from saddlepoint.data.resizing import ResizeAndCrop
from saddlepoint.data.sampling import EndlessOrder, OrderOfReadable
from saddlepoint.data.workers import leave_signals_to_the_main_process
from saddlepoint.image_files.packed import Place

BLOCK = 64  # files that a worker decodes before it sends them


class ImageLoader:
    """Decodes, scales and crops image files, to pixels [H, W, C] uint8.

    channels: 1 (grey) or 3 (RGB)
    framing: how images are scaled and cropped; random crops are not made here
    limits: of what is decoded
    cache_folder: keeps decoded images; None: each is decoded every time
    """

    part = ""  # which part of a picture it loads, in words; empty: all of it

    def __init__(self, channels: int, framing: ResizeAndCrop, limits: Limits, cache_folder: Path | None):
        self.channels, self.framing, self.limits = channels, framing, limits
        self.cache = None
        if cache_folder:
            settings = repr((channels, framing.image_size, framing.resize, framing.is_random, limits.white,
                             *(["draft"] if framing.draft else [])))
            self.cache = cache_of(cache_folder, settings, None if framing.is_random else self.shape)

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape (H, W, C) of the pixels of a file once they are cropped."""
        return (*self.framing.sides, self.channels)

    def check(self, path: Place) -> Header:
        """Reads the header of a file. Raises Unreadable if the image cannot be used, e.g. because it is too small."""
        header = header_of(path, self.limits)
        self.framing.check_stored(header.width, header.height)
        return header

    def pixels(self, path: Place) -> numpy.ndarray:
        """Returns the scaled pixels of a file, cropped unless the crop is random. Raises Unreadable."""
        try:
            return self.cache.get(path, lambda: self._framed(path)) if self.cache else self._framed(path)
        except OSError as error:
            raise Unreadable(error.strerror or str(error)) from error

    def decoded(self, path: Place) -> numpy.ndarray:
        """Returns the pixels of a file, neither scaled nor cropped. Raises Unreadable."""
        return _with_channels(self.image(path))

    def image(self, path: Place) -> Image.Image:
        """Returns the picture of a file in its channels, neither scaled nor cropped. Raises Unreadable."""
        return decode(path, self.channels, self.limits)

    def _framed(self, path: Place) -> numpy.ndarray:
        if self.framing.draft:
            draft = drafted(path, self.channels, self.limits, self.framing.least)
            self.framing.check(*draft.size)
            pixels = _with_channels(self.framing.scaled_draft(draft))
        else:
            image = self.image(path)
            self.framing.check(*image.size)
            pixels = _with_channels(self.framing.scaled(image))
        return pixels if self.framing.is_random else self.framing.cropped(pixels)


def _with_channels(image: Image.Image) -> numpy.ndarray:
    """Returns the pixels of an image as [H, W, C], for grey too."""
    return numpy.atleast_3d(numpy.asarray(image))


class DecodedBatches(Dataset):
    """A data set that loads whole batches: a range of the stream's positions -> (images [len, C, H, W] uint8, labels
    [len] int64, {index: why unreadable} of files that were found unreadable now).

    Where a file cannot be read, another takes its place. Which one depends on the position alone, so that the order of
    the other files stays, and the stream is the same each time and wherever it starts.

    files, labels: N files and their labels [N] int64
    order: which file, and which random numbers, belong to each position
    load: decodes a file
    horizontal_flip: whether every second image, on average, is mirrored
    unreadable: index of a file that is known to be unreadable -> why; files found later are added
    """

    def __init__(self, files: list[ImageFile], labels: Tensor, order: EndlessOrder, load: ImageLoader,
                 horizontal_flip: bool, unreadable: dict[int, str]):
        self.files, self.labels, self.order, self.load = files, labels, order, load
        self.horizontal_flip, self.unreadable = horizontal_flip, unreadable

    def __len__(self) -> int:
        return len(self.files)

    def __getitems__(self, positions: range) -> tuple[Tensor, Tensor, dict[int, str]]:
        num_unreadable = len(self.unreadable)
        indices = self.order.images(positions).tolist()
        loaded = [self._load(index, position) for index, position in zip(indices, positions, strict=True)]
        pixels = torch.from_numpy(numpy.stack(self._squares([image for _, image in loaded], positions)))
        images = pixels.permute(0, 3, 1, 2).contiguous()
        if self.horizontal_flip:
            images = mirrored(images, self.order.coins("flip", positions))
        labels = self.labels[[index for index, _ in loaded]]
        return images, labels, dict(list(self.unreadable.items())[num_unreadable:])

    def _squares(self, images: list[numpy.ndarray], positions: range) -> list[numpy.ndarray]:
        framing = self.load.framing
        if not framing.is_random:
            return images
        points = self.order.points("crop", positions).tolist()
        return [framing.cropped(image, point) for image, point in zip(images, points, strict=True)]

    def pixels(self, file: ImageFile) -> Any:
        """Returns what is loaded of one file; a subclass may load more than its pixels. Raises Unreadable."""
        return self.load.pixels(file.path)

    def placeholder(self) -> Any:
        """Returns black pixels, for when no file is readable. The main process refuses as soon as it learns of that."""
        return numpy.zeros(self.load.shape, numpy.uint8)

    @property
    def num_bytes(self) -> int:
        """How much memory all images take once they are decoded and cropped."""
        return len(self.files) * prod(self.load.shape)

    def resident(self, num_workers: int, report: Callable[[dict[int, str]], None]) -> "DecodedOnce":
        """Decodes all images and returns them as a data set that yields the same stream from memory.

        num_workers: processes that decode
        report: is called with the files that turn out to be unreadable, {index: why}; may refuse
        """
        height, width, channels = self.load.shape
        images = torch.zeros(len(self.files), channels, height, width, dtype=torch.uint8)
        unreadable = dict(self.unreadable)
        for first, pixels, found in with_progress(self._blocks(num_workers), "decoded image files", BLOCK):
            images[first:first + len(pixels)] = pixels.permute(0, 3, 1, 2)
            unreadable |= found
            if found:
                report(found)
        order = self.order if not unreadable else OrderOfReadable(len(self.files), self.order.seed, unreadable)
        return DecodedOnce(images, self.labels, order, self.horizontal_flip)

    def _blocks(self, num_workers: int) -> DataLoader:
        starts = range(0, len(self.files), BLOCK)
        blocks = [range(start, min(start + BLOCK, len(self.files))) for start in starts]
        return DataLoader(_Blocks(self), batch_sampler=blocks, collate_fn=_unchanged, num_workers=num_workers,
                          worker_init_fn=leave_signals_to_the_main_process, generator=torch.Generator())

    def _load(self, index: int, position: int) -> tuple[int, Any]:
        """Loads this file, or another if it is unreadable, and returns the index of the file and its pixels."""
        for candidate in self._candidates(index, position):
            if candidate not in self.unreadable:
                try:
                    return candidate, self.pixels(self.files[candidate])
                except Unreadable as error:
                    self.unreadable[candidate] = str(error)
        return index, self.placeholder()

    def _candidates(self, index: int, position: int) -> Iterator[int]:
        yield index
        yield from self.order.other_images(position).tolist()


class _Blocks(Dataset):
    """A data set that decodes ranges of files, each once: indices -> (the first, pixels [len, H, W, C] uint8, {index:
    why unreadable}). Files that cannot be read are black."""

    def __init__(self, batches: DecodedBatches):
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitems__(self, indices: range) -> tuple[int, Tensor, dict[int, str]]:
        pixels, unreadable = [], {}
        for index in indices:
            pixels.append(self.batches.placeholder())
            if index not in self.batches.unreadable:
                try:
                    pixels[-1] = self.batches.pixels(self.batches.files[index])
                except Unreadable as error:
                    unreadable[index] = str(error)
        return indices.start, torch.from_numpy(numpy.stack(pixels)), unreadable


class DecodedOnce(GatheredBatches):
    """The stream of DecodedBatches, from images that were all decoded before and are kept in memory."""

    def __getitems__(self, positions: range) -> tuple[Tensor, Tensor, dict[int, str]]:
        return *super().__getitems__(positions), {}


def _unchanged(block: tuple) -> tuple:
    return block

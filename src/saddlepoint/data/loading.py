"""Batches of decoded image files, made in the loader's workers.

H x W pixels of C channels, S x S after cropping.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from saddlepoint.data.cache import DecodedCache
from saddlepoint.data.decoding import Header, Limits, Unreadable, decode, header_of
from saddlepoint.data.listing import ImageFile
from saddlepoint.data.pixels import mirrored
from saddlepoint.data.resizing import ResizeAndCrop
from saddlepoint.data.sampling import EndlessOrder


class ImageLoader:
    """path -> decoded, scaled pixels [H, W, C] uint8, from the cache where there is one"""

    def __init__(self, channels: int, framing: ResizeAndCrop, limits: Limits, cache_folder: Path | None):
        self.channels, self.framing, self.limits = channels, framing, limits
        settings = repr((channels, framing.image_size, framing.resize, framing.is_random, limits.white))
        self.cache = DecodedCache(cache_folder, settings) if cache_folder else None

    def check(self, path: Path) -> Header:
        header = header_of(path, self.limits)
        self.framing.check(header.width, header.height)
        return header

    def pixels(self, path: Path) -> numpy.ndarray:
        try:
            return self.cache.get(path, lambda: self._framed(path)) if self.cache else self._framed(path)
        except OSError as error:
            raise Unreadable(error.strerror or str(error)) from error

    def decoded(self, path: Path) -> numpy.ndarray:
        """As the file has it, whatever its size"""
        return _with_channels(decode(path, self.channels, self.limits))

    def _framed(self, path: Path) -> numpy.ndarray:
        image = decode(path, self.channels, self.limits)
        self.framing.check(*image.size)
        pixels = _with_channels(self.framing.scaled(image))
        return pixels if self.framing.is_random else self.framing.cropped(pixels)


def _with_channels(image: Image.Image) -> numpy.ndarray:
    """[H, W, C]: grey gets its one channel"""
    return numpy.atleast_3d(numpy.asarray(image))


class DecodedBatches(Dataset):
    """A range of the stream's positions -> (images [len, C, S, S] uint8, labels [len] int64, {index: why unreadable})

    Where a file cannot be read, another takes its place, chosen by the position: the order of the rest stays, and the
    stream is the same each time and from wherever it starts.
    """

    def __init__(self, files: list[ImageFile], labels: Tensor, order: EndlessOrder, load: ImageLoader,
                 horizontal_flip: bool, unreadable: dict[int, str]):
        self.files, self.labels, self.order, self.load = files, labels, order, load
        self.horizontal_flip, self.unreadable = horizontal_flip, unreadable

    def __len__(self) -> int:
        return len(self.files)

    def __getitems__(self, positions: range) -> tuple[Tensor, Tensor, dict[int, str]]:
        known = len(self.unreadable)
        indices = self.order.images(positions).tolist()
        shown = [self._readable(index, position) for index, position in zip(indices, positions, strict=True)]
        pixels = torch.from_numpy(numpy.stack(self._squares([image for _, image in shown], positions)))
        images = pixels.permute(0, 3, 1, 2).contiguous()
        if self.horizontal_flip:
            images = mirrored(images, self.order.coins("flip", positions))
        labels = self.labels[[index for index, _ in shown]]
        return images, labels, dict(list(self.unreadable.items())[known:])

    def _squares(self, images: list[numpy.ndarray], positions: range) -> list[numpy.ndarray]:
        framing = self.load.framing
        if not framing.is_random:
            return images
        points = self.order.points("crop", positions).tolist()
        return [framing.cropped(image, point) for image, point in zip(images, points, strict=True)]

    def pixels(self, file: ImageFile) -> Any:
        return self.load.pixels(file.path)

    def nothing(self) -> Any:
        """What stands for pixels when no file is readable: the main process refuses as soon as it hears of it."""
        size = self.load.framing.image_size
        return numpy.zeros((size, size, self.load.channels), numpy.uint8)

    def _readable(self, index: int, position: int) -> tuple[int, Any]:
        for candidate in self._candidates(index, position):
            if candidate not in self.unreadable:
                try:
                    return candidate, self.pixels(self.files[candidate])
                except Unreadable as error:
                    self.unreadable[candidate] = str(error)
        return index, self.nothing()

    def _candidates(self, index: int, position: int) -> Iterator[int]:
        yield index
        yield from self.order.other_images(position).tolist()

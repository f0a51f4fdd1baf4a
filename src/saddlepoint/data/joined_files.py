"""Loads several images as one of more channels, so that the images of a pair are cropped and mirrored alike.

H x W pixels; C channels of the target and K of the source, uint8.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy
from PIL import Image

from saddlepoint.data.cache import cache_of
from saddlepoint.data.decoding import MODES, Header, Limits, Unreadable, decode, header_of
from saddlepoint.data.loading import ImageLoader
from saddlepoint.data.resizing import ResizeAndCrop
from saddlepoint.errors import RequestError


class PairLoader(ImageLoader):
    """Loads a target with the source that is another file: [H, W, C + K].

    target, source: load the one and the other; both resize alike
    source_of: path of a target -> that of its source
    """

    def __init__(self, target: ImageLoader, source: ImageLoader, source_of: Mapping[Path, Path]):
        super().__init__(target.channels + source.channels, target.framing, target.limits, cache_folder=None)
        self.target, self.source, self.source_of = target, source, source_of

    def check(self, path: Path) -> Header:
        """Reads both headers. Raises a RequestError if the two are not of one size."""
        header, source_path = self.target.check(path), self.source_of[path]
        try:
            source = self.source.check(source_path)
        except Unreadable as error:
            raise Unreadable(f"its source {source_path}: {error}") from error
        if sorted(header[:2]) != sorted(source[:2]):  # one may be stored turned; decoding makes it upright
            raise RequestError(f"{path} has {header.width} x {header.height} pixels and its source {source_path} "
                               f"{source.width} x {source.height}: the two images of a pair must be of one size")
        return header

    def pixels(self, path: Path) -> numpy.ndarray:
        target, source_path = self.target.pixels(path), self.source_of[path]
        try:
            source = self.source.pixels(source_path)
        except Unreadable as error:
            raise Unreadable(f"its source {source_path}: {error}") from error
        return _joined([target, source], f"its source {source_path}")


class HalvesLoader(ImageLoader):
    """Loads a target and its source, which stand side by side in one file, each resized by itself: [H, W, C + K].

    channels, source_channels: C and K, each 1 (grey) or 3 (RGB)
    source_is_left: whether the source is the left half
    framing, limits, cache_folder: see ImageLoader
    """

    def __init__(self, channels: int, source_channels: int, source_is_left: bool, framing: ResizeAndCrop,
                 limits: Limits, cache_folder: Path | None):
        super().__init__(channels + source_channels, framing, limits, cache_folder=None)
        self.of_target, self.of_source, self.source_is_left = channels, source_channels, source_is_left
        if cache_folder:
            settings = (channels, source_channels, source_is_left, framing.image_size, framing.resize,
                        framing.is_random, limits.white)
            self.cache = cache_of(cache_folder, f"halves {settings}", None if framing.is_random else self.shape)

    def check(self, path: Path) -> Header:
        header = header_of(path, self.limits)
        self.framing.check_stored(_half(header.width, header.height), header.height)
        return header

    def _framed(self, path: Path) -> numpy.ndarray:
        whole = decode(path, max(self.of_target, self.of_source), self.limits)
        width = _half(*whole.size)
        halves = [whole.crop((left, 0, left + width, whole.height)) for left in (0, width)]
        source, target = halves if self.source_is_left else halves[::-1]
        return _joined([self._half(target, self.of_target), self._half(source, self.of_source)], "its other half")

    def _half(self, image: Image.Image, channels: int) -> numpy.ndarray:
        self.framing.check(*image.size)
        pixels = numpy.atleast_3d(numpy.asarray(self.framing.scaled(image.convert(MODES[channels]))))
        return pixels if self.framing.is_random else self.framing.cropped(pixels)


class SequenceLoader(ImageLoader):
    """Loads consecutive frames, which are files of their own: [H, W, frames * C], that of the path last.

    load: loads one of them
    frames: path of the last -> paths of all, in their order
    """

    def __init__(self, load: ImageLoader, frames: Mapping[Path, Sequence[Path]]):
        paths = next(iter(frames.values()))
        super().__init__(load.channels * len(paths), load.framing, load.limits, cache_folder=None)
        self.load, self.frames = load, frames

    def check(self, path: Path) -> Header:
        return self.load.check(path)

    def pixels(self, path: Path) -> numpy.ndarray:
        pixels = []
        for frame in self.frames[path]:
            try:
                pixels.append(self.load.pixels(frame))
            except Unreadable as error:
                raise Unreadable(str(error) if frame == path else f"its frame {frame}: {error}") from error
        return _joined(pixels, "a frame before it")


class FirstChannels(ImageLoader):
    """Loads the first channels alone of what another loader gives: the target without its source. `part`: what this is
    of a picture."""

    def __init__(self, load: ImageLoader, channels: int, part: str):
        super().__init__(channels, load.framing, load.limits, cache_folder=None)
        self.load, self.part = load, part

    def check(self, path: Path) -> Header:
        return self.load.check(path)

    def pixels(self, path: Path) -> numpy.ndarray:
        return self.load.pixels(path)[:, :, :self.channels]


def _half(width: int, height: int) -> int:
    """Returns the width of a half. Raises Unreadable if the picture has no two halves of one width."""
    if width % 2:
        raise Unreadable(f"its width of {width} pixels is odd, and it must hold two pictures of one width side by side "
                         f"(its height is {height})")
    return width // 2


def _joined(images: Sequence[numpy.ndarray], other: str) -> numpy.ndarray:
    """Joins images [H, W, channels] along their channels. Raises Unreadable if they are not of one size; `other` names
    what the first does not fit."""
    sizes = [each.shape[1::-1] for each in images]
    if len({*sizes}) > 1:
        raise Unreadable("once they are upright and resized, it and {} are not of one size: {}".format(
            other, " and ".join(f"{width} x {height} pixels" for width, height in sizes)))
    return numpy.concatenate(images, axis=2)

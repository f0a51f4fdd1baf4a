"""Reads images out of arrays of numbers in .npy and .npz files, such as the samples of ADM.

N images of H x W pixels and C channels: 1 grey, 3 RGB, 4 RGB and transparency. A row is one image.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy
from PIL import Image

from saddlepoint.data.array_files import StoredArray, damaged, open_arrays, require_numbers
from saddlepoint.data.decoding import Header, Unreadable, in_channels
from saddlepoint.data.loading import ImageLoader
from saddlepoint.errors import RequestError
from saddlepoint.image_files.packed import Packed, Place

IMAGES = "arr_0"  # the name that numpy.savez gives, and ADM's evaluator expects
GREY, CHANNELS_LAST, CHANNELS_FIRST = "NHW", "NHWC", "NCHW"
LAYOUTS = (CHANNELS_LAST, CHANNELS_FIRST)
CHANNELS = (1, 3, 4)
OF_LATENTS = ", or data=stored_latents for numbers that are no colours, as an autoencoder's latents"
MOST_OPEN = 64  # files; a process may have about a thousand
TOLERANCE = 1e-3  # by which numbers may be beyond black and white, from rounding: a quarter of a level


class Scale:
    """What numbers mean: from black to white. Whole numbers of 8 bits need none."""

    def __init__(self, black: float, white: float):
        self.black, self.white = black, white

    def levels(self, numbers: numpy.ndarray) -> numpy.ndarray:
        """Converts numbers to uint8, rounded. Raises Unreadable if some are not between black and white."""
        scaled = (numbers.astype(numpy.float64) - self.black) / (self.white - self.black)
        if not (scaled.min() >= -TOLERANCE and scaled.max() <= 1 + TOLERANCE):  # NaN fails it too
            raise Unreadable(f"its values run from {numbers.min():g} to {numbers.max():g}, outside black="
                             f"{self.black:g} to white={self.white:g}")
        return numpy.rint(scaled.clip(0, 1) * 255).astype(numpy.uint8)


class Shard:
    """An array of images, [N, H, W], [N, H, W, C] or [N, C, H, W].

    array: where its numbers are
    layout: what its dimensions are
    scale: what its numbers mean; None: they are levels of 8 bits
    """

    def __init__(self, array: StoredArray, layout: str, scale: Scale | None):
        self.array, self.layout, self.scale = array, layout, scale
        self.row_bytes = array.num_bytes // max(array.shape[0], 1)
        self.unpacked = array.unpacked() if array.begin is None else None
        shape = array.shape[1:]
        self.height, self.width = shape[1:] if layout == CHANNELS_FIRST else shape[:2]
        self.channels = 1 if layout == GREY else shape[0] if layout == CHANNELS_FIRST else shape[2]

    def __len__(self) -> int:
        return self.array.shape[0]

    def read(self, row: int, begin: int, length: int) -> bytes:
        """Returns bytes of a row. Raises Unreadable if the file is not what it was."""
        if self.unpacked is not None:
            return self.unpacked[row].reshape(-1).view(numpy.uint8)[begin:begin + length].tobytes()
        self.array.file.require_unchanged()
        return self.array.file.read(self.array.begin + row * self.row_bytes + begin, length)

    def pixels(self, row: int) -> numpy.ndarray:
        """Returns an image, uint8 [H, W, C]. Raises Unreadable."""
        numbers = numpy.frombuffer(self.read(row, 0, self.row_bytes), self.array.kind).reshape(self.array.shape[1:])
        if self.layout != CHANNELS_LAST:
            numbers = numbers[:, :, None] if self.layout == GREY else numbers.transpose(1, 2, 0)
        return numbers if self.scale is None else self.scale.levels(numbers)


class Row(Packed):
    """An image in an array; its bytes are its numbers."""

    __slots__ = ("number", "shard", "size")
    is_plain = True

    def __init__(self, shard: Shard, number: int):
        self.shard, self.number, self.size = shard, number, shard.row_bytes

    def __str__(self) -> str:
        return f"{self.shard.array.file.path}: {self.shard.array.name}[{self.number}]"

    def read_bytes(self) -> bytes:
        return self.shard.read(self.number, 0, self.size)

    def part(self, begin: int, length: int) -> bytes:
        return self.shard.read(self.number, begin, max(min(length, self.size - begin), 0))

    def state(self) -> tuple:
        array, scale = self.shard.array, self.shard.scale
        meaning = (scale.black, scale.white) if scale else ()
        return (*array.file.state(), array.name, self.shard.layout, *meaning, self.number)


class RowLoader(ImageLoader):
    """Loads images that are rows of arrays as ImageLoader does those in files."""

    def check(self, row: Row) -> Header:
        shard = row.shard
        self.framing.check(shard.width, shard.height)
        losses = ("what is transparent was laid over black",) if shard.channels == 4 else ()
        return Header(shard.width, shard.height, min(shard.channels, 3), losses)

    def pixels(self, row: Row) -> numpy.ndarray:
        pixels = row.shard.pixels(row.number)
        return pixels if pixels.shape == self.shape else super().pixels(row)  # there is nothing to scale or crop

    def image(self, row: Place) -> Image.Image:
        pixels = row.shard.pixels(row.number)
        return in_channels(Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels), self.channels)


def rows_of(shards: Iterable[Shard]) -> list[Row]:
    return [Row(shard, number) for shard in shards for number in range(len(shard))]


def open_images(paths: Sequence[Path], name: str | None, layout: str | None, scale: Scale | None,
                prefix: str = "data.") -> list[Shard]:
    """Opens the array of images in each file. Raises a RequestError if there is none, or none that holds images.

    name: of the array in .npz files; None: arr_0, or the only one that can be images
    layout: NHWC or NCHW; None: as the number of channels says
    scale: what numbers mean that have not 8 bits
    prefix: of settings in messages, as they are typed
    """
    return [_open_shard(path, name, layout, scale, prefix, len(paths) <= MOST_OPEN) for path in paths]


def has_images(path: Path) -> bool:
    """Returns whether a file has an array that can be images. Raises a RequestError if it is damaged."""
    arrays = open_arrays(path)
    return IMAGES in arrays or any(may_be_images(array) for array in arrays.values())


def may_be_images(array: StoredArray) -> bool:
    if len(array.shape) == 3:
        return array.kind == numpy.uint8
    return array.kind.kind in "uif" and len(array.shape) == 4 and bool({*CHANNELS} & {array.shape[1], array.shape[3]})


def _open_shard(path: Path, name: str | None, layout: str | None, scale: Scale | None, prefix: str,
                stays_open: bool) -> Shard:
    array = _images_in(path, open_arrays(path, stays_open), name, prefix)
    require_numbers(array)
    layout = _layout_of(array, layout, prefix)
    if not all(array.shape):
        raise damaged(path, Unreadable(f"its array has the shape {array.shape}, without an image"))
    if array.kind == numpy.uint8:
        return Shard(array, layout, None)
    if scale is None:
        raise RequestError(_refusal_of_numbers(array, prefix))
    return Shard(array, layout, scale)


def _images_in(path: Path, arrays: dict[str, StoredArray], name: str | None, prefix: str) -> StoredArray:
    if "" in arrays:
        return arrays[""]
    if name is None:
        possible = [IMAGES] if IMAGES in arrays else [each for each, array in arrays.items() if may_be_images(array)]
        name = possible[0] if len(possible) == 1 else None
    if name not in arrays:
        there = ", ".join(f"{each} {list(array.shape)}" for each, array in arrays.items()) or "none"
        remedy = f"type {prefix}image_array=NAME" if prefix else f"save the images as {IMAGES}"
        raise RequestError(f"{path} has no array called {name or IMAGES} (there are {there}): {remedy}")
    return arrays[name]


def _layout_of(array: StoredArray, layout: str | None, prefix: str) -> str:
    shape, place = array.shape, f"{array.file.path}: {array.label} has the shape {list(array.shape)}"
    if len(shape) == 3:
        return GREY
    if len(shape) != 4:
        raise RequestError(f"{place}, and images are [N, H, W], [N, H, W, C] or [N, C, H, W]")
    fits = {CHANNELS_LAST: shape[3] in CHANNELS, CHANNELS_FIRST: shape[1] in CHANNELS}
    if layout and not fits[layout]:
        raise RequestError(f"{place}, and {prefix}layout={layout} needs 1, 3 or 4 channels "
                           f"{'at its end' if layout == CHANNELS_LAST else 'behind N'}: type "
                           f"{prefix}layout={CHANNELS_FIRST if layout == CHANNELS_LAST else CHANNELS_LAST}")
    possible = [layout] if layout else [each for each in LAYOUTS if fits[each]]
    if not possible:
        raise RequestError(f"{place}, in which nothing is the 1, 3 or 4 channels of an image"
                           f"{OF_LATENTS if prefix else ''}")
    if len(possible) > 1:
        remedy = f"type {prefix}layout={CHANNELS_LAST} or {prefix}layout={CHANNELS_FIRST}" if prefix else (
            "save it as [N, H, W, C] of more pixels")
        raise RequestError(f"{place}, of which the channels may be the first or the last: {remedy}")
    return possible[0]


def _refusal_of_numbers(array: StoredArray, prefix: str) -> str:
    place = f"{array.file.path}: {array.label}"
    return (f"{place} has numbers of kind {array.kind}, which do not say what is black and what is white, and images "
            f"are uint8 from 0 to 255: type {prefix}white=1 if 1 is white and 0 black in all of them"
            + (f", or {prefix}black=-1 {prefix}white=1 if black is -1{OF_LATENTS}" if prefix else
               ", or save ((ARRAY + 1) * 127.5).round().clip(0, 255).astype('uint8') if black is -1"))

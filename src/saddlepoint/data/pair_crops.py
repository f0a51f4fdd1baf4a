"""Crops pairs of images, in the workers of the data loader.

A high-resolution image has H x W pixels and C channels, its low-resolution image H / s x W / s pixels. A crop of the
former has S x S pixels.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy
import torch

from saddlepoint.data.bicubic import reduced_uint8
from saddlepoint.data.decoding import Unreadable, header_of
from saddlepoint.data.listing import ImageFile
from saddlepoint.data.loading import DecodedBatches, ImageLoader
from saddlepoint.data.partners import Partners
from saddlepoint.data.resizing import ResizeAndCrop

SCALES = (2, 3, 4, 8)
ALIKE = 30.0  # dB; pairs above it match even if they differ by more than they vary, as a cloudless sky with noise does
MIDDLE = 256  # low-resolution pixels: side of the central square in which a pair is compared
MARGIN = 4  # low-resolution pixels around a crop that take part in its bicubic reduction: the kernel reaches 2 s pixels


def cut_to_multiple(pixels: numpy.ndarray, scale: int) -> numpy.ndarray:
    """Cuts off the last rows and columns of [H, W, C] that make no whole low-resolution pixel."""
    height, width = pixels.shape[:2]
    return pixels[:height // scale * scale, :width // scale * scale]


class RandomCrops(ResizeAndCrop):
    """Random crops of `size` pixels from photographs that are not resized. `typed`: the setting of the size, e.g.
    `data.image_size=96`, for errors."""

    def __init__(self, size: int, typed: str):
        super().__init__(size, "none", "random")
        self.typed = typed

    def check(self, width: int, height: int) -> None:
        if min(width, height) < self.image_size:
            raise Unreadable(f"its {width} x {height} pixels are less than {self.typed}")


class LowImages:
    """Low-resolution images: the files that are `partners` of the high-resolution ones, or bicubic reductions."""

    def __init__(self, scale: int, partners: Partners | None, load: ImageLoader):
        self.scale, self.partners, self.load = scale, partners, load

    def whole(self, file: ImageFile, high: numpy.ndarray) -> numpy.ndarray:
        """Returns the low-resolution image [H / s, W / s, C] uint8 of a file whose pixels are high [H, W, C] uint8."""
        return self.of_file(file, high.shape) if self.partners else reduced(high, self.scale)

    def of_file(self, file: ImageFile, shape: tuple[int, ...]) -> numpy.ndarray:
        """Reads the low-resolution file of a photograph of shape [H, W, C]. Raises Unreadable, also if its size is not
        H / s x W / s."""
        path = self.partners.of(file)
        try:
            low = self.load.decoded(path)
        except Unreadable as error:
            raise Unreadable(f"its low-resolution image {path}: {error}") from error
        self._refuse_size(path, low.shape[1::-1], shape[1::-1])
        return low

    def check(self, file: ImageFile) -> None:
        """Reads the header of the low-resolution file of a photograph. Raises Unreadable if there is none or its
        size is another."""
        path = self.partners.of(file)
        try:
            low = header_of(path, self.load.limits)[:2]
        except Unreadable as error:
            raise Unreadable(f"its low-resolution image {path}: {error}") from error
        high = header_of(file.path, self.load.limits)[:2]
        if [side // self.scale for side in high] != [*low[::-1]]:  # one may be stored turned; decoding makes it upright
            self._refuse_size(path, low, high)

    def _refuse_size(self, path: Path, low: Sequence[int], high: Sequence[int]) -> None:
        """Refuses a low-resolution image of another size than (width, height) of `high` asks for."""
        expected = [side // self.scale for side in high]
        if list(low) == expected:
            return
        fitting = next((scale for scale in SCALES if [side // scale for side in high] == list(low)), None)
        raise Unreadable(f"{path} has {low[0]} x {low[1]} pixels, not the {expected[0]} x {expected[1]} that "
                         f"data.scale={self.scale} asks for" + (f": data.scale={fitting} would fit" if fitting else ""))


def reduced(high: numpy.ndarray, scale: int) -> numpy.ndarray:
    """Reduces pixels by MATLAB's bicubic: [H, W, C] uint8 -> [H / s, W / s, C] uint8."""
    return reduced_uint8(torch.from_numpy(high.copy()).permute(2, 0, 1), scale).permute(1, 2, 0).numpy()


class CroppedPairs(DecodedBatches):
    """A data set that loads batches of pairs: a range of the stream's positions -> (its first position, high
    [len, C, S, S] uint8, low [len, C, S / s, S / s] uint8, {index: why unreadable}).

    The place and orientation of a crop depend on its position in the stream.

    arguments: those of DecodedBatches
    rotate: whether crops are turned by quarters
    low_images: where low-resolution crops come from; None: there are none, and a crop may begin at any pixel instead
        of a multiple of s
    memory: bytes of decoded photographs that are kept
    """

    def __init__(self, *arguments, rotate: bool, low_images: LowImages | None, memory: int):
        super().__init__(*arguments)
        self.rotate, self.low_images = rotate, low_images
        self.scale = low_images.scale if low_images else 1
        self.recent = RecentImages(memory)

    def __getitems__(self, positions: range) -> tuple:
        num_unreadable = len(self.unreadable)
        indices = self.order.images(positions).tolist()
        points = self.order.points("crop", positions).tolist()
        pairs = []
        for index, position, point, turn in zip(indices, positions, points, self._turns(positions), strict=True):
            _, (high, low) = self._load(index, position)
            pairs.append([turned(pixels, *turn) for pixels in self._crops(high, low, point)])
        images = [torch.from_numpy(numpy.stack(each)).permute(0, 3, 1, 2).contiguous()
                  for each in zip(*pairs, strict=True)]
        return positions.start, *images, dict(list(self.unreadable.items())[num_unreadable:])

    def pixels(self, file: ImageFile) -> tuple[numpy.ndarray, numpy.ndarray | None]:
        """Returns a whole photograph [H, W, C] and its low-resolution image, None unless that is a file."""
        def decoded() -> tuple[numpy.ndarray, numpy.ndarray | None]:
            high = cut_to_multiple(self.load.pixels(file.path), self.scale)
            if self.low_images and self.low_images.partners:
                return high, self.low_images.of_file(file, high.shape)
            return high, None

        return self.recent.get(file.path, decoded)

    def placeholder(self) -> tuple[numpy.ndarray, numpy.ndarray | None]:
        side = self.load.framing.image_size
        return numpy.zeros((side, side, self.load.channels), numpy.uint8), None

    def _turns(self, positions: range) -> list[tuple[bool, int]]:
        """Draws orientations: whether a crop is mirrored left to right, then by how many quarters it is turned, 0 to 3.
        All eight are as likely."""
        mirrors, halves, quarters = (
            self.order.coins(purpose, positions).tolist() if is_drawn else [False] * len(positions)
            for purpose, is_drawn in (("flip", self.horizontal_flip), ("half_turn", self.rotate),
                                    ("quarter_turn", self.rotate)))
        return [(mirror, 2 * half + quarter) for mirror, half, quarter in zip(mirrors, halves, quarters, strict=True)]

    def _crops(self, high: numpy.ndarray, low: numpy.ndarray | None, point: tuple[float, float]) -> list[numpy.ndarray]:
        """Returns the crop [S, S, C] at `point` and, if there are low-resolution images, that crop of theirs."""
        scale, size = self.scale, self.load.framing.image_size // self.scale
        places = [side // scale - size + 1 for side in high.shape[:2]]
        top, left = (int(share * count) for share, count in zip(point, places, strict=True))
        crop = high[top * scale:(top + size) * scale, left * scale:(left + size) * scale]
        if self.low_images is None:
            return [crop]
        return [crop, reduced_crop(high, top, left, size, scale) if low is None
                else low[top:top + size, left:left + size]]


def reduced_crop(high: numpy.ndarray, top: int, left: int, size: int, scale: int) -> numpy.ndarray:
    """Returns the crop [size, size, C], at low-resolution place (top, left), of the reduced image, without reducing all
    of it. Pixels around the crop take part; only the border of the image itself is mirrored."""
    above, before = max(top - MARGIN, 0), max(left - MARGIN, 0)
    around = high[above * scale:(top + size + MARGIN) * scale, before * scale:(left + size + MARGIN) * scale]
    return reduced(around, scale)[top - above:top - above + size, left - before:left - before + size]


def mismatch(high: numpy.ndarray, low: numpy.ndarray, scale: int) -> float | None:
    """Returns the PSNR of a pair in dB if it shows that they are not the same picture, else None.

    The PSNR is that of the reduced high-resolution image [H, W, C] against the low-resolution one [H / s, W / s, C],
    both uint8, in their middle. They do not match if the reduced image is no nearer to the other than even grey is.
    """
    size = min(MIDDLE, *low.shape[:2])
    top, left = ((side - size) // 2 for side in low.shape[:2])
    expected = low[top:top + size, left:left + size].astype(numpy.float64)
    error = numpy.square(expected - reduced_crop(high, top, left, size, scale)).mean()
    psnr = 10 * math.log10(255**2 / max(error, 1e-9))
    return psnr if error > expected.var() and psnr < ALIKE else None


def turned(pixels: numpy.ndarray, mirror: bool, quarters: int) -> numpy.ndarray:
    """Mirrors pixels [H, W, C] left to right if asked to, then turns them counter-clockwise by so many quarters."""
    return numpy.rot90(pixels[:, ::-1] if mirror else pixels, quarters)


class RecentImages:
    """The images that were used last, up to `memory` bytes, and always the newest."""

    def __init__(self, memory: int):
        self.memory, self.used = memory, 0
        self.images: OrderedDict[Path, tuple] = OrderedDict()  # the newest is last

    def get(self, path: Path, decode: Callable[[], tuple]) -> tuple:
        """Returns the images of a file: those in memory, else those of `decode`."""
        if path in self.images:
            self.images.move_to_end(path)
            return self.images[path]
        images = decode()
        self.images[path] = images
        self.used += _bytes(images)
        while self.used > self.memory and len(self.images) > 1:
            self.used -= _bytes(self.images.popitem(last=False)[1])
        return images


def _bytes(arrays: tuple) -> int:
    return sum(array.nbytes for array in arrays if array is not None)

"""Crops of image pairs, made in the loader's workers.

H x W pixels of C channels, s times fewer in the low-resolution image; S x S is the high-resolution crop.
"""

import math
from collections import OrderedDict
from collections.abc import Sequence
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
ALIKE = 30.0  # dB; above it a pair may differ by more than its picture varies, e.g. a cloudless sky with noise
MIDDLE = 256  # low-resolution pixels of a side that are compared
MARGIN = 4  # low-resolution pixels around a crop that its bicubic reduction looks at: the kernel reaches 2 s


def cut_to_multiple(pixels: numpy.ndarray, scale: int) -> numpy.ndarray:
    """[H, W, C] without the last rows and columns that make no whole low-resolution pixel"""
    height, width = pixels.shape[:2]
    return pixels[:height // scale * scale, :width // scale * scale]


class CroppedAnywhere(ResizeAndCrop):
    """Photographs as they are, of which squares of `size` pixels are cut; `typed` says which setting that is."""

    def __init__(self, size: int, typed: str):
        super().__init__(size, "none", "random")
        self.typed = typed

    def check(self, width: int, height: int) -> None:
        if min(width, height) < self.image_size:
            raise Unreadable(f"its {width} x {height} pixels are less than {self.typed}")


class Lows:
    """Where low-resolution pixels come from: the files that are `partners` of the high ones, or reduction."""

    def __init__(self, scale: int, partners: Partners | None, load: ImageLoader):
        self.scale, self.partners, self.load = scale, partners, load

    def whole(self, file: ImageFile, high: numpy.ndarray) -> numpy.ndarray:
        """high [H, W, C] uint8 -> [H / s, W / s, C] uint8"""
        return self.of_file(file, high.shape) if self.partners else reduced(high, self.scale)

    def of_file(self, file: ImageFile, shape: tuple[int, ...]) -> numpy.ndarray:
        path = self.partners.of(file)
        try:
            low = self.load.decoded(path)
        except Unreadable as error:
            raise Unreadable(f"its low-resolution image {path}: {error}") from error
        self._refuse_size(path, low.shape[1::-1], shape[1::-1])
        return low

    def check(self, file: ImageFile) -> None:
        """Whether there is a low-resolution file, and of the right size, by its header."""
        path = self.partners.of(file)
        try:
            low = header_of(path, self.load.limits)[:2]
        except Unreadable as error:
            raise Unreadable(f"its low-resolution image {path}: {error}") from error
        high = header_of(file.path, self.load.limits)[:2]
        if [side // self.scale for side in high] != [*low[::-1]]:  # one may lie turned, which decoding mends
            self._refuse_size(path, low, high)

    def _refuse_size(self, path: Path, low: Sequence[int], high: Sequence[int]) -> None:
        """Each width, height"""
        wanted = [side // self.scale for side in high]
        if list(low) == wanted:
            return
        fitting = next((scale for scale in SCALES if [side // scale for side in high] == list(low)), None)
        raise Unreadable(f"{path} has {low[0]} x {low[1]} pixels, not the {wanted[0]} x {wanted[1]} that data.scale="
                         f"{self.scale} asks for" + (f": data.scale={fitting} would fit" if fitting else ""))


def reduced(high: numpy.ndarray, scale: int) -> numpy.ndarray:
    """MATLAB's bicubic, [H, W, C] uint8 -> [H / s, W / s, C] uint8"""
    return reduced_uint8(torch.from_numpy(high.copy()).permute(2, 0, 1), scale).permute(1, 2, 0).numpy()


class CroppedPairs(DecodedBatches):
    """A range of the stream's positions -> (its first, high [len, C, S, S] uint8, low [len, C, S / s, S / s] uint8,
    {index: why unreadable}). The crop's place and orientation belong to the position.

    Without `lows` there are no low ones, and crops lie anywhere instead of at multiples of s.
    """

    def __init__(self, *arguments, rotate: bool, lows: Lows | None, memory: int):
        super().__init__(*arguments)
        self.rotate, self.lows = rotate, lows
        self.scale = lows.scale if lows else 1
        self.recent = Recent(memory)

    def __getitems__(self, positions: range) -> tuple:
        known = len(self.unreadable)
        indices = self.order.images(positions).tolist()
        points = self.order.points("crop", positions).tolist()
        shown = []
        for index, position, point, turn in zip(indices, positions, points, self._turns(positions), strict=True):
            _, (high, low) = self._readable(index, position)
            shown.append([turned(pixels, *turn) for pixels in self._crops(high, low, point)])
        images = [torch.from_numpy(numpy.stack(each)).permute(0, 3, 1, 2).contiguous()
                  for each in zip(*shown, strict=True)]
        return positions.start, *images, dict(list(self.unreadable.items())[known:])

    def pixels(self, file: ImageFile) -> tuple[numpy.ndarray, numpy.ndarray | None]:
        """The whole high image, and the whole low one where it is a file"""
        def decoded() -> tuple[numpy.ndarray, numpy.ndarray | None]:
            high = cut_to_multiple(self.load.pixels(file.path), self.scale)
            return high, self.lows.of_file(file, high.shape) if self.lows and self.lows.partners else None

        return self.recent.get(file.path, decoded)

    def nothing(self) -> tuple[numpy.ndarray, numpy.ndarray | None]:
        side = self.load.framing.image_size
        return numpy.zeros((side, side, self.load.channels), numpy.uint8), None

    def _turns(self, positions: range) -> list[tuple[bool, int]]:
        """mirrored left to right, then turned by quarters 0 to 3: all eight orientations are as likely"""
        mirrors, halves, quarters = (
            self.order.coins(purpose, positions).tolist() if wanted else [False] * len(positions)
            for purpose, wanted in (("flip", self.horizontal_flip), ("half_turn", self.rotate),
                                    ("quarter_turn", self.rotate)))
        return [(mirror, 2 * half + quarter) for mirror, half, quarter in zip(mirrors, halves, quarters, strict=True)]

    def _crops(self, high: numpy.ndarray, low: numpy.ndarray | None, point: tuple[float, float]) -> list[numpy.ndarray]:
        scale, size = self.scale, self.load.framing.image_size // self.scale
        places = [side // scale - size + 1 for side in high.shape[:2]]
        top, left = (int(share * count) for share, count in zip(point, places, strict=True))
        crop = high[top * scale:(top + size) * scale, left * scale:(left + size) * scale]
        if self.lows is None:
            return [crop]
        return [crop, reduced_crop(high, top, left, size, scale) if low is None
                else low[top:top + size, left:left + size]]


def reduced_crop(high: numpy.ndarray, top: int, left: int, size: int, scale: int) -> numpy.ndarray:
    """A piece of the whole low image without making the whole: pixels around the crop take part, and the image's own
    border is mirrored only where it is the border."""
    above, before = max(top - MARGIN, 0), max(left - MARGIN, 0)
    around = high[above * scale:(top + size + MARGIN) * scale, before * scale:(left + size + MARGIN) * scale]
    return reduced(around, scale)[top - above:top - above + size, left - before:left - before + size]


def unlike(high: numpy.ndarray, low: numpy.ndarray, scale: int) -> float | None:
    """high [H, W, C], low [H / s, W / s, C] uint8 -> the PSNR in dB of the reduced high image against the low one, in
    their middle, if it is so low that they cannot belong together: no nearer to the low image than an even grey is."""
    size = min(MIDDLE, *low.shape[:2])
    top, left = ((side - size) // 2 for side in low.shape[:2])
    wanted = low[top:top + size, left:left + size].astype(numpy.float64)
    error = numpy.square(wanted - reduced_crop(high, top, left, size, scale)).mean()
    psnr = 10 * math.log10(255**2 / max(error, 1e-9))
    return psnr if error > wanted.var() and psnr < ALIKE else None


def turned(pixels: numpy.ndarray, mirror: bool, quarters: int) -> numpy.ndarray:
    """[H, W, C], counter-clockwise"""
    return numpy.rot90(pixels[:, ::-1] if mirror else pixels, quarters)


class Recent:
    """What was decoded last, up to a number of bytes."""

    def __init__(self, memory: int):
        self.memory, self.used = memory, 0
        self.kept: OrderedDict[Path, tuple] = OrderedDict()

    def get(self, path: Path, make):
        if path in self.kept:
            self.kept.move_to_end(path)
            return self.kept[path]
        made = make()
        self.kept[path] = made
        self.used += _bytes(made)
        while self.used > self.memory and len(self.kept) > 1:
            self.used -= _bytes(self.kept.popitem(last=False)[1])
        return made


def _bytes(arrays: tuple) -> int:
    return sum(array.nbytes for array in arrays if array is not None)

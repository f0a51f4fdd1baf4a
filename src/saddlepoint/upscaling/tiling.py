"""Sends images of any size through an upscaling network in bounded memory: in overlapping tiles, of which only the
middle is used.

C channels, h x w pixels, s the network's scale. What the network sees of an image and what is used of its output are
chosen so that tiles equal the whole image wherever the overlap reaches as far as the network's receptive field: a
window is cut where the image ends, so that zeros the network pads with stand where they stand for the whole image."""

import math
import sys
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from saddlepoint.errors import RequestError
from saddlepoint.game.modes import device_of
from saddlepoint.upscaling.channels import fitted

TILE = 256  # input pixels; with 64 on each side RRDBNet's last layers take about 2 GB
LEAST_TILE = 16
MOST_OVERLAP = 64  # unless asked for: RRDBNet reaches 349 pixels far, and beyond 64 at most one grey level changes
FULL_SCALE = {torch.uint8: 255, torch.uint16: 65535}  # of other types: 1

Watch = Callable[[int, int], None]  # tiles done, of how many


class Window(NamedTuple):
    """A tile along one side: the network sees pixels start .. stop, of which first .. last are used."""

    start: int
    stop: int
    first: int
    last: int


def windows(length: int, tile: int, overlap: int) -> list[Window]:
    """Returns as few windows of at most tile + 2 * overlap as cover `length`, all of one size, no larger than
    needed. Every pixel that is used has `overlap` others around it, or the end of the image."""
    count = max(1, math.ceil((length - 2 * overlap) / tile))
    size = math.ceil((length + 2 * overlap * (count - 1)) / count)
    starts = [index * (length - size) // max(count - 1, 1) for index in range(count)]
    edges = [0, *(start + overlap for start in starts[1:]), length]
    return [Window(start, start + size, *edges[index:index + 2]) for index, start in enumerate(starts)]


class NotFinite(RequestError):
    """An error: the network's output has values that are not finite."""


class TiledUpscaler:
    """A network (an upscaler in evaluation mode, on its device) that enlarges images tile by tile; images stay on
    the CPU.

    When memory runs out, it halves the tile, says so and begins the image again; later images begin with the smaller
    tile."""

    def __init__(self, network: nn.Module, tile: int = TILE, overlap: int | None = None):
        self.network, self.tile = network, tile
        self.overlap = min(network.receptive_field, MOST_OVERLAP) if overlap is None else overlap

    def __call__(self, low: Tensor, watch: Watch = lambda done, total: None) -> Tensor:
        """low [C, h, w] of C 1 or 3, uint8, uint16 or float in [0, 1] -> [C, s*h, s*w] of the same type, whole numbers
        rounded and clipped"""
        channels, height, width = low.shape
        scale = self.network.scale
        high = _empty(scale * height, scale * width, channels, low.dtype)
        while not self._fits(low, high, watch):
            self._halve()
        return high

    def _fits(self, low: Tensor, high: Tensor, watch: Watch) -> bool:
        """Fills every pixel of `high`; returns False if memory runs out."""
        try:
            self._fill(low, high, watch)
            return True
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        if torch.cuda.is_available():  # the attempt's tensors are gone now, with the error that held on to them
            torch.cuda.empty_cache()
        return False

    def _fill(self, low: Tensor, high: Tensor, watch: Watch) -> None:
        rows, columns = (self._windows(length) for length in low.shape[1:])
        for done, (row, column) in enumerate([(row, column) for row in rows for column in columns], start=1):
            self._fill_tile(low, high, row, column)
            watch(done, len(rows) * len(columns))

    def _windows(self, length: int) -> list[Window]:
        """Returns windows in whole multiples of what the network takes; the last may reach beyond the image."""
        unit = self.network.multiple
        parts = windows(math.ceil(length / unit), max(self.tile // unit, 1), math.ceil(self.overlap / unit))
        return [Window(*(unit * edge for edge in part)) for part in parts]

    @torch.inference_mode()
    def _fill_tile(self, low: Tensor, high: Tensor, row: Window, column: Window) -> None:
        scale, full_scale = self.network.scale, FULL_SCALE.get(low.dtype, 1)
        seen = low[:, row.start:row.stop, column.start:column.stop].to(device_of(self.network)).float() / full_scale
        missing = (0, column.stop - column.start - seen.shape[2], 0, row.stop - row.start - seen.shape[1])
        seen = functional.pad(seen[None], missing, mode="replicate")  # [1, C, h, w]
        output = fitted(self.network, low.shape[0])(seen.contiguous(memory_format=torch.channels_last))[0]
        if not torch.isfinite(output).all():
            raise NotFinite("The network's output is not finite: its weights are damaged or have diverged. Type "
                            "weights= for others")
        place = high[:, scale * row.first:scale * row.last, scale * column.first:scale * column.last]
        top, left = scale * (row.first - row.start), scale * (column.first - column.start)
        middle = output[:, top:top + place.shape[1], left:left + place.shape[2]]
        place.copy_(middle if full_scale == 1 else middle.mul(full_scale).round().clamp(0, full_scale).to(high.dtype))

    def _halve(self) -> None:
        if self.tile <= LEAST_TILE:
            raise RequestError(f"Not enough memory even for tile={self.tile} with overlap={self.overlap}: type a "
                               "smaller overlap=, e.g. overlap=8, or device=cpu if this was a GPU")
        before, self.tile = self.tile, max(self.tile // 2, LEAST_TILE)
        print(f"out of memory with tile={before}: going on with tile={self.tile}", file=sys.stderr)


def upscale_tiled(network: nn.Module, low: Tensor, tile: int = TILE, overlap: int | None = None) -> Tensor:
    """low [C, h, w] on the CPU -> [C, s*h, s*w]: TiledUpscaler for a single image"""
    return TiledUpscaler(only_to_use(network), tile, overlap)(low)


def only_to_use(network: nn.Module) -> nn.Module:
    """Returns the network without gradients and laid out for speed. It must not be trained again."""
    return network.requires_grad_(False).eval().to(memory_format=torch.channels_last)


def is_out_of_memory(error: Exception) -> bool:
    """Returns whether memory ran out: torch has an error for that on a GPU; on the CPU only the text of a
    RuntimeError tells."""
    texts = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(text in str(error) for text in texts)


def _empty(height: int, width: int, channels: int, dtype: torch.dtype) -> Tensor:
    """[C, H, W], laid out as image files are: pixel after pixel"""
    try:
        return torch.empty(height, width, channels, dtype=dtype).permute(2, 0, 1)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise RequestError(f"Not enough memory for an image of {width} x {height} pixels: type a smaller "
                           "max_pixels= to leave such images out") from error

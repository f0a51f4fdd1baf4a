"""Sends images of any size through an upscaling network in bounded memory: in overlapping tiles, of which only the
middle is used.

N images of C channels, h x w pixels, s the network's scale. Tiles give the same result as the whole image if the
overlap is at least the network's receptive field. For that a tile ends where the image ends: the zeros with which the
network pads its input then stand at the same places."""

import copy
import math
import sys
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from saddlepoint.errors import RequestError
from saddlepoint.game.device_memory import Download, upload
from saddlepoint.game.devices import is_out_of_memory
from saddlepoint.game.modes import device_of, in_float32
from saddlepoint.upscaling.precision import FLOAT32, PRECISIONS, Precision

TILE = 256  # input pixels of a side; with an overlap of 64 RRDBNet's last layers take about 2 GB
AHEAD = 2  # tiles
LEAST_TILE = 16
MOST_OVERLAP = 64  # pixels, by default: RRDBNet's receptive field is 349, but beyond 64 at most one level changes
FULL_SCALE = {torch.uint8: 255, torch.uint16: 65535}  # the level of white; 1 of other types
GREY, COLOUR = 1, 3  # channels

Watch = Callable[[int, int], None]  # called after each tile with how many are done, and how many there are


class Window(NamedTuple):
    """A tile along one side of the image: the network sees the pixels from `start` to before `stop`; those from `first`
    to before `last` are used."""

    start: int
    stop: int
    first: int
    last: int


def windows(length: int, tile: int, overlap: int) -> list[Window]:
    """Returns windows that cover `length`: as few as possible of at most tile + 2 * overlap pixels, then all equally
    large and as small as possible. A pixel that is used has at least `overlap` pixels on each side, unless the image
    ends there."""
    count = max(1, math.ceil((length - 2 * overlap) / tile))
    size = math.ceil((length + 2 * overlap * (count - 1)) / count)
    starts = [index * (length - size) // max(count - 1, 1) for index in range(count)]
    edges = [0, *(start + overlap for start in starts[1:]), length]
    return [Window(start, start + size, *edges[index:index + 2]) for index, start in enumerate(starts)]


class Tile(NamedTuple):
    """A window of rows and one of columns."""

    row: Window
    column: Window


class NotFinite(RequestError):
    """A network's output that is not finite."""


class TiledUpscaler:
    """A network that enlarges images tile by tile. Images stay on the CPU, and the network on its device. A GPU is
    given the next tiles before the host waits for one, whose pixels are copied meanwhile.

    network: an upscaler (networks/protocols.py) in evaluation mode, in float32.
    tile: pixels of a tile's side, without the overlap. When memory runs out, it is halved with a message, for this
        image, which begins again, and for all that follow.
    overlap: pixels that the network sees around a tile; None: as many as its receptive field, at most MOST_OVERLAP.
    precision: the type of number in which the network computes images of each type. A tile that is not finite in half
        precision is computed again in float32, with a message."""

    def __init__(self, network: nn.Module, tile: int = TILE, overlap: int | None = None,
                 precision: Precision = FLOAT32):
        self.network, self.tile, self.precision = network, tile, precision
        self.networks = {dtype: network if dtype == torch.float32 else copy.deepcopy(network).to(dtype)
                         for dtype in {torch.float32, *precision}}
        self.overlap = min(network.receptive_field, MOST_OVERLAP) if overlap is None else overlap

    def __call__(self, low: Tensor, watch: Watch = lambda done, total: None) -> Tensor:
        """Enlarges `low` [C, h, w] with C 1 or 3 to [C, s*h, s*w] of the same type: uint8 or uint16, rounded and
        clipped, or floating-point in [0, 1], not clipped."""
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
        if torch.cuda.is_available():  # possible only here: the error above kept the attempt's tensors alive
            torch.cuda.empty_cache()
        return False

    @torch.inference_mode()
    def _fill(self, low: Tensor, high: Tensor, watch: Watch) -> None:
        rows, columns = (self._windows(length) for length in low.shape[1:])
        tiles = [Tile(row, column) for row in rows for column in columns]
        device, dtype = device_of(self.network), self.precision.of(low.dtype)
        started: deque[tuple[Tile, Download, Download]] = deque()
        repeated = 0
        with in_float32(device):
            for number, tile in enumerate(tiles, start=1):
                started.append((tile, *self._start(low, tile, dtype)))
                may_wait = ahead(device) if number < len(tiles) else 0
                while len(started) > may_wait:
                    done, pixels, finite = started.popleft()
                    if not finite.wait():
                        pixels = self._again(low, done, dtype)
                        repeated += 1
                    self._place(high, done).copy_(pixels.wait().permute(2, 0, 1))
                    watch(number - len(started), len(tiles))
        if repeated:
            print(f"not finite with precision={PRECISIONS[dtype]}: {repeated} of {len(tiles)} tiles, computed again in "
                  "float32", file=sys.stderr)

    def _windows(self, length: int) -> list[Window]:
        """Returns windows whose edges are multiples of `network.multiple`; the last may reach beyond the image."""
        unit = self.network.multiple
        parts = windows(math.ceil(length / unit), max(self.tile // unit, 1), math.ceil(self.overlap / unit))
        return [Window(*(unit * edge for edge in part)) for part in parts]

    def _start(self, low: Tensor, tile: Tile, dtype: torch.dtype) -> tuple[Download, Download]:
        """Begins to compute a tile of `low` [C, h, w]. Returns its enlarged pixels [H, W, C] in the type of `low`, and
        whether the output is finite. The layout is that of a picture's memory, so that copies are of whole rows."""
        full_scale, (row, column) = FULL_SCALE.get(low.dtype, 1), tile
        window = low.permute(1, 2, 0)[row.start:row.stop, column.start:column.stop]
        window = upload(window, device_of(self.network)).permute(2, 0, 1).float() / full_scale
        missing = (0, column.stop - column.start - window.shape[2], 0, row.stop - row.start - window.shape[1])
        window = functional.pad(window[None], missing, mode="replicate").to(dtype)  # [1, C, h, w]
        network = match_channels(self.networks[dtype], low.shape[0])
        output = network(window.contiguous(memory_format=torch.channels_last))[0]
        finite = torch.isfinite(output).all()
        scale, (height, width) = self.network.scale, low.shape[1:]
        used_rows, used_columns = (slice(scale * (window.first - window.start),
                                         scale * (min(window.last, length) - window.start))
                                   for window, length in ((row, height), (column, width)))
        pixels = output[:, used_rows, used_columns]
        if full_scale > 1:
            pixels = pixels.float().mul(full_scale).round().clamp(0, full_scale)
        return Download(pixels.to(low.dtype).permute(1, 2, 0)), Download(finite)

    def _again(self, low: Tensor, tile: Tile, dtype: torch.dtype) -> Download:
        """Begins to compute a tile in float32 that was not finite in `dtype`. Raises NotFinite if it is not finite
        there either."""
        finite = None
        if dtype != torch.float32:
            pixels, finite = self._start(low, tile, torch.float32)
        if finite is None or not finite.wait():
            raise NotFinite("The network's output is not finite: its weights are damaged or have diverged. Type "
                            "weights= for others")
        return pixels

    def _place(self, high: Tensor, tile: Tile) -> Tensor:
        """Returns the pixels of `high` that a tile fills."""
        (top, bottom), (left, right) = ((self.network.scale * window.first, self.network.scale * window.last)
                                        for window in tile)
        return high[:, top:bottom, left:right]

    def _halve(self) -> None:
        if self.tile <= LEAST_TILE:
            raise RequestError(f"Not enough memory even for tile={self.tile} with overlap={self.overlap}: type a "
                               "smaller overlap=, e.g. overlap=8, or device=cpu if this was a GPU")
        before, self.tile = self.tile, max(self.tile // 2, LEAST_TILE)
        print(f"out of memory with tile={before}: going on with tile={self.tile}", file=sys.stderr)


def upscale_tiled(network: nn.Module, low: Tensor, tile: int = TILE, overlap: int | None = None) -> Tensor:
    """Enlarges a single image [C, h, w] on the CPU to [C, s*h, s*w], as TiledUpscaler does."""
    return TiledUpscaler(prepare_for_inference(network), tile, overlap)(low)


def ahead(device: torch.device) -> int:
    """Returns how many tiles a device may be given beyond the one that the host waits for."""
    return AHEAD if device.type == "cuda" else 0


def match_channels(network: nn.Module, channels: int) -> Callable[[Tensor], Tensor]:
    """Returns the network as a function [N, channels, h, w] -> [N, channels, s*h, s*w]. A network for colours takes
    grey as three equal channels and its output is averaged; one for grey takes each colour as an image."""
    if network.channels == channels:
        return network
    if (network.channels, channels) == (COLOUR, GREY):
        return lambda low: network(low.expand(-1, COLOUR, -1, -1)).mean(1, keepdim=True)
    if (network.channels, channels) == (GREY, COLOUR):
        return lambda low: network(low.flatten(0, 1)[:, None]).unflatten(0, (-1, COLOUR))[:, :, 0]
    raise ValueError(f"A network of {network.channels} channels cannot take images of {channels}")


def prepare_for_inference(network: nn.Module) -> nn.Module:
    """Turns off the network's gradients and lays out its weights for speed, in place; returns it."""
    return network.requires_grad_(False).eval().to(memory_format=torch.channels_last)


def _empty(height: int, width: int, channels: int, dtype: torch.dtype) -> Tensor:
    """Allocates an image [C, H, W], whose memory has pixel after pixel as image files do."""
    try:
        return torch.empty(height, width, channels, dtype=dtype).permute(2, 0, 1)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise RequestError(f"Not enough memory for an image of {width} x {height} pixels: type a smaller "
                           "max_pixels= to leave such images out") from error

"""Chooses how large tiles are. A GPU takes larger ones the more memory it has free, since the overlap around a tile is
computed for nothing: with 64 pixels of it, tiles of 256 compute 2.25 times the pixels, those of 1,024 1.27 times."""

import torch

from saddlepoint.game.device_memory import free_bytes
from saddlepoint.game.modes import device_of
from saddlepoint.upscaling.tiling import COLOUR, LEAST_TILE, TILE, TiledUpscaler

MOST_TILE = 1024  # with 64 pixels around it, 64 maps of four times the side have fewer than 2^31 numbers, cuDNN's limit
PROBE = 128  # pixels of the side of the picture that is enlarged to see how much memory it takes
SHARE = 0.7  # of the free memory that a tile may take


def largest_tile(upscaler: TiledUpscaler) -> int:
    """Returns the side of the largest tile, without overlap, for which there is memory; on a CPU always TILE."""
    device = device_of(upscaler.network)
    if device.type != "cuda":
        return TILE
    return tile_that_fits(bytes_for_pixel(upscaler, device), free_bytes(device), upscaler.overlap)


def tile_that_fits(bytes_of_pixel: float, available: int, overlap: int) -> int:
    """Returns the largest side, MOST_TILE halved some times, of which the memory is there."""
    tile = MOST_TILE
    while tile > LEAST_TILE and bytes_of_pixel * (tile + 2 * overlap)**2 > SHARE * available:
        tile //= 2
    return tile


def bytes_for_pixel(upscaler: TiledUpscaler, device: torch.device) -> float:
    """Returns how many bytes of a GPU's memory the network takes for each pixel of a tile, by enlarging a grey one."""
    upscaler(torch.full((COLOUR, LEAST_TILE, LEAST_TILE), 128, dtype=torch.uint8))  # libraries take their memory here
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    upscaler(torch.full((COLOUR, PROBE, PROBE), 128, dtype=torch.uint8))
    return (torch.cuda.max_memory_allocated(device) - before) / PROBE**2

"""Geometric transformations of images, all of them in one resampling.

A transformation is a matrix [N, 3, 3] that maps places in the new image to places in the old one, in pixels from the
centre of the image, x to the right and y down. Beyond its border an image is mirrored at the centres of its outer
pixels, again and again. N images of C channels and H x W pixels, K places.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# The orthogonal low-pass filter of the symlet with 6 vanishing moments (Daubechies 1992, Ten Lectures on Wavelets,
# table 6.3): sum_k h_k h_(k+2m) = 1 for m = 0, else 0.
SYM6 = (0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633, 0.4910559419267466,
        0.787641141030194, 0.3379294217276218, -0.07263752278646252, -0.021060292512300564, 0.04472490177066578,
        0.0017677118642428036, -0.007800708325034148)
DELAY = 5  # sample k of the fine grid has the taps of pixels j with 0 <= k - 2 j + DELAY < 12
# Of sample 0 from pixel 0, in pixels: where the filter, which is not symmetric, moves low frequencies to. With another
# one the image would move by up to 0.4 pixels as it is mirrored.
OFFSET = (DELAY - sum(tap * weight for tap, weight in enumerate(SYM6)) / sum(SYM6)) / 2
ALIGNED = 16  # a matrix with a multiple of so many rows is multiplied twice as fast


def matrices(rows: tuple[tuple[Tensor | float, ...], ...], like: Tensor) -> Tensor:
    """Returns matrices [N, R, S] of R rows of S elements, each [N] or one number for all; `like` is [N]."""
    numbers = {each: torch.full_like(like, each) for row in rows for each in row if not isinstance(each, Tensor)}
    elements = [each if isinstance(each, Tensor) else numbers[each] for row in rows for each in row]
    return torch.stack(elements, 1).view(len(like), len(rows), len(rows[0]))


def scaled(x: Tensor, y: Tensor) -> Tensor:
    """Returns the matrices [N, 3, 3] of images that become x times as wide and y times as high; x and y are [N]."""
    return matrices(((1 / x, 0.0, 0.0), (0.0, 1 / y, 0.0), (0.0, 0.0, 1.0)), x)


def shifted(x: Tensor, y: Tensor) -> Tensor:
    """Returns the matrices [N, 3, 3] of images that are moved by x pixels to the right and y down; x and y are [N]."""
    return matrices(((1.0, 0.0, -x), (0.0, 1.0, -y), (0.0, 0.0, 1.0)), x)


def turned(cosine: Tensor, sine: Tensor) -> Tensor:
    """Returns the matrices [N, 3, 3] of images that are turned counterclockwise by an angle with this cosine and sine
    [N]."""
    return matrices(((cosine, -sine, 0.0), (sine, cosine, 0.0), (0.0, 0.0, 1.0)), cosine)


def folded(places: Tensor, size: int) -> Tensor:
    """Maps whole numbers to pixels 0 .. size - 1 of an image that is mirrored at the centres of its outer pixels."""
    period = max(2 * (size - 1), 1)
    places = torch.remainder(places, period)
    return torch.minimum(places, period - places) if size > 1 else places


def moved_exactly(images: Tensor, matrix: Tensor) -> Tensor:
    """Returns images [N, C, H, W] with each pixel from the nearest place of the old image. Flips, quarter turns and
    shifts by whole pixels only move pixels, so their bits stay."""
    channels, height, width = images.shape[1:]
    columns, rows = (folded(places.round(), size) for places, size in zip(
        mapped(matrix, height, width), (width, height), strict=True))
    index = (rows * width + columns).long().view(len(images), 1, -1).expand(-1, channels, -1)
    return images.flatten(2).gather(2, index).view(images.shape)


def mapped(matrix: Tensor, height: int, width: int, per_pixel: int = 1, margin: int = 0, offset: float = 0.0,
           ) -> tuple[Tensor, Tensor]:
    """Returns where the samples of new images are in the old ones, x and y [N, H', W'] in pixels from the centre of the
    upper left pixel.

    per_pixel: samples on a pixel's side
    margin: samples more at each border
    offset: of the first sample from the centre of the first pixel, in pixels
    """
    def axis(size: int) -> Tensor:
        samples = torch.arange(-margin, per_pixel * size + margin, device=matrix.device, dtype=matrix.dtype)
        return samples / per_pixel + (offset - (size - 1) / 2)
    across, down = axis(width), axis(height).unsqueeze(1)
    return tuple(matrix[:, row, 0].view(-1, 1, 1) * across
                 + (matrix[:, row, 1].view(-1, 1, 1) * down + (matrix[:, row, 2].view(-1, 1, 1) + (size - 1) / 2))
                 for row, size in ((0, width), (1, height)))


class Resampling(nn.Module):
    """Draws images anew after any transformation, by one bilinear look-up in an image of twice the resolution.

    Karras et al. 2020, appendix B, https://arxiv.org/abs/2006.06676: up by the orthogonal filter sym6, look-up, down
    by the same filter reversed. Without a transformation this is the identity, by the filter's orthogonality.

    What the filters do is linear in the rows and in the columns of an image, so it is a product with two matrices,
    whose gradient and second gradient are products as well. They also hold the mirror: the fine image covers a whole
    period of it, 4 (W - 1) samples, in which every place of the plane has its equal.

    supersampled: False looks up in the image itself, which is cheaper and blurs fine detail
    """

    def __init__(self, supersampled: bool = True):
        super().__init__()
        self.supersampled = supersampled
        self.register_buffer("filter", torch.tensor(SYM6, dtype=torch.float64), persistent=False)

    def forward(self, images: Tensor, matrix: Tensor) -> Tensor:
        """images [N, C, H, W], matrix [N, 3, 3] -> the transformed images [N, C, H, W]"""
        height, width = images.shape[2:]
        per_pixel, margin, offset = (2, DELAY, OFFSET) if self.supersampled else (1, 0, 0.0)
        fine = self.both_axes(images, self.extended)  # [N, C, columns, rows], a period of each
        x, y = (in_period(places - offset, size, per_pixel, samples) for places, size, samples in zip(
            mapped(matrix, height, width, per_pixel, margin, offset), (width, height), fine.shape[2:], strict=True))
        looked_up = sampled(fine, torch.stack([y, x], -1))
        return self.both_axes(looked_up, self.reduced).transpose(2, 3) if self.supersampled else looked_up

    def both_axes(self, images: Tensor, of_axis: Callable[[int, Tensor], Tensor]) -> Tensor:
        """Multiplies columns and rows by a matrix for each; the result has its axes exchanged, which saves copies."""
        height, width = images.shape[2:]
        across = images @ of_axis(width, images).T  # [N, C, H, W']
        return across.transpose(2, 3).contiguous() @ of_axis(height, images).T

    def extended(self, size: int, like: Tensor) -> Tensor:
        """Returns the matrix [L, size] from the pixels of an axis to L samples: a period and the first of the next."""
        return self.keep("extended", (size,), like, lambda: self._extended(size, like))

    def _extended(self, size: int, like: Tensor) -> Tensor:
        period = period_of(size, 2 if self.supersampled else 1)
        sample = torch.arange(ALIGNED * (period // ALIGNED + 1), device=like.device)
        if not self.supersampled:
            return (folded(sample, size).unsqueeze(1) == torch.arange(size, device=like.device)).to(like.dtype)
        taps = len(SYM6) // 2
        nearest = torch.div(sample + DELAY, 2, rounding_mode="floor")
        earlier = torch.arange(taps, device=like.device)
        pixels = folded(nearest.unsqueeze(1) - earlier, size)  # [L, 6]
        tap = (sample + DELAY - 2 * nearest).unsqueeze(1) + 2 * earlier
        matrix = torch.zeros(len(sample), size, device=like.device, dtype=torch.float64)
        return (math.sqrt(2) * matrix.scatter_add_(1, pixels, self.filter[tap])).to(like.dtype)

    def reduced(self, samples: int, like: Tensor) -> Tensor:
        """Returns the matrix [size, 2 size + 10] from the looked-up samples of an axis to its pixels."""
        return self.keep("reduced", (samples,), like, lambda: self._reduced(samples, like))

    def _reduced(self, samples: int, like: Tensor) -> Tensor:
        size = (samples - len(SYM6) + 2) // 2
        matrix = torch.zeros(size, samples, device=like.device, dtype=torch.float64)
        pixel = torch.arange(size, device=like.device).unsqueeze(1)
        taps = torch.arange(len(SYM6), device=like.device)
        matrix.scatter_(1, 2 * pixel + taps, self.filter.expand(size, -1))
        return (matrix / math.sqrt(2)).to(like.dtype)

    def keep(self, name: str, sizes: tuple[int, ...], like: Tensor, make: Callable[[], Tensor]) -> Tensor:
        """Returns what was made for a size, and makes it the first time: a buffer, as a recorded step reads it where
        it is."""
        name = "_".join([name, *map(str, sizes)])
        kept = self._buffers.get(name)
        if kept is None or (kept.dtype, kept.device) != (like.dtype, like.device):
            self.register_buffer(name, make(), persistent=False)
        return self._buffers[name]


def period_of(size: int, per_pixel: int) -> int:
    """Returns after how many samples a mirrored axis repeats itself."""
    return max(2 * per_pixel * (size - 1), 1)


def in_period(places: Tensor, size: int, per_pixel: int, samples: int) -> Tensor:
    """Maps places, in pixels from the first of `samples` samples, to the same places in the first period, from -1 to 1
    as grid_sample wants them."""
    period = period_of(size, per_pixel)
    periods = places * (per_pixel / period)
    return (periods - periods.floor()) * (2 * period / (samples - 1)) - 1


def sampled(images: Tensor, places: Tensor) -> Tensor:
    """Looks up bilinearly in images [N, C, H, W] at places [N, H', W', 2], x and y from -1 to 1 between the centres of
    the outer pixels -> [N, C, H', W']. Its gradient with respect to images is that of a linear map."""
    if images.is_cuda and torch.are_deterministic_algorithms_enabled():
        return gathered(images, places)  # grid_sample's backward adds up in any order there
    return F.grid_sample(images, places, mode="bilinear", padding_mode="border", align_corners=True)


def gathered(images: Tensor, places: Tensor) -> Tensor:
    """Returns the same as `sampled`, to rounding, from four gathers."""
    count, channels, height, width = images.shape
    x, y = ((places[..., axis].flatten(1) + 1) * ((size - 1) / 2) for axis, size in ((0, width), (1, height)))
    left, top = x.floor().clamp(0, max(width - 2, 0)), y.floor().clamp(0, max(height - 2, 0))
    across, down = x - left, y - top
    result = 0.0
    for row, of_rows in ((0, 1 - down), (1, down)):
        for column, of_columns in ((0, 1 - across), (1, across)):
            index = (top + row).clamp(max=height - 1) * width + (left + column).clamp(max=width - 1)
            pixels = images.flatten(2).gather(2, index.long().unsqueeze(1).expand(-1, channels, -1))
            result = result + pixels * (of_rows * of_columns).unsqueeze(1)
    return result.view(count, channels, *places.shape[1:3])

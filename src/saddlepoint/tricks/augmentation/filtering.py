"""Random changes of the strength of four bands of spatial frequency.

N images of C channels and H x W pixels.
"""

import torch
from torch import Tensor, nn

from saddlepoint.tricks.augmentation.geometry import folded

# The orthogonal low-pass filter of the symlet with 2 vanishing moments, which is Daubechies' with 4 taps.
SYM2 = (-0.12940952255092145, 0.22414386804185735, 0.836516303737469, 0.48296291314469025)
# Of each band, from [0, pi/8] to [pi/2, pi], its part of the power of an image whose spectrum falls like 1/f.
POWERS = (10 / 13, 1 / 13, 1 / 13, 1 / 13)


def band_filters() -> Tensor:
    """Returns symmetric filters [4, 43] of the bands [0, pi/8], [pi/8, pi/4], [pi/4, pi/2] and [pi/2, pi], whose sum
    changes nothing.

    A filter and its mirror image one after the other have no delay. With H for sym2, H(z) H(1/z) / 2 and
    H(-z) H(-1/z) / 2 share out all frequencies between a lower and a higher half, and the lower half of an image at
    half the resolution is the lowest quarter: Karras et al. 2020, appendix B.
    """
    low = torch.tensor(SYM2, dtype=torch.float64)
    high = low * torch.tensor([1.0, -1.0, 1.0, -1.0], dtype=torch.float64)
    low, high = (convolved(each, each.flip(0)) / 2 for each in (low, high))
    bands = torch.ones(1, 1, dtype=torch.float64)
    for _ in range(3):
        spread = torch.zeros(len(bands), 2 * bands.shape[1] - 1, dtype=torch.float64)
        spread[:, ::2] = bands
        lower = torch.stack([convolved(band, low) for band in spread])
        margin = (lower.shape[1] - len(high)) // 2
        bands = torch.cat([lower, nn.functional.pad(high, (margin, margin))[None]])
    return bands


def convolved(signal: Tensor, taps: Tensor) -> Tensor:
    """Returns the whole convolution of two sequences."""
    return nn.functional.conv1d(signal.view(1, 1, -1), taps.flip(0).view(1, 1, -1), padding=len(taps) - 1).flatten()


class BandFilter(nn.Module):
    """Amplifies the bands of each image by factors [N, 4], in its rows and in its columns. An image is mirrored at the
    centres of its outer pixels."""

    def __init__(self):
        super().__init__()
        self.register_buffer("filters", band_filters(), persistent=False)

    def forward(self, images: Tensor, factors: Tensor) -> Tensor:
        """images [N, C, H, W], factors [N, 4] -> images [N, C, H, W]"""
        height, width = images.shape[2:]
        rows = torch.einsum("nb,bij->nij", factors, self.matrices(height, images)).unsqueeze(1)
        columns = torch.einsum("nb,bij->nij", factors, self.matrices(width, images)).unsqueeze(1)
        return rows @ images @ columns.transpose(2, 3)

    def matrices(self, size: int, like: Tensor) -> Tensor:
        """Returns the matrices [4, size, size] of the bands' filters along an axis."""
        name = f"matrices_{size}"
        kept = self._buffers.get(name)
        if kept is None or (kept.dtype, kept.device) != (like.dtype, like.device):
            taps = self.filters.shape[1]
            pixel, tap = torch.arange(size, device=like.device), torch.arange(taps, device=like.device)
            places = folded(pixel.unsqueeze(1) + tap - taps // 2, size)
            made = torch.zeros(len(POWERS), size, size, device=like.device, dtype=torch.float64)
            made.scatter_add_(2, places.expand(len(POWERS), -1, -1), self.filters[:, None].expand(-1, size, -1))
            self.register_buffer(name, made.to(like.dtype), persistent=False)
        return self._buffers[name]

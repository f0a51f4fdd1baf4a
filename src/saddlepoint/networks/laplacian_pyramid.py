"""The Laplacian pyramid of images: Burt and Adelson 1983, https://doi.org/10.1109/TCOM.1983.1095851

N images of C channels and H x W pixels.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BINOMIAL = (1.0, 4.0, 6.0, 4.0, 1.0)  # over 16; their a = 0.375 (section II)


class LaplacianPyramid(nn.Module):
    """Takes images apart into a small image and a difference for each doubling, and puts them together again.

    Both directions smooth with the binomial kernel (1, 4, 6, 4, 1) / 16 in each direction; beyond its border an image
    goes on with the pixels of the border. Images of one colour stay what they are, in both directions.
    """

    def __init__(self, channels: int):
        super().__init__()
        row = torch.tensor(BINOMIAL) / sum(BINOMIAL)
        self.channels = channels
        self.register_buffer("kernel", torch.outer(row, row).expand(channels, 1, 5, 5).clone(), persistent=False)

    def reduce(self, images: Tensor) -> Tensor:
        """images [N, C, H, W] -> [N, C, H/2, W/2]: smoothed, then every second pixel of every second row"""
        around = F.pad(images, (2, 2, 2, 2), mode="replicate")
        return F.conv2d(around, self.kernel, stride=2, groups=self.channels)

    def expand(self, images: Tensor) -> Tensor:
        """images [N, C, H, W] -> [N, C, 2H, 2W]: zeros between the pixels, then four times the smoothing kernel"""
        around = F.pad(images, (1, 1, 1, 1), mode="replicate")
        return F.conv_transpose2d(around, 4 * self.kernel, stride=2, padding=4, output_padding=1, groups=self.channels)

    def bands(self, images: Tensor, levels: int) -> list[tuple[Tensor, ...]]:
        """Returns the levels of images [N, C, H, W] from the coarsest on, which `reconstruct` puts together.

        The first is (small image,), each other one (difference, low) with low the level before it, enlarged: their sum
        is the image at this level. H and W must be multiples of 2^(levels - 1).
        """
        bands: list[tuple[Tensor, ...]] = []
        for _ in range(levels - 1):
            smaller = self.reduce(images)
            low = self.expand(smaller)
            bands.insert(0, (images - low, low))
            images = smaller
        return [(images,), *bands]

    def reconstruct(self, small: Tensor, differences: list[Tensor]) -> Tensor:
        """small [N, C, h, w], a difference for each doubling -> images [N, C, H, W]"""
        for difference in differences:
            small = self.expand(small) + difference
        return small

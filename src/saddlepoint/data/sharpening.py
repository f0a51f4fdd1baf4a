"""Sharpens the targets of Real-ESRGAN's pixel and perceptual losses (Wang et al. 2021,
https://arxiv.org/abs/2107.10833).
"""

import torch
from torch import Tensor, nn

from saddlepoint.checks import require
from saddlepoint.data.blur_kernels import each_filtered, reflected


class UnsharpMasking(nn.Module):
    """Unsharp masking that leaves flat areas and their noise as they are: I + m (clip(I + weight (I - B)) - I).

    B is the image I, blurred. m is the blurred mask of the pixels where I and B differ by more than `threshold`. The
    defaults are those of the paper's code.

    radius: width of the blur's window in pixels, 2 or more, made odd; the Gaussian in it has the width that OpenCV
        chooses for such a window, 8 pixels for 51
    weight: strength of the sharpening
    threshold: grey levels of 255, 0 to 255
    """

    window: Tensor  # [size]

    def __init__(self, radius: int = 50, weight: float = 0.5, threshold: float = 10.0):
        super().__init__()
        require(isinstance(radius, int) and radius >= 2, "radius", radius, "a whole number of pixels, at least 2")
        require(0 <= threshold <= 255, "threshold", threshold, "a number of grey levels from 0 to 255")
        self.weight, self.threshold = weight, threshold
        side = radius // 2
        sigma = 0.3 * (side - 1) + 0.8
        weights = torch.exp(-(torch.arange(-side, side + 1, dtype=torch.float64) / sigma).square() / 2)
        self.register_buffer("window", (weights / weights.sum()).float(), persistent=False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """images [N, C, H, W] in [0, 1] -> sharpened images [N, C, H, W] in [0, 1]"""
        difference = images - self._blurred(images)
        mask = self._blurred((difference.abs() * 255 > self.threshold).to(images))
        sharpened = (images + self.weight * difference).clamp(0, 1)
        return images + mask * (sharpened - images)

    def _blurred(self, images: Tensor) -> Tensor:
        """Blurs along x, then along y."""
        count, channels, height, width = images.shape
        size = len(self.window)
        padded = reflected(images, size // 2).reshape(count * channels, height + size - 1, width + size - 1)
        if self.window.device != images.device:
            self.window = self.window.to(images.device)  # once: a copy at each step would be waited for
        window = self.window.to(images.dtype).expand(count * channels, 1, size)
        return each_filtered(each_filtered(padded, window), window.mT).view_as(images)

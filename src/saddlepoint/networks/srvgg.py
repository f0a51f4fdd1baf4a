"""SRVGGNetCompact, the compact network of Real-ESRGAN's general and anime models.

Wang et al. 2021, https://arxiv.org/abs/2107.10833; the paper does not describe the network, its code does. Parameters
have BasicSR's names. All layers work at the size of the input, before one pixel shuffle. Two files of the same shape
may be mixed weight by weight, which gives the denoising strength of realesr-general-x4v3.

N images of C channels and H x W pixels in [0, 1], upscaled s = `scale` times.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from saddlepoint.checks import require_whole_numbers


class SRVGGNetCompact(nn.Module):
    """1 + `num_convolutions` 3x3 convolutions, each with a PReLU of one slope per map, then s*s*C maps, which are
    shuffled to pixels and added to the nearest pixel of the input."""

    def __init__(self, channels: int = 3, scale: int = 4, width: int = 64, num_convolutions: int = 16):
        super().__init__()
        require_whole_numbers({"data.channels": channels, "data.scale": scale, "model.generator.width": width,
                               "model.generator.num_convolutions": num_convolutions})
        self.channels, self.scale, self.multiple = channels, scale, 1
        self.receptive_field = num_convolutions + 2  # one pixel for each 3x3 convolution
        self.body = nn.Sequential()
        for inputs in [channels] + [width] * num_convolutions:
            self.body.extend([nn.Conv2d(inputs, width, 3, padding=1), nn.PReLU(width)])
        self.body.append(nn.Conv2d(width, channels * scale**2, 3, padding=1))

    def forward(self, low: Tensor) -> Tensor:
        """low [N, C, H, W] in [0, 1] -> high [N, C, s*H, s*W], around [0, 1] but not clamped"""
        residual = F.pixel_shuffle(self.body(low), self.scale)
        return residual + F.interpolate(low, scale_factor=self.scale, mode="nearest")

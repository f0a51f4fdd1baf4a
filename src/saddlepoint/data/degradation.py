"""Real-ESRGAN's second-order degradation, which makes realistic low-resolution images (Wang et al. 2021, section 3,
https://arxiv.org/abs/2107.10833).
"""

from typing import Annotated

import torch
from torch import Tensor, nn

from saddlepoint.checks import require_whole_numbers
from saddlepoint.config.rules import Probability, one_of
from saddlepoint.data.degradation_blur import Blur, FinalSinc
from saddlepoint.data.degradation_draws import happens, require_probability
from saddlepoint.data.degradation_steps import Jpeg, Noise, Resize, resized
from saddlepoint.data.pair_crops import SCALES


class SecondOrderDegradation(nn.Module):
    """A degradation of two rounds of blur, resize, noise and JPEG. The second round ends with a resize to the final
    size and a sinc filter, either after or before its JPEG.

    The default of each step is that of the paper. There, images are sharpened (sharpening.py) and degraded at 400 x
    400 pixels, and 256 x 256 are cropped afterwards. It is a module so that yaml files can build it; it has no state.

    scale: how many times smaller the low-resolution image is, 2, 3, 4 or 8
    blur, resize, noise, jpeg: the steps of the first round
    second_blur, second_resize, second_noise, second_jpeg: the steps of the second round
    final_sinc: the last filter
    jpeg_first_probability: probability that the JPEG of the second round comes before the last resize and the sinc
        filter, 0 to 1
    """

    def __init__(self, scale: Annotated[int, one_of(*SCALES)], blur: Blur | None = None,
                 resize: Resize | None = None, noise: Noise | None = None,
                 jpeg: Jpeg | None = None, second_blur: Blur | None = None, second_resize: Resize | None = None,
                 second_noise: Noise | None = None, second_jpeg: Jpeg | None = None,
                 final_sinc: FinalSinc | None = None, jpeg_first_probability: Probability = 0.5):
        super().__init__()
        require_whole_numbers({"scale": scale})
        require_probability("jpeg_first_probability", jpeg_first_probability)
        self.scale, self.jpeg_first_probability = scale, jpeg_first_probability
        self.blur, self.resize, self.noise = blur or Blur(), resize or Resize(), noise or Noise()
        self.jpeg = jpeg or Jpeg()
        self.second_blur = second_blur or Blur(probability=0.8, sigma=(0.2, 1.5))
        self.second_resize = second_resize or Resize(probabilities=(0.3, 0.4, 0.3), factors=(0.3, 1.2))
        self.second_noise = second_noise or Noise(sigma=(1, 25), poisson_scale=(0.05, 2.5))
        self.second_jpeg = second_jpeg or Jpeg()
        self.final_sinc = final_sinc or FinalSinc()

    @torch.no_grad()
    def degrade(self, high: Tensor, generator: torch.Generator, threads: int | None = None) -> Tensor:
        """high [N, C, H, W] in [0, 1] -> low [N, C, H // scale, W // scale] in [0, 1], rounded to the levels of 8 bits

        The result depends only on the images, the generator's state and whether `threads` is more than 1: those of the
        process whose result is wanted, None for this one. The generator may be on another device than the images.
        """
        height, width = high.shape[-2:]
        images = self.blur(high, generator)
        images = self.resize(images, height, width, generator, threads)
        images = self.noise(images, generator)
        images = self.jpeg(images, generator)
        images = self.second_blur(images, generator)
        images = self.second_resize(images, height / self.scale, width / self.scale, generator, threads)
        images = self.second_noise(images, generator)
        return self._finished(images, height // self.scale, width // self.scale, generator, threads)

    def _finished(self, images: Tensor, height: int, width: int, generator: torch.Generator,
                  threads: int | None) -> Tensor:
        jpeg_first = happens(generator, self.jpeg_first_probability)
        if jpeg_first:
            images = self.second_jpeg(images, generator)
        images = self.final_sinc(resized(images, height, width, generator, threads), generator)
        if not jpeg_first:
            images = self.second_jpeg(images, generator)
        return images.mul(255).round().clamp(0, 255) / 255

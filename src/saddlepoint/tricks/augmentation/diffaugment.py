"""DiffAugment: colour, translation and cutout."""

import torch
from torch import Tensor

from saddlepoint.config.rules import NonNegative, Probability
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.tricks.augmentation.corruption import cut_out
from saddlepoint.tricks.augmentation.policy import Draws, Policy, chosen, refuse_outside


class DiffAugment(Policy):
    """Colour, translation and cutout, each with its multiplier of the probability: 1 in the paper, for all images.

    Zhao et al. 2020, https://arxiv.org/abs/2006.10738, section 3 and the authors' ranges. Brightness b, saturation s
    and contrast c are uniform on their ranges: x + b, then m + s (x - m) with m the mean over the channels of a pixel,
    then M + c (x - M) with M the mean over an image. What is moved in from outside of an image, and what is cut out, is
    0, the middle grey.

    colour, translation, cutout: 0 to 1; 0: never
    brightness: b in [-brightness, brightness], pixels being in [-1, 1]; 0 or more
    saturation: s in [1 - saturation, 1 + saturation], 0 or more
    contrast: c in [1 - contrast, 1 + contrast], 0 or more
    translation_size: largest shift, of the image's side, 0 to 1, in whole pixels
    cutout_size: side of the square, of the image's side, 0 to 1
    """

    CHANCES = ("colour", "translation", "cutout")
    SHARES = ("brightness", "saturation", "contrast", "shift_x", "shift_y", "cutout_x", "cutout_y")

    def __init__(self, colour: Probability = 1.0, translation: Probability = 1.0, cutout: Probability = 1.0,
                 brightness: NonNegative = 0.5, saturation: NonNegative = 1.0, contrast: NonNegative = 0.5,
                 translation_size: Probability = 0.125, cutout_size: Probability = 0.5):
        super().__init__()
        where = "tricks.augment.policy"
        refuse_outside(where, 0, 1, colour=colour, translation=translation, cutout=cutout,
                       translation_size=translation_size, cutout_size=cutout_size)
        refuse_outside(where, 0, float("inf"), brightness=brightness, saturation=saturation, contrast=contrast)
        self.colour, self.translation, self.cutout = colour, translation, cutout
        self.brightness, self.saturation, self.contrast = brightness, saturation, contrast
        self.translation_size, self.cutout_size = translation_size, cutout_size

    def augmented(self, images: Tensor, probability: float | Tensor, random: RandomStreams, purpose: str) -> Tensor:
        draws = Draws(random, purpose, images, probability, self.CHANCES, self.SHARES)
        for name, change in (("colour", self.recoloured), ("translation", self.translated), ("cutout", self.cut)):
            if multiplier := getattr(self, name):
                images = chosen(draws.happens(name, multiplier), change(images, draws), images)
        return images

    def recoloured(self, images: Tensor, draws: Draws) -> Tensor:
        def around(middle: float, name: str) -> Tensor:
            spread = getattr(self, name)
            return (middle + spread * (2 * draws.share(name) - 1)).view(-1, 1, 1, 1)
        images = images + around(0.0, "brightness")
        grey = images.mean(1, keepdim=True)
        images = grey + around(1.0, "saturation") * (images - grey)
        middle = images.mean((1, 2, 3), keepdim=True)
        return middle + around(1.0, "contrast") * (images - middle)

    def translated(self, images: Tensor, draws: Draws) -> Tensor:
        by = {}
        for axis, size in (("y", images.shape[2]), ("x", images.shape[3])):
            most = int(self.translation_size * size + 0.5)
            by[axis] = (draws.share(f"shift_{axis}") * (2 * most + 1)).floor().long() - most
        return moved_in(images, by["x"], by["y"])

    def cut(self, images: Tensor, draws: Draws) -> Tensor:
        height, width = images.shape[2:]
        sides = {axis: int(self.cutout_size * size + 0.5) for axis, size in (("y", height), ("x", width))}
        # An even side has its centre on a border of pixels, an odd one in the middle of a pixel.
        centres = {axis: (draws.share(f"cutout_{axis}") * (size + 1 - sides[axis] % 2)).floor() + sides[axis] % 2 / 2
                   for axis, size in (("y", height), ("x", width))}
        return cut_out(images, centres["x"], centres["y"], sides["x"], sides["y"])


def moved_in(images: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Returns images [N, C, H, W] moved by x pixels to the right and y down, int64 [N], with 0 from outside."""
    count, channels, height, width = images.shape
    rows = torch.arange(height, device=images.device) - y.unsqueeze(1)  # [N, H], where each new row is from
    columns = torch.arange(width, device=images.device) - x.unsqueeze(1)
    inside = (((rows >= 0) & (rows < height)).unsqueeze(2) & ((columns >= 0) & (columns < width)).unsqueeze(1))
    index = rows.clamp(0, height - 1).unsqueeze(2) * width + columns.clamp(0, width - 1).unsqueeze(1)
    moved = images.flatten(2).gather(2, index.view(count, 1, -1).expand(-1, channels, -1)).view(images.shape)
    return moved.masked_fill(~inside.unsqueeze(1), 0.0)

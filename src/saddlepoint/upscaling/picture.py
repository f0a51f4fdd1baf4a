"""One picture and what its file says about it. C channels (1 grey, 3 colours), h x w pixels."""

from dataclasses import dataclass, field

import numpy
import torch
from PIL import Image
from torch import Tensor

EXIF_PARTS = (0x8769, 0x8825)  # what EXIF keeps apart: the camera's settings, the place


@dataclass(frozen=True)
class About:
    """What stays as it is while pixels change."""

    exif: Image.Exif = field(default_factory=Image.Exif)  # without the orientation, which has been applied
    icc_profile: bytes | None = None
    dpi: tuple[float, float] | None = None


@dataclass(frozen=True)
class Picture:
    """Upright. `colours` are not multiplied by `alpha`."""

    colours: Tensor  # [C, h, w], uint8 or uint16
    alpha: Tensor | None = None  # [1, h, w] of the same type
    about: About = field(default_factory=About)
    notes: tuple[str, ...] = ()  # what the file had that this has not

    @property
    def size(self) -> tuple[int, int]:
        """width, height"""
        return self.colours.shape[2], self.colours.shape[1]

    def pixels(self) -> numpy.ndarray:
        """[h, w, C], with alpha as the last channel"""
        planes = self.colours if self.alpha is None else torch.cat([self.colours, self.alpha])
        return numpy.ascontiguousarray(planes.permute(1, 2, 0).numpy())


def of_pixels(pixels: numpy.ndarray, about: About | None = None, notes: tuple[str, ...] = ()) -> Picture:
    """pixels: uint8 or uint16 [h, w] or [h, w, 1 to 4 channels]; an even number of channels ends in alpha."""
    own = numpy.require(pixels, requirements=("C", "W"))  # torch warns of memory that may only be read
    planes = torch.from_numpy(own).view(*pixels.shape[:2], -1).permute(2, 0, 1)
    colours = planes.shape[0] - 1 + planes.shape[0] % 2
    alpha = planes[colours:] if colours < planes.shape[0] else None
    return Picture(planes[:colours], alpha, about or About(), notes)


def to_eight_bits(picture: Picture) -> Picture:
    """16-bit levels / 257, rounded, so that 65535 becomes 255"""
    def eight(planes: Tensor) -> Tensor:
        return planes.to(torch.float32).div_(257).round_().to(torch.uint8)
    if picture.colours.dtype == torch.uint8:
        return picture
    return Picture(eight(picture.colours), None if picture.alpha is None else eight(picture.alpha), picture.about,
                   picture.notes)


def on_white(picture: Picture) -> Picture:
    """Without alpha: what is transparent shows white behind it. 8 bits."""
    picture = to_eight_bits(picture)
    if picture.alpha is None:
        return picture
    share = picture.alpha.float().div_(255)
    laid = picture.colours.float().sub_(255).mul_(share).add_(255).round_().to(torch.uint8)
    return Picture(laid, None, picture.about, picture.notes)

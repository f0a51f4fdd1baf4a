"""A picture with the metadata of its file. C channels (1 grey, 3 colours), h x w pixels."""

from dataclasses import dataclass, field, replace

import numpy
import torch
from torch import Tensor

from saddlepoint.image_files import colours
from saddlepoint.image_files.metadata import About

__all__ = ["About", "Picture", "of_pixels", "on_white", "to_eight_bits", "with_colours"]


@dataclass(frozen=True)
class Picture:
    """An upright picture. `colours` are not multiplied by `alpha`."""

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
    count = planes.shape[0] - 1 + planes.shape[0] % 2  # of grey or colours
    alpha = planes[count:] if count < planes.shape[0] else None
    return Picture(planes[:count], alpha, about or About(), notes)


def to_eight_bits(picture: Picture) -> Picture:
    """16-bit levels / 257, rounded, so that 65535 becomes 255"""
    def eight(planes: Tensor) -> Tensor:
        return planes.to(torch.float32).div_(257).round_().to(torch.uint8)
    if picture.colours.dtype == torch.uint8:
        return picture
    return Picture(eight(picture.colours), None if picture.alpha is None else eight(picture.alpha), picture.about,
                   picture.notes)


def with_colours(picture: Picture) -> Picture:
    """Returns the picture in three channels, for files and panels that have no grey, without a colour profile of
    grey, which would not fit. A picture of 8 bits is converted through that profile to sRGB."""
    if picture.colours.shape[0] == 3:
        return picture
    profile, about = picture.about.icc_profile, replace(picture.about, icc_profile=None)
    if profile is None or picture.colours.dtype != torch.uint8:
        return replace(picture, colours=picture.colours.expand(3, -1, -1), about=about)
    pixels = torch.from_numpy(colours.grey_to_srgb(picture.colours[0].numpy(), profile).copy())
    return Picture(pixels.permute(2, 0, 1), picture.alpha, about,
                   (*picture.notes, "its colour profile of grey became sRGB"))


def on_white(picture: Picture) -> Picture:
    """Returns the picture in 8 bits without alpha: transparent places show a white background."""
    picture = to_eight_bits(picture)
    if picture.alpha is None:
        return picture
    share = picture.alpha.float().div_(255)
    laid = picture.colours.float().sub_(255).mul_(share).add_(255).round_().to(torch.uint8)
    return Picture(laid, None, picture.about, picture.notes)

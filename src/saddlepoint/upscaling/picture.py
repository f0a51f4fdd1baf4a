"""Reads an image file in its own depth as a picture with metadata, and converts pictures.

C channels (1 grey, 3 colours), h x w pixels."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy
import torch
from torch import Tensor

from saddlepoint.image_files import colours
from saddlepoint.image_files.metadata import Metadata, read_metadata
from saddlepoint.image_files.opening import Limits, open_image


@dataclass(frozen=True)
class Picture:
    """An upright picture whose `colours` are not multiplied by `alpha`."""

    colours: Tensor  # [C, h, w], uint8 or uint16
    alpha: Tensor | None = None  # [1, h, w] of the same type
    metadata: Metadata = field(default_factory=Metadata)
    notes: tuple[str, ...] = ()  # sentences about what of the file is left out

    @property
    def size(self) -> tuple[int, int]:
        """Returns width and height."""
        return self.colours.shape[2], self.colours.shape[1]

    def pixels(self) -> numpy.ndarray:
        """Returns the pixels [h, w, C], with alpha as the last channel."""
        planes = self.colours if self.alpha is None else torch.cat([self.colours, self.alpha])
        return numpy.ascontiguousarray(planes.permute(1, 2, 0).numpy())


def read_picture(path: Path, limits: Limits) -> Picture:
    """Reads a file's first picture, uint8 or uint16 as the file is. Raises Unreadable if that cannot be done."""
    with open_image(path, limits) as source:
        pixels = source.pixels(limits.white)
        metadata, left_out = read_metadata(source)
        notes = (source.pictures(), *source.losses(), *left_out)
        return picture_of(pixels, metadata, tuple(filter(None, notes)))


def picture_of(pixels: numpy.ndarray, metadata: Metadata | None = None, notes: tuple[str, ...] = ()) -> Picture:
    """Makes a picture of pixels, uint8 or uint16 [h, w] or [h, w, 1 to 4 channels]. The last of 2 or 4 channels is
    alpha."""
    own = numpy.require(pixels, requirements=("C", "W"))  # a copy if it is read-only, of which torch would warn
    planes = torch.from_numpy(own).view(*pixels.shape[:2], -1).permute(2, 0, 1)
    count = planes.shape[0] - 1 + planes.shape[0] % 2  # of channels that are grey or colours
    alpha = planes[count:] if count < planes.shape[0] else None
    return Picture(planes[:count], alpha, metadata or Metadata(), notes)


def to_eight_bits(picture: Picture) -> Picture:
    """Divides 16-bit levels by 257 and rounds, so that 65535 becomes 255."""
    def divide(planes: Tensor) -> Tensor:
        return planes.to(torch.float32).div_(257).round_().to(torch.uint8)
    if picture.colours.dtype == torch.uint8:
        return picture
    return Picture(divide(picture.colours), None if picture.alpha is None else divide(picture.alpha), picture.metadata,
                   picture.notes)


def to_three_channels(picture: Picture) -> Picture:
    """Returns a grey picture in three channels, for files and panels that have no grey; others as they are. Its profile
    of grey is left out, as it does not fit three channels; 8 bits are converted through it to sRGB first."""
    if picture.colours.shape[0] == 3:
        return picture
    profile, metadata = picture.metadata.icc_profile, replace(picture.metadata, icc_profile=None)
    if profile is None or picture.colours.dtype != torch.uint8:
        return replace(picture, colours=picture.colours.expand(3, -1, -1), metadata=metadata)
    pixels = torch.from_numpy(colours.grey_to_srgb(picture.colours[0].numpy(), profile).copy())
    return Picture(pixels.permute(2, 0, 1), picture.alpha, metadata,
                   (*picture.notes, "its colour profile of grey became sRGB"))


def lay_on_white(picture: Picture) -> Picture:
    """Lays a picture over white; returns it in 8 bits without alpha."""
    picture = to_eight_bits(picture)
    if picture.alpha is None:
        return picture
    opacity = picture.alpha.float().div_(255)
    composed = picture.colours.float().sub_(255).mul_(opacity).add_(255).round_().to(torch.uint8)
    return Picture(composed, None, picture.metadata, picture.notes)

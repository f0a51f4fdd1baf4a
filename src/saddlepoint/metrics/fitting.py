"""Loads image files in the size and channels of a run's own images, so that a folder can take the place of its data.

C channels; H x W pixels is the run's size.
"""

from contextlib import suppress

import numpy
import torch
from PIL import Image

from saddlepoint.config.image_sizes import sides_of
from saddlepoint.config.rules import ImageSize
from saddlepoint.data.decoding import Limits, Unreadable
from saddlepoint.data.folders import ImageFolder
from saddlepoint.data.images import ImageDataModule
from saddlepoint.data.loading import ImageLoader
from saddlepoint.data.memory import InMemoryImages, resized
from saddlepoint.data.resizing import ResizeAndCrop


class Fit:
    """A framing that brings images to H x W as data/memory.py does: `pad` adds black on all sides, `resize` is bicubic.
    Images must be square where the run's are. It has the interface of ResizeAndCrop."""

    is_random, crop, draft = False, "none", False

    def __init__(self, image_size: ImageSize, fit: str):
        self.sides, self.resize = sides_of(image_size), fit
        self.image_size = self.sides.image_size

    def check(self, width: int, height: int) -> None:
        """Raises Unreadable if an image of this size cannot be brought to H x W."""
        if self.sides.is_square and width != height:
            raise Unreadable(f"it has {width} x {height} pixels, and the run's images are squares")
        if self.resize == "pad" and (width > self.sides.width or height > self.sides.height):
            raise Unreadable(f"its {width} x {height} pixels are more than the {self.sides.width} x "
                             f"{self.sides.height} that the run's data are padded to (data.fit=pad)")

    def check_stored(self, width: int, height: int) -> None:
        """Checks the sides in the header of a file. Either order will do, as decoding may turn the image upright."""
        with suppress(Unreadable):
            return self.check(height, width)
        return self.check(width, height)

    def scaled(self, image: Image.Image) -> Image.Image:
        """Returns the image in H x W pixels."""
        size = (self.sides.width, self.sides.height)
        if self.resize == "pad":
            padded = Image.new(image.mode, size)  # black
            padded.paste(image, tuple((side - there) // 2 for side, there in zip(size, image.size, strict=True)))
            return padded
        if image.size == size:
            return image
        pixels = torch.from_numpy(numpy.atleast_3d(numpy.asarray(image)).copy()).permute(2, 0, 1)  # [C, H, W]
        result = resized(pixels[None], self.image_size)[0].permute(1, 2, 0).numpy()
        return Image.fromarray(result.squeeze(2) if result.shape[2] == 1 else result)

    def cropped(self, pixels: numpy.ndarray, point: tuple[float, float] = (0.5, 0.5)) -> numpy.ndarray:
        return pixels


def loader_like(data: ImageDataModule, resize: str | None, limits: Limits) -> ImageLoader:
    """Returns a loader that frames files as the run's data were framed, or by `resize` if the user typed that. None of
    the data is read."""
    if isinstance(data, InMemoryImages):
        framing = Fit(data.image_size, data.fit)
    elif isinstance(data, ImageFolder):
        framing, limits = data.evaluation_framing(), limits._replace(white=limits.white or data.limits.white)
    else:  # images that are made, as stacks of digits are
        framing = ResizeAndCrop(data.image_size, "short_side", "center")
    if resize not in (None, framing.resize):
        framing = ResizeAndCrop(data.image_size, resize, "center")
    return ImageLoader(data.channels, framing, limits, None)

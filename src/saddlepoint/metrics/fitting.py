"""Loads image files in the size and channels of a run's own images, so that a folder can take the place of its data.

H x W pixels of C channels; S x S is the run's size.
"""

import numpy
import torch
from PIL import Image

from saddlepoint.data.decoding import Limits, Unreadable
from saddlepoint.data.images import ImageDataModule
from saddlepoint.data.loading import ImageLoader
from saddlepoint.data.memory import InMemoryImages, resized
from saddlepoint.data.resizing import ResizeAndCrop


class Fit:
    """A framing that brings square images to S x S as data/memory.py does: `pad` adds black on all sides, `resize` is
    bicubic. It has the interface of ResizeAndCrop."""

    is_random, crop, draft = False, "none", False

    def __init__(self, image_size: int, fit: str):
        self.image_size, self.resize = image_size, fit

    def check(self, width: int, height: int) -> None:
        """Raises Unreadable if an image of this size cannot be brought to S x S."""
        if width != height:
            raise Unreadable(f"it has {width} x {height} pixels, and the run's images are squares")
        if self.resize == "pad" and width > self.image_size:
            raise Unreadable(f"its {width} x {height} pixels are more than the {self.image_size} x {self.image_size} "
                             "that the run's data are padded to (data.fit=pad)")

    def scaled(self, image: Image.Image) -> Image.Image:
        """Returns the image in S x S pixels."""
        missing = self.image_size - image.width
        if self.resize == "pad":
            padded = Image.new(image.mode, (self.image_size, self.image_size))  # black
            padded.paste(image, (missing // 2, missing // 2))
            return padded
        if not missing:
            return image
        pixels = torch.from_numpy(numpy.atleast_3d(numpy.asarray(image)).copy()).permute(2, 0, 1)  # [C, H, W]
        result = resized(pixels[None], self.image_size)[0].permute(1, 2, 0).numpy()
        return Image.fromarray(result.squeeze(2) if result.shape[2] == 1 else result)

    def cropped(self, pixels: numpy.ndarray, point: tuple[float, float] = (0.5, 0.5)) -> numpy.ndarray:
        return pixels


def loader_like(data: ImageDataModule, resize: str | None, limits: Limits) -> ImageLoader:
    """Returns a loader that frames files as the run's data were framed, or by `resize` if the user typed that."""
    if isinstance(data, InMemoryImages):
        framing = Fit(data.image_size, data.fit)
    else:
        load = data.evaluation_images("train").load
        framing = load.framing
        limits = limits._replace(white=limits.white or load.limits.white)
    if resize not in (None, framing.resize):
        framing = ResizeAndCrop(data.image_size, resize, "center")
    return ImageLoader(data.channels, framing, limits, None)

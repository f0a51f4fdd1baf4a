"""Image files framed as a run's own images were, so that a folder can take the place of its data.

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
    """In place of a ResizeAndCrop: as data/memory.py fits images, `pad`, black all around, or `resize`, bicubic."""

    is_random, crop = False, "none"

    def __init__(self, image_size: int, fit: str):
        self.image_size, self.resize = image_size, fit

    def check(self, width: int, height: int) -> None:
        if width != height:
            raise Unreadable(f"it has {width} x {height} pixels, and the run's images are squares")
        if self.resize == "pad" and width > self.image_size:
            raise Unreadable(f"its {width} x {height} pixels are more than the {self.image_size} x {self.image_size} "
                             "that the run's data are padded to (data.fit=pad)")

    def scaled(self, image: Image.Image) -> Image.Image:
        missing = self.image_size - image.width
        if self.resize == "pad":
            padded = Image.new(image.mode, (self.image_size, self.image_size))  # black
            padded.paste(image, (missing // 2, missing // 2))
            return padded
        if not missing:
            return image
        pixels = torch.from_numpy(numpy.atleast_3d(numpy.asarray(image)).copy()).permute(2, 0, 1)  # [C, H, W]
        fitted = resized(pixels[None], self.image_size)[0].permute(1, 2, 0).numpy()
        return Image.fromarray(fitted.squeeze(2) if fitted.shape[2] == 1 else fitted)

    def cropped(self, pixels: numpy.ndarray, point: tuple[float, float] = (0.5, 0.5)) -> numpy.ndarray:
        return pixels


def loader_like(data: ImageDataModule, resize: str | None, limits: Limits) -> ImageLoader:
    """For files that shall look as the data that is trained on, but for `resize` where it is typed."""
    if isinstance(data, InMemoryImages):
        framing = Fit(data.image_size, data.fit)
    else:
        load = data.evaluation_images("train").load
        framing = load.framing
        limits = limits._replace(white=limits.white or load.limits.white)
    if resize not in (None, framing.resize):
        framing = ResizeAndCrop(data.image_size, resize, "center")
    return ImageLoader(data.channels, framing, limits, None)

"""Brings images of any size to one size, by resizing and cropping.

Images have C channels and become H x W pixels.
"""

from contextlib import suppress
from math import floor, prod

import numpy
from PIL import Image

from saddlepoint.checks import one_of
from saddlepoint.config.image_sizes import Sides, sides_of
from saddlepoint.config.rules import ImageSize
from saddlepoint.data.decoding import MOST_PIXELS, Draft, Unreadable

DRAFT = 2  # times the new size: Pillow's thumbnails take it too; below it what libjpeg leaves out can be seen
RESIZINGS = ("short_side", "stretch", "none")
CROPS = ("center", "random", "none")


class ResizeAndCrop:
    """How images are resized and cropped.

    image_size: pixels of a side of squares, or [H, W]
    resize: short_side (in proportion, until the image just covers H x W: of a square its shorter side then fits),
        stretch (to H x W at once) or none
    crop: center, random (another place each time) or none (images must be H x W once they are resized)
    draft: whether JPEG files may be decoded at a fraction of their size, if that is DRAFT times the size they get
    """

    def __init__(self, image_size: ImageSize, resize: str, crop: str, draft: bool = False):
        if draft and resize == "none":
            raise ValueError("data.draft=true decodes files at a fraction of their size before they are resized, and "
                             "data.resize=none resizes none: type data.draft=false")
        self.sides, self.draft = sides_of(image_size), draft
        self.image_size = self.sides.image_size
        self.resize = one_of("resize", resize, RESIZINGS)
        self.crop = one_of("crop", crop, CROPS)
        if resize == "short_side" and crop == "none":
            raise ValueError("data.crop=none with data.resize=short_side leaves images of many sizes: type "
                             "data.crop=center, or data.resize=stretch")

    @property
    def is_random(self) -> bool:
        """Whether an image is cropped at another place each time."""
        return self.crop == "random" and self.resize != "stretch"

    def check(self, width: int, height: int) -> None:
        """Raises Unreadable if an upright image of these sides cannot be brought to H x W pixels."""
        if self.resize != "none":
            if prod(self.new_size(width, height)) > MOST_PIXELS:
                raise Unreadable(f"its sides of {width} and {height} pixels are too unequal for data.resize=short_side")
            return
        pixels = f"{width} x {height} pixels" + ("" if self.sides.is_square else " (width x height)")
        if width < self.sides.width or height < self.sides.height:
            raise Unreadable(f"its {pixels} are less than data.image_size={self.sides}, and data.resize=none")
        if self.crop == "none" and Sides(height, width) != self.sides:
            raise Unreadable(f"it has {pixels}, not data.image_size={self.sides}, and data.resize=none "
                             "data.crop=none")

    def check_stored(self, width: int, height: int) -> None:
        """Checks the sides in the header of a file. Either order will do, as decoding may turn the image upright."""
        with suppress(Unreadable):
            return self.check(height, width)
        return self.check(width, height)

    def least(self, width: int, height: int) -> tuple[int, int]:
        """Returns the width and height of which a picture of these sides may not be decoded smaller."""
        return tuple(DRAFT * side for side in self.new_size(width, height))

    def scaled(self, image: Image.Image) -> Image.Image:
        """Resizes an image, bicubic; when it shrinks, Pillow widens the filter, which is antialiasing."""
        new_size = self.new_size(*image.size)
        return image if new_size == image.size else image.resize(new_size, Image.Resampling.BICUBIC)

    def scaled_draft(self, draft: Draft) -> Image.Image:
        """Resizes what was decoded of a picture, perhaps at a fraction of its size, to the size that the whole picture
        gets."""
        if draft.image.size == draft.size:
            return self.scaled(draft.image)
        return draft.image.resize(self.new_size(*draft.size), Image.Resampling.BICUBIC, box=(0, 0, *draft.extent))

    def cropped(self, pixels: numpy.ndarray, point: tuple[float, float] = (0.5, 0.5)) -> numpy.ndarray:
        """Crops pixels to [H, W, C]. `point`, each in [0, 1), is the place: (0, 0) is the top left corner,
        (0.5, 0.5) the centre."""
        height, width = self.sides
        spare_rows, spare_columns = pixels.shape[0] - height, pixels.shape[1] - width
        top, left = floor(point[0] * (spare_rows + 1)), floor(point[1] * (spare_columns + 1))
        return pixels[top:top + height, left:left + width]

    def new_size(self, width: int, height: int) -> tuple[int, int]:
        """Returns the width and height to which a picture is resized before it is cropped."""
        if self.resize == "none":
            return width, height
        if self.resize == "stretch":
            return self.sides.width, self.sides.height
        resized = self.sides.covering(Sides(height, width))
        return resized.width, resized.height


class ResizeLarger(ResizeAndCrop):
    """Resizes images to `load_size`, a little more than the H x W pixels that are cropped of them, at another place
    each time (Isola et al. 2017, section 6.2, https://arxiv.org/abs/1611.07004: 286 and 256).

    image_size: pixels of a side of squares, or [H, W]
    load_size: the same before the crop, at least as much: what images cover (resize=short_side) or become (stretch)
    resize: short_side or stretch
    draft: see ResizeAndCrop
    """

    def __init__(self, image_size: ImageSize, load_size: ImageSize, resize: str, draft: bool = False):
        if resize == "none":
            raise ValueError(f"data.load_size={load_size} says how images are resized, and data.resize=none that they "
                             "are not: type data.load_size=null, or data.resize=stretch")
        large, small = sides_of(load_size, "data.load_size"), sides_of(image_size)
        if large.height < small.height or large.width < small.width:
            raise ValueError(f"data.load_size={large} must be at least data.image_size={small}, which is cropped from "
                             "it: type data.load_size=null for the same")
        super().__init__(image_size, resize, "random", draft)
        self.larger = ResizeAndCrop(load_size, resize, "center")
        self.resize = f"{resize} to {large}"  # decoded images in a cache are told apart by it

    @property
    def is_random(self) -> bool:
        return True

    def check(self, width: int, height: int) -> None:
        self.larger.check(width, height)

    def new_size(self, width: int, height: int) -> tuple[int, int]:
        return self.larger.new_size(width, height)


class CropThenResize(ResizeAndCrop):
    """Cuts the central square out of each image and resizes it, as papers do with aligned faces.

    image_size: pixels of a side
    crop_size: pixels of a side of the square that is cut out
    """

    def __init__(self, image_size: ImageSize, crop_size: int):
        super().__init__(image_size, "stretch", "center")
        if not self.sides.is_square:
            raise ValueError(f"data.center_crop={crop_size} cuts out squares, and data.image_size={self.sides} is "
                             "none: type data.center_crop=null, or one number")
        self.crop_size = crop_size
        self.resize = f"of the middle {crop_size} pixels"  # decoded images in a cache are told apart by it

    def check(self, width: int, height: int) -> None:
        if min(width, height) < self.crop_size:
            raise Unreadable(f"its {width} x {height} pixels are less than data.center_crop={self.crop_size}")

    def scaled(self, image: Image.Image) -> Image.Image:
        left, top = ((side - self.crop_size) // 2 for side in image.size)
        return super().scaled(image.crop((left, top, left + self.crop_size, top + self.crop_size)))

    def new_size(self, width: int, height: int) -> tuple[int, int]:
        return self.sides.width, self.sides.height

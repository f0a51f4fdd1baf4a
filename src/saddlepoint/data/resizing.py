"""Makes squares of images of any size, by resizing and cropping.

H x W pixels of C channels become S x S.
"""

from math import floor, prod

import numpy
from PIL import Image

from saddlepoint.checks import one_of
from saddlepoint.data.decoding import MOST_PIXELS, Draft, Unreadable

DRAFT = 2  # times the new size: Pillow's thumbnails take it too; below it what libjpeg leaves out can be seen
RESIZINGS = ("short_side", "stretch", "none")
CROPS = ("center", "random", "none")


class ResizeAndCrop:
    """How images are resized and cropped.

    image_size: S, pixels
    resize: short_side (the shorter side becomes S, in proportion), stretch (both sides become S) or none
    crop: center, random (another place each time) or none (images must be S x S once they are resized)
    draft: whether JPEG files may be decoded at a fraction of their size, if that is DRAFT times the size they get
    """

    def __init__(self, image_size: int, resize: str, crop: str, draft: bool = False):
        if draft and resize == "none":
            raise ValueError("data.draft=true decodes files at a fraction of their size before they are resized, and "
                             "data.resize=none resizes none: type data.draft=false")
        self.image_size, self.draft = image_size, draft
        self.resize = one_of("resize", resize, RESIZINGS)
        self.crop = one_of("crop", crop, CROPS)
        if resize == "short_side" and crop == "none":
            raise ValueError("data.crop=none with data.resize=short_side leaves images that are not square: "
                             "type data.crop=center, or data.resize=stretch")

    @property
    def is_random(self) -> bool:
        """Whether an image is cropped at another place each time."""
        return self.crop == "random" and self.resize != "stretch"

    def check(self, width: int, height: int) -> None:
        """Raises Unreadable if no square can be made of an image of these sides, in pixels and in either order."""
        if self.resize != "none":
            if prod(self.new_size(width, height)) > MOST_PIXELS:
                raise Unreadable(f"its sides of {width} and {height} pixels are too unequal for data.resize=short_side")
            return
        if min(width, height) < self.image_size:
            raise Unreadable(f"its {width} x {height} pixels are less than data.image_size={self.image_size}, "
                             f"and data.resize=none")
        if self.crop == "none" and (width, height) != (self.image_size, self.image_size):
            raise Unreadable(f"it has {width} x {height} pixels, not data.image_size={self.image_size}, "
                             f"and data.resize=none data.crop=none")

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
        """Crops pixels [H, W, C] -> [S, S, C]. `point`, each in [0, 1), is the place: (0, 0) is the top left corner,
        (0.5, 0.5) the centre."""
        spare_rows, spare_columns = (side - self.image_size for side in pixels.shape[:2])
        top, left = floor(point[0] * (spare_rows + 1)), floor(point[1] * (spare_columns + 1))
        return pixels[top:top + self.image_size, left:left + self.image_size]

    def new_size(self, width: int, height: int) -> tuple[int, int]:
        """Returns the width and height to which a picture is resized before it is cropped."""
        if self.resize == "none":
            return width, height
        if self.resize == "stretch":
            return self.image_size, self.image_size
        short = min(width, height)
        return round(width * self.image_size / short), round(height * self.image_size / short)


class ResizeLarger(ResizeAndCrop):
    """Resizes images to `load_size` pixels, a little more than the S that are cropped of them, at another place each
    time (Isola et al. 2017, section 6.2, https://arxiv.org/abs/1611.07004: 286 and 256).

    image_size: S, pixels
    load_size: pixels of the shorter side (resize=short_side) or of both sides (stretch) before the crop, at least S
    resize: short_side or stretch
    draft: see ResizeAndCrop
    """

    def __init__(self, image_size: int, load_size: int, resize: str, draft: bool = False):
        if resize == "none":
            raise ValueError(f"data.load_size={load_size} says how images are resized, and data.resize=none that they "
                             "are not: type data.load_size=null, or data.resize=stretch")
        if load_size < image_size:
            raise ValueError(f"data.load_size={load_size} must be at least data.image_size={image_size}, which is "
                             "cropped from it: type data.load_size=null for the same")
        super().__init__(image_size, resize, "random", draft)
        self.larger = ResizeAndCrop(load_size, resize, "center")
        self.resize = f"{resize} to {load_size}"  # decoded images in a cache are told apart by it

    @property
    def is_random(self) -> bool:
        return True

    def check(self, width: int, height: int) -> None:
        self.larger.check(width, height)

    def new_size(self, width: int, height: int) -> tuple[int, int]:
        return self.larger.new_size(width, height)

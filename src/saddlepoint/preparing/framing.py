"""Brings pictures of any size to one size: resizes them by a named filter and crops their middle. h x w pixels."""

from PIL import Image

from saddlepoint.data.decoding import MOST_PIXELS, Unreadable

FILTERS = {"box": Image.Resampling.BOX, "bilinear": Image.Resampling.BILINEAR, "hamming": Image.Resampling.HAMMING,
           "bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}
RESIZINGS = ("short_side", "stretch", "none")
CROPS = ("center", "none")

Sides = tuple[int, int]  # height and width, pixels


class Framing:
    """How pictures are resized and cropped.

    sides: what all pictures become
    resize: short_side (in proportion, until the picture just covers these sides), stretch (to these sides) or none
    crop: center, or none: what is resized must have these sides
    filter: of FILTERS; where a picture shrinks, Pillow widens it, which is antialiasing
    """

    def __init__(self, sides: Sides, resize: str, crop: str, filter: str):
        self.sides, self.resize, self.crop, self.filter = sides, resize, crop, FILTERS[filter]

    def framed(self, image: Image.Image) -> Image.Image:
        """Returns the picture, resized and cropped. Raises Unreadable if it cannot be brought to these sides."""
        width, height = new_size = self.new_size(*image.size)
        if width * height > MOST_PIXELS:
            raise Unreadable(f"its sides of {image.width} and {image.height} pixels are too unequal for "
                             "resize=short_side")
        rows, columns = self.sides
        if height < rows or width < columns:
            raise Unreadable(f"its {image.width} x {image.height} pixels are less than {columns} x {rows}, and "
                             "resize=none")
        if self.crop == "none" and (height, width) != self.sides:
            raise Unreadable(f"it has {image.width} x {image.height} pixels, not {columns} x {rows}, and resize=none "
                             "crop=none")
        resized = image if new_size == image.size else image.resize(new_size, self.filter)
        if (height, width) == self.sides:
            return resized
        left, top = (width - columns + 1) // 2, (height - rows + 1) // 2  # as data=image_folder crops the middle
        return resized.crop((left, top, left + columns, top + rows))

    def new_size(self, width: int, height: int) -> tuple[int, int]:
        """Returns the width and height to which a picture is resized before it is cropped."""
        rows, columns = self.sides
        if self.resize == "none":
            return width, height
        if self.resize == "stretch":
            return columns, rows
        if width * rows >= height * columns:  # it is the wider one, so its height decides
            return max(round(width * rows / height), columns), rows
        return columns, max(round(height * columns / width), rows)

"""What an image file says of itself before anything of it is decoded. Imports no torch."""

import os
from pathlib import Path

from PIL import Image

from saddlepoint.data.decoding import Unreadable, reading
from saddlepoint.errors import RequestError


def size_of(path: Path, max_pixels: int) -> tuple[int, int]:
    """Width and height as they lie in the file, from the header alone."""
    with reading(path) as image:
        return checked(image, max_pixels).size


def checked(image: Image.Image, max_pixels: int) -> Image.Image:
    """A file of a few kilobytes may unfold to gigabytes."""
    width, height = image.size
    if width * height > max_pixels:
        raise Unreadable(f"its {width} x {height} pixels are more than max_pixels={max_pixels}: type "
                         f"max_pixels={width * height} if you mean it")
    return image


def refuse_at_once(typed: str | None, max_pixels: int) -> None:
    """A single file that cannot be enlarged, before weights are looked for."""
    path = Path(typed or "").expanduser()
    if not os.path.isfile(path):  # noqa: PTH113  Path.is_file raises for a name that is too long
        return
    try:
        size_of(path, max_pixels)
    except Unreadable as error:
        raise RequestError(f"input={typed} cannot be upscaled: {error}") from error

"""Looks at an image file for an audit: whether it can be read, what kind of image it holds, and which."""

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy
from PIL import Image

from saddlepoint.data.decoding import Limits, Unreadable, decode_opened
from saddlepoint.image_files.opening import open_image
from saddlepoint.image_files.source import UPRIGHT, Source
from saddlepoint.preparing.duplicates import SIDE


class Look(NamedTuple):
    """What an image file holds. One that cannot be read has nothing but the reason."""

    reason: str = ""
    size: tuple[int, int] = (0, 0)  # width and height, upright
    kind: str = ""  # grey or RGB, with what it becomes RGB from, e.g. `RGB, palette`
    is_turned: bool = False  # EXIF turns or mirrors it
    has_several: bool = False  # it is animated, or has pages: the first is used
    checksum: int = 0  # of its pixels as they are read
    thumbnail: bytes = b""  # [16, 16] of grey

    @property
    def picture(self) -> tuple[tuple[int, int], int, bytes]:
        """What is the same for the same picture in another file, and for no other."""
        return self.size, self.checksum, self.thumbnail


@dataclass(frozen=True)
class Looker:
    """Looks at files.

    limits: on what is decoded
    """

    limits: Limits

    def __call__(self, path: Path) -> Look:
        """Looks at one. Never raises for what is in it."""
        try:
            with open_image(path, self.limits) as source:
                kind, has_several = kind_of(source), source.has_several  # before Pillow decodes, which forgets some
                image = decode_opened(source, 3, self.limits)
                is_turned = source.orientation() != UPRIGHT
        except Unreadable as error:
            return Look(str(error))
        except OSError as error:
            return Look(error.strerror or str(error))
        return Look("", image.size, kind, is_turned, has_several, zlib.crc32(image.tobytes()), thumbnail_of(image))


def kind_of(source: Source) -> str:
    """Returns in words what kind of pixels an opened file has."""
    palette = source.image is not None and source.image.mode == "P"
    return ", ".join(filter(None, [
        source.mode or ("grey" if source.is_grey else "RGB"), "palette" if palette else "",
        "more than 8 bits" if source.is_deep else "", "transparency" if source.has_alpha else ""]))


def thumbnail_of(image: Image.Image) -> bytes:
    small = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=3)
    return numpy.asarray(small).tobytes()

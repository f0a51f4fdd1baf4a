"""Reads an image file as a picture of the file's own depth, 8 or 16 bits."""

from pathlib import Path

from saddlepoint.image_files.limits import Limits
from saddlepoint.image_files.metadata import about
from saddlepoint.image_files.source import opened
from saddlepoint.upscaling.picture import Picture, of_pixels


def read(path: Path, limits: Limits) -> Picture:
    """Reads a file's first picture. Raises Unreadable for whatever cannot be read."""
    with opened(path, limits) as source:
        pixels = source.pixels(limits.white)
        metadata, left_out = about(source)
        notes = (source.pictures(), *source.losses(), *left_out)
        return of_pixels(pixels, metadata, tuple(filter(None, notes)))

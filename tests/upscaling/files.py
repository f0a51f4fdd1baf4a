"""Image files of every kind, and what libraries other than ours read from them."""

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy
from PIL import Image

from tests.data.formats import png_bytes

DEPTHS = {numpy.uint8: 255, numpy.uint16: 65535}


def random_pixels(channels: int, dtype: type = numpy.uint8, height: int = 7, width: int = 5) -> numpy.ndarray:
    """[h, w, C]"""
    return numpy.random.default_rng(0).integers(0, DEPTHS[dtype] + 1, (height, width, channels), dtype=dtype)


def deep_png(pixels: numpy.ndarray, *chunks: tuple[bytes, bytes]) -> bytes:
    """A 16-bit PNG of pixels [h, w, C], with more chunks after its header"""
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[pixels.shape[2]]
    plain = png_bytes(pixels.reshape(len(pixels), -1), colour_type, 16, pixels.shape[1])
    more = b"".join(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
                    for name, data in chunks)
    return plain[:33] + more + plain[33:]


def seen_by_opencv(path: Path) -> numpy.ndarray:
    """[h, w, C] in the order of RGB, whatever the depth"""
    pixels = cv2.imdecode(numpy.frombuffer(path.read_bytes(), numpy.uint8), cv2.IMREAD_UNCHANGED)
    if pixels.ndim == 2:
        return pixels[:, :, None]
    return pixels[:, :, [2, 1, 0, 3][:pixels.shape[2]]]


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def exif_with(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[274], exif[271], exif[306] = orientation, "Maker", "2024:05:06 07:08:09"
    exif.get_ifd(0x8769)[33434], exif.get_ifd(0x8769)[0xA002] = 0.5, 5
    exif.get_ifd(0x8825)[1] = "N"
    return exif


def content(image: Image.Image, image_format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, image_format, **options)
    return stream.getvalue()

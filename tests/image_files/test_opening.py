"""Files that Pillow misunderstands: the right value by the letter of the format."""

import struct
import zlib

import numpy
import pytest
from PIL import EpsImagePlugin

from saddlepoint.data.decoding import decode, header_of
from saddlepoint.image_files.errors import Unreadable
from saddlepoint.image_files.opening import Limits
from saddlepoint.upscaling.picture import read_picture
from tests.data.formats import png_bytes
from tests.upscaling.files import random_pixels

LIMITS = Limits(1_000_000)
GREY = random_pixels(1, numpy.uint8, 6, 8)[:, :, 0]
CRC_OF_GREY_1 = zlib.crc32(b"tRNS\0\1")


def packed(values: numpy.ndarray, bits: int) -> numpy.ndarray:
    """[h, w] -> rows of bytes, the first pixel in the highest bits"""
    single = numpy.unpackbits(values[:, :, None], axis=2)[:, :, 8 - bits:]
    return numpy.packbits(single.reshape(len(values), -1), axis=1)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_the_grey_that_stands_for_transparent_is_counted_in_the_bits_of_the_png(tmp_path, bits):
    values, white = GREY >> (8 - bits), 2**bits - 1
    plain = png_bytes(packed(values, bits), 0, bits, 8)
    (tmp_path / "x.png").write_bytes(plain[:33] + struct.pack(">I4sHI", 2, b"tRNS", 1, CRC_OF_GREY_1) + plain[33:])
    picture = read_picture(tmp_path / "x.png", LIMITS)
    assert numpy.array_equal(picture.alpha[0].numpy() == 0, values == 1)
    assert numpy.array_equal(picture.colours[0].numpy(), values.astype(int) * 255 // white)
    seen = numpy.where(values == 1, 0, values.astype(int) * 255 // white)
    assert numpy.array_equal(numpy.asarray(decode(tmp_path / "x.png", 1, LIMITS)), seen)


@pytest.mark.parametrize("beginning", [b"", struct.pack("<4s6IH", b"\xc5\xd0\xd3\xc6", 30, 67, 0, 0, 0, 0, 0xFFFF)],
                         ids=["plain", "binary"])
def test_postscript_under_another_name_is_refused_and_not_run(tmp_path, monkeypatch, beginning):
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_: pytest.fail("Ghostscript was started"))
    (tmp_path / "x.png").write_bytes(
        beginning + b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n%%EOF\n")
    for read in (header_of, read_picture):
        with pytest.raises(Unreadable, match="it is a PostScript file, which is not read: save it as PNG or TIFF"):
            read(tmp_path / "x.png", LIMITS)
    with pytest.raises(Unreadable, match="PostScript"):
        decode(tmp_path / "x.png", 3, LIMITS)


def psd(channels: numpy.ndarray, depth: int, mode: int) -> bytes:
    """channels [C, h, bytes of a row], of 6 x 8 pixels (Adobe Photoshop File Formats Specification)"""
    header = struct.pack(">4sH6xHIIHH", b"8BPS", 1, len(channels), 6, 8, depth, mode)
    return header + bytes(12) + bytes(2) + channels.tobytes()


def test_ink_of_a_psd_bitmap_is_black(tmp_path):
    path = tmp_path / "x.psd"
    path.write_bytes(psd(packed(GREY >> 7, 1)[None], 1, 0))
    for seen in (read_picture(path, LIMITS).pixels()[:, :, 0], numpy.asarray(decode(path, 1, LIMITS))):
        assert numpy.array_equal(seen, numpy.where(GREY >> 7, 0, 255))


def test_channels_of_a_psd_beside_its_colours_are_counted(tmp_path):
    (tmp_path / "x.psd").write_bytes(psd(numpy.stack([GREY, 255 - GREY]), 8, 1))
    picture = read_picture(tmp_path / "x.psd", LIMITS)
    assert numpy.array_equal(picture.pixels()[:, :, 0], GREY)
    assert picture.notes == header_of(tmp_path / "x.psd", LIMITS).losses == ("left out 1 channels beside its colours",)

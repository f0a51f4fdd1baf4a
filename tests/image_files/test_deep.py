"""More than 8 bits in PNG, PPM, JPEG 2000 and AVIF: what imagecodecs wrote, to the bit, or scaled with numpy."""

from pathlib import Path

import imagecodecs
import numpy
import pytest

from saddlepoint.data.decoding import decode, header_of
from saddlepoint.image_files.errors import Unreadable
from saddlepoint.image_files.opening import Limits
from saddlepoint.upscaling.picture import read_picture
from tests.upscaling.files import deep_png, random_pixels

LIMITS = Limits(1_000_000)
DEEP = "more than 8 bits a channel became 8"


def assert_is(path: Path, expected: numpy.ndarray, within: float = 0) -> None:
    pixels = read_picture(path, LIMITS).pixels()
    assert pixels.dtype == numpy.uint16 and pixels.shape == expected.shape
    assert abs(pixels.astype(float) - expected).max() <= within
    assert DEEP in header_of(path, LIMITS).losses
    if expected.shape[2] in (1, 3):
        seen = numpy.asarray(decode(path, 3, LIMITS)).astype(float)
        assert abs(seen - expected / 257).max() <= 0.5 + within


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("bits", [9, 12, 16])
def test_jpeg_2000_keeps_its_bits(tmp_path, channels, bits):
    values = random_pixels(channels, numpy.uint16, 24, 32) >> (16 - bits)
    (tmp_path / "x.jp2").write_bytes(imagecodecs.jpeg2k_encode(values.squeeze(), level=0, reversible=True,
                                                               bitspersample=bits))
    assert_is(tmp_path / "x.jp2", values * (65535 / (2**bits - 1)), within=0.5)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("bits", [10, 12])
def test_avif_keeps_its_bits(tmp_path, channels, bits):
    values = random_pixels(channels, numpy.uint16, 24, 32) >> (16 - bits)
    (tmp_path / "x.avif").write_bytes(imagecodecs.avif_encode(values.squeeze(), level=100, bitspersample=bits))
    assert_is(tmp_path / "x.avif", values * (65535 / (2**bits - 1)), within=0.5)


@pytest.mark.parametrize("white", [256, 1023, 65535])
@pytest.mark.parametrize("channels", [1, 3])
def test_netpbm_is_scaled_from_the_white_it_names(tmp_path, white, channels):
    values = numpy.minimum(random_pixels(channels, numpy.uint16), white)
    header = f"P{6 if channels == 3 else 5}\n# a remark\n5 7\n{white}\n"
    (tmp_path / "x.ppm").write_bytes(header.encode() + values.astype(">u2").tobytes())
    assert_is(tmp_path / "x.ppm", values * (65535 / white), within=1)  # Pillow rounds grey down


@pytest.mark.parametrize("channels", [1, 3])
def test_the_colour_that_stands_for_transparent_in_a_png_of_16_bits_is_transparent(tmp_path, channels):
    values = random_pixels(channels, numpy.uint16)
    transparent = values[2, 3].astype(">u2").tobytes()
    (tmp_path / "x.png").write_bytes(deep_png(values, (b"tRNS", transparent)))
    picture = read_picture(tmp_path / "x.png", LIMITS)
    assert numpy.array_equal(picture.colours.permute(1, 2, 0).numpy(), values)
    assert numpy.argwhere(picture.alpha[0].numpy() == 0).tolist() == [[2, 3]]
    expected = values / 257
    expected[2, 3] = 0
    seen = numpy.asarray(decode(tmp_path / "x.png", 3, LIMITS))
    assert abs(seen - expected).max() <= 0.5


def test_a_text_of_16_bit_colours_is_read_in_8_which_is_said(tmp_path):
    (tmp_path / "x.ppm").write_bytes(b"P3 2 1 1000 0 500 1000 1 2 3")
    picture = read_picture(tmp_path / "x.ppm", LIMITS)
    assert picture.pixels()[0, 0].tolist() == [0, 128, 255]
    assert picture.notes == ("16 bits became 8, all that its reader has",)


def test_8_bits_are_not_called_deep(tmp_path):
    values = random_pixels(3, numpy.uint8, 24, 32)
    for name, content in (("x.jp2", imagecodecs.jpeg2k_encode(values, level=0, reversible=True)),
                          ("x.avif", imagecodecs.avif_encode(values, level=100)),
                          ("x.png", imagecodecs.png_encode(values))):
        (tmp_path / name).write_bytes(content)
        assert header_of(tmp_path / name, LIMITS) == (32, 24, 3, ())


@pytest.mark.parametrize("bits", [1, 2, 4, 12, 16])
def test_signed_jpeg_2000_begins_at_black_and_any_depth_ends_at_white(tmp_path, bits):
    values = (random_pixels(1, numpy.uint16, 24, 32)[:, :, 0] >> (16 - bits)).astype("u1" if bits < 8 else "u2")
    white = 2**bits - 1
    (tmp_path / "x.jp2").write_bytes(imagecodecs.jpeg2k_encode(values, level=0, reversible=True, bitspersample=bits))
    assert abs(numpy.asarray(decode(tmp_path / "x.jp2", 1, LIMITS)) - values * (255 / white)).max() <= 0.51
    assert (DEEP in header_of(tmp_path / "x.jp2", LIMITS).losses) == (bits > 8)
    signed = (values.astype(int) - 2**(bits - 1)).astype(numpy.int16)
    if bits == 16:
        (tmp_path / "x.jp2").write_bytes(imagecodecs.jpeg2k_encode(signed, level=0, reversible=True))
        assert_is(tmp_path / "x.jp2", values[:, :, None].astype(float))


def test_grey_of_16_bits_with_alpha_is_grey_by_its_header(tmp_path):
    (tmp_path / "x.png").write_bytes(deep_png(random_pixels(2, numpy.uint16)))
    assert header_of(tmp_path / "x.png", LIMITS).channels == 1
    assert read_picture(tmp_path / "x.png", LIMITS).colours.shape[0] == 1


@pytest.mark.parametrize("content", [b"P1\n2 1\n1 0\n", b"P2\n2 1\n100\n0 100\n", b"P3\n1 1\n255\n1 2 3\n"])
def test_text_of_8_bits_or_fewer_loses_nothing(tmp_path, content):
    (tmp_path / "x.ppm").write_bytes(content)
    assert read_picture(tmp_path / "x.ppm", LIMITS).notes == header_of(tmp_path / "x.ppm", LIMITS).losses == ()


@pytest.mark.parametrize("content, what", [
    (b"PF\n2 1\n-1\n", "a PFM file in colours"), (b"P7\nWIDTH 2\n", "a PAM file"),
    (imagecodecs.jpeg_encode(numpy.zeros((8, 8), numpy.uint16), bitspersample=12), "a JPEG file of 12 or 16 bits")])
def test_images_of_a_kind_that_is_not_read_are_called_what_they_are(tmp_path, content, what):
    (tmp_path / "x").write_bytes(content)
    for look in (lambda: read_picture(tmp_path / "x", LIMITS), lambda: header_of(tmp_path / "x", LIMITS)):
        with pytest.raises(Unreadable, match=f"it is {what}.*: save it as PNG or TIFF"):
            look()

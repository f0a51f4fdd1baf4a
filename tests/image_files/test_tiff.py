"""TIFF files as their tags mean them: what tifffile stores, and what numpy makes of it by the letter of TIFF 6.0."""

import io
from pathlib import Path

import numpy
import pytest
import tifffile
from PIL import Image

from saddlepoint.data.decoding import decode, header_of
from saddlepoint.image_files.errors import Unreadable
from saddlepoint.image_files.opening import Limits
from saddlepoint.upscaling.picture import read_picture
from tests.upscaling.files import random_pixels

LIMITS = Limits(1_000_000)
COLOUR, GREY = random_pixels(3, numpy.uint16, 6, 8), random_pixels(1, numpy.uint16, 6, 8)[:, :, 0]
FOUR, TWO = random_pixels(4, numpy.uint16, 6, 8), random_pixels(2, numpy.uint16, 6, 8)


def written(folder: Path, values: numpy.ndarray, **options) -> Path:
    path = folder / "x.tiff"
    tifffile.imwrite(path, values, **options)
    return path


def assert_is(path: Path, expected: numpy.ndarray, within: float = 0, white: float | None = None) -> None:
    """expected: uint16 [h, w] or [h, w, C], alpha last: what upscaling sees, and in 8 bits over black training"""
    expected = numpy.atleast_3d(expected).astype(float)
    picture = read_picture(path, LIMITS._replace(white=white))
    pixels = picture.pixels().astype(float)
    assert pixels.shape == expected.shape and abs(pixels - expected).max() <= within
    over_black = expected[:, :, :3 if expected.shape[2] > 2 else 1]
    if expected.shape[2] % 2 == 0:
        over_black = over_black * expected[:, :, -1:] / 65535
    seen = numpy.asarray(decode(path, 3, LIMITS._replace(white=white))).astype(float)
    assert abs(seen - over_black / 257).max() <= (0.5 if expected.shape[2] % 2 else 2)
    assert header_of(path, LIMITS._replace(white=white))[:3] == (8, 6, 1 if expected.shape[2] < 3 else 3)


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "zstd"])
@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_16_bit_colours_keep_their_bits_in_planes_and_in_pixels(tmp_path, planes, compression):
    values = COLOUR if planes == "contig" else numpy.moveaxis(COLOUR, 2, 0)
    assert_is(written(tmp_path, values, photometric="rgb", planarconfig=planes, compression=compression), COLOUR)


@pytest.mark.parametrize("options", [{"bigtiff": True}, {"byteorder": ">"}, {"tile": (16, 16)}, {"predictor": True,
                                     "compression": "zlib"}, {"rowsperstrip": 1}])
def test_and_however_they_are_laid_out(tmp_path, options):
    assert_is(written(tmp_path, COLOUR, photometric="rgb", **options), COLOUR)
    assert_is(written(tmp_path, GREY, photometric="minisblack", **options), GREY)


@pytest.mark.parametrize("kind", [numpy.uint8, numpy.uint16])
def test_where_white_is_zero_no_negative_is_shown(tmp_path, kind):
    values = GREY.astype(kind)
    full = numpy.iinfo(kind).max
    path = written(tmp_path, values, photometric="miniswhite")
    assert numpy.array_equal(read_picture(path, LIMITS).pixels()[:, :, 0], full - values)
    assert numpy.array_equal(numpy.asarray(decode(path, 1, LIMITS)), numpy.rint((full - values) * (255 / full)))


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_fewer_bits_than_16_are_scaled_to_16(tmp_path, bits):
    values = GREY >> (16 - bits)
    path = written(tmp_path, values, photometric="minisblack", bitspersample=bits)
    assert_is(path, values * (65535 / (2**bits - 1)), within=0.5)


@pytest.mark.parametrize("kind", [numpy.uint8, numpy.uint16])
@pytest.mark.parametrize("channels", [2, 4])
def test_a_channel_of_which_nothing_is_said_makes_nothing_transparent_and_is_mentioned(tmp_path, kind, channels):
    values = random_pixels(channels, kind, 6, 8)
    path = written(tmp_path, values, photometric="rgb" if channels == 4 else "minisblack", planarconfig="contig",
                   extrasamples=["unspecified"])
    picture = read_picture(path, LIMITS)
    assert numpy.array_equal(picture.pixels(), values[:, :, :-1]) and picture.alpha is None
    assert picture.notes == ("left out 1 channels that are neither colour nor transparency",)
    assert picture.notes[0] in header_of(path, LIMITS).losses
    assert numpy.array_equal(numpy.asarray(decode(path, 3, LIMITS))[:, :, 0],
                             numpy.rint(values[:, :, 0] * (255 / numpy.iinfo(kind).max)))


@pytest.mark.parametrize("kind", [numpy.uint8, numpy.uint16])
def test_nor_does_a_channel_that_no_tag_counts(tmp_path, kind):
    values = random_pixels(4, kind, 6, 8)
    path = written(tmp_path, values, photometric="rgb", extrasamples=["unspecified"])
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags[338].overwrite(0)
        place = file.pages[0].tags[338].offset
    content = bytearray(path.read_bytes())
    content[place:place + 2] = (65000).to_bytes(2, "little")  # another tag, which says nothing of it
    path.write_bytes(content)
    picture = read_picture(path, LIMITS)
    assert numpy.array_equal(picture.pixels(), values[:, :, :3]) and "left out 1 channels" in picture.notes[0]


@pytest.mark.parametrize("values", [TWO, FOUR])
def test_alpha_that_stands_beside_colours_is_alpha(tmp_path, values):
    photometric = "rgb" if values.shape[2] == 4 else "minisblack"
    path = written(tmp_path, values, photometric=photometric, planarconfig="contig", extrasamples=["unassalpha"])
    assert_is(path, values)


@pytest.mark.parametrize("values", [TWO, FOUR])
def test_colours_multiplied_by_alpha_are_divided_again(tmp_path, values):
    alpha = values[:, :, -1:] | 0x8000  # half-transparent at most: what is left of the colours says enough of them
    colours = values[:, :, :-1]
    stored = numpy.concatenate([numpy.rint(colours * (alpha / 65535)).astype(numpy.uint16), alpha], axis=2)
    path = written(tmp_path, stored, photometric="rgb" if values.shape[2] == 4 else "minisblack",
                   planarconfig="contig", extrasamples=["assocalpha"])
    assert_is(path, numpy.concatenate([colours, alpha], axis=2), within=1)


def test_what_is_wholly_transparent_has_no_colour_to_divide(tmp_path):
    stored = numpy.zeros((6, 8, 4), numpy.uint16)
    path = written(tmp_path, stored, photometric="rgb", extrasamples=["assocalpha"])
    assert not read_picture(path, LIMITS).pixels().any()


def test_ink_of_16_bits_becomes_colours_of_16_bits_and_is_mentioned(tmp_path):
    path = written(tmp_path, FOUR, photometric="separated")
    light = 65535.0 - FOUR
    assert_is(path, light[:, :, :3] * light[:, :, 3:] / 65535, within=0.5)
    assert "CMYK became RGB" in read_picture(path, LIMITS).notes and "CMYK became RGB" in header_of(path, LIMITS).losses


@pytest.mark.parametrize("kind", [numpy.float16, numpy.float32, numpy.float64, numpy.uint32, numpy.int16])
@pytest.mark.parametrize("white", [1000, 65535])
def test_numbers_in_grey_and_colours_are_scaled_by_the_white_that_is_typed(tmp_path, kind, white):
    for values in (COLOUR, GREY):
        numbers = (values // 66).astype(kind)  # up to 992
        path = written(tmp_path, numbers, photometric="rgb" if values.ndim == 3 else "minisblack")
        assert_is(path, numbers.astype(float) * 65535 / white, within=0.5, white=white)
        with pytest.raises(Unreadable, match="which do not say what is white: type data.white=1"):
            read_picture(path, LIMITS)


def test_signed_bytes_are_no_levels(tmp_path):
    path = written(tmp_path, numpy.full((6, 8), -5, numpy.int8), photometric="minisblack")
    with pytest.raises(Unreadable, match="outside 0 to white=127"):
        read_picture(path, LIMITS._replace(white=127))


def test_a_palette_of_16_bits_gives_its_colours(tmp_path):
    palette = numpy.random.default_rng(0).integers(0, 65536, (3, 65536), dtype=numpy.uint16)
    indices = GREY[:6, :8]
    path = written(tmp_path, indices, photometric="palette", colormap=palette)
    assert_is(path, palette.T[indices])


@pytest.mark.parametrize("compression", ["webp", "jpegxl", "lerc"])
def test_compressions_that_pillow_lacks_are_read(tmp_path, compression):
    smooth = numpy.full((64, 64, 3), 90, numpy.uint8)
    path = written(tmp_path, smooth, photometric="rgb", compression=compression)
    assert abs(read_picture(path, LIMITS).pixels().astype(int) - 90).max() <= 2


@pytest.mark.parametrize("values", [COLOUR, GREY, GREY.astype(numpy.float32)])
def test_a_tiff_that_breaks_off_is_refused_and_never_filled_up_with_black(tmp_path, values):
    path = written(tmp_path, values.repeat(40, 0), photometric="rgb" if values.ndim == 3 else "minisblack",
                   rowsperstrip=16)
    whole = path.read_bytes()
    for kept in (len(whole) - 1, len(whole) // 2, 200):
        path.write_bytes(whole[:kept])
        for look in (lambda: read_picture(path, LIMITS._replace(white=65535)), lambda: decode(path, 3, LIMITS)):
            with pytest.raises(Unreadable):
                look()


def test_of_many_pages_the_first_is_taken_and_their_number_is_said(tmp_path):
    pages = numpy.stack([numpy.full((6, 8), page, numpy.uint16) for page in range(500)])
    path = written(tmp_path, pages, photometric="minisblack")
    picture = read_picture(path, LIMITS)
    assert not picture.pixels().any() and picture.notes == ("the first of its 500 pictures",)
    assert "of several pictures in a file the first is used" in header_of(path, LIMITS).losses


def test_what_a_tiff_of_16_bits_says_of_itself_is_kept(tmp_path):
    path = written(tmp_path, COLOUR.astype(numpy.float32), photometric="rgb", resolution=(300, 300),
                   resolutionunit="INCH", extratags=[(271, "s", 6, "Maker", True), (700, "B", 4, b"<x/>", True)])
    metadata = read_picture(path, LIMITS._replace(white=65535)).metadata
    assert metadata.exif[271] == "Maker" and metadata.dpi == (300, 300) and metadata.xmp == b"<x/>"


def test_what_a_tiff_says_in_words_of_its_layout_is_not_kept(tmp_path):
    path = written(tmp_path, COLOUR, photometric="rgb")  # tifffile describes the shape
    assert tifffile.TiffFile(path).pages[0].description.startswith('{"shape"')
    assert 270 not in read_picture(path, LIMITS).metadata.exif
    path = written(tmp_path, COLOUR, photometric="rgb", description="a cat", metadata=None)
    assert read_picture(path, LIMITS).metadata.exif[270] == "a cat"


def test_colours_that_are_not_read_are_named(tmp_path):
    stream = io.BytesIO()
    Image.new("RGB", (8, 6)).save(stream, "TIFF")
    path = written(tmp_path, COLOUR, photometric="cielab")
    with pytest.raises(Unreadable, match="CIELAB in 16 bits.* are not read: save it as RGB"):
        read_picture(path, LIMITS)


@pytest.mark.parametrize("kind", [numpy.uint8, numpy.uint16])
@pytest.mark.parametrize("first", [{"subfiletype": 1, "photometric": "rgb"}, {"subfiletype": 4, "photometric": 4},
                                   {"extratags": [(255, "H", 1, 2, True)], "photometric": "rgb"}])
def test_a_thumbnail_or_mask_that_comes_first_is_not_the_picture(tmp_path, kind, first):
    values, path = COLOUR.astype(kind), tmp_path / "x.tiff"
    with tifffile.TiffWriter(path) as file:
        file.write(values[:2, :2, 0] > 9 if first["photometric"] == 4 else values[:2, :2], **first)
        file.write(values, photometric="rgb")
    picture = read_picture(path, LIMITS)
    assert numpy.array_equal(picture.pixels(), values)
    assert picture.notes == ("number 2, the first in full size, of its 2 pictures",)
    assert header_of(path, LIMITS)[:2] == decode(path, 3, LIMITS).size == (8, 6)


@pytest.mark.parametrize("kind", [numpy.uint8, numpy.uint16])
def test_where_there_is_nothing_but_a_reduced_copy_this_is_said(tmp_path, kind):
    path = written(tmp_path, COLOUR.astype(kind), photometric="rgb", subfiletype=1)
    assert "a reduced copy is shown" in read_picture(path, LIMITS).notes[0] == header_of(path, LIMITS).losses[0]


@pytest.mark.parametrize("kind", [numpy.float32, numpy.uint32])
def test_where_zero_is_white_numbers_are_no_negative_either(tmp_path, kind):
    path = written(tmp_path, GREY.astype(kind), photometric="miniswhite")
    assert_is(path, 65535 - GREY, white=65535)


def test_a_palette_of_8_bits_against_the_rule_is_not_almost_black(tmp_path):
    palette = numpy.random.default_rng(0).integers(0, 256, (3, 256), dtype=numpy.uint16)
    path = written(tmp_path, GREY.astype(numpy.uint8), photometric="palette", colormap=palette)
    assert numpy.array_equal(numpy.asarray(decode(path, 3, LIMITS)), palette.T[GREY & 255])
    assert_is(path, palette.T[GREY & 255].astype(float) * 257)

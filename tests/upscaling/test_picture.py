"""Pixels of a file as they are: mode, depth, transparency, orientation; and files that are none."""

import io

import numpy
import pytest
import tifffile
import torch
from PIL import Image, ImageCms, ImageOps

from saddlepoint.image_files.errors import Unreadable
from saddlepoint.image_files.opening import Limits
from saddlepoint.upscaling.headers import size_of
from saddlepoint.upscaling.picture import read_picture
from saddlepoint.upscaling.writing import write
from tests.data.formats import bomb, photo
from tests.upscaling.files import content, deep_png, exif_with, random_pixels, saved

MANY = Limits(1_000_000, prefix="")


def pixels_of(path) -> numpy.ndarray:
    return read_picture(path, MANY).pixels()


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("ending", ["png", "tiff"])
def test_ordinary_modes_are_read_as_they_are(mode, ending, tmp_path):
    expected = random_pixels(len(mode))
    image = Image.fromarray(expected[:, :, 0] if mode == "L" else expected)
    picture = read_picture(saved(tmp_path / f"x.{ending}", image), MANY)
    assert numpy.array_equal(picture.pixels(), expected) and picture.size == (5, 7)
    assert (picture.alpha is not None) == mode.endswith("A") and not picture.notes


def test_one_bit_and_palettes_become_grey_and_colours(tmp_path):
    bits = numpy.eye(8, dtype=bool)
    assert numpy.array_equal(pixels_of(saved(tmp_path / "1.png", Image.fromarray(bits)))[:, :, 0], bits * 255)
    colours = photo(20, 10).quantize(16)
    assert numpy.array_equal(pixels_of(saved(tmp_path / "p.png", colours)), numpy.asarray(colours.convert("RGB")))


@pytest.mark.parametrize("mode", ["P", "RGB", "L"])
def test_a_colour_that_counts_as_transparent_becomes_alpha(mode, tmp_path):
    image = Image.new(mode, (4, 3), 1 if mode != "RGB" else (9, 8, 7))
    if mode == "P":
        image.putpalette(range(30))
    image.putpixel((2, 1), 3 if mode != "RGB" else (1, 2, 3))
    picture = read_picture(saved(tmp_path / "t.png", image, transparency=3 if mode != "RGB" else (1, 2, 3)), MANY)
    hidden = torch.zeros(1, 3, 4, dtype=torch.bool)
    hidden[0, 1, 2] = True
    assert torch.equal(picture.alpha == 0, hidden) and torch.equal(picture.alpha == 255, ~hidden)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("brightest", [65535, 200])
def test_16_bits_are_read_as_16_bits_however_dark_the_picture(channels, brightest, tmp_path):
    expected = numpy.minimum(random_pixels(channels, numpy.uint16), brightest)
    (tmp_path / "x.png").write_bytes(deep_png(expected))
    tifffile.imwrite(tmp_path / "x.tiff", expected[:, :, 0] if channels == 1 else expected, compression="zlib",
                     photometric="minisblack" if channels == 1 else "rgb",
                     **{"extrasamples": ["unassalpha"]} if channels == 4 else {})
    for path in (tmp_path / "x.png", tmp_path / "x.tiff"):
        assert read_picture(path, MANY).colours.dtype == torch.uint16
        assert numpy.array_equal(pixels_of(path), expected), path


def test_16_bit_grey_with_alpha_keeps_its_depth(tmp_path):
    expected = random_pixels(2, numpy.uint16)
    (tmp_path / "x.png").write_bytes(deep_png(expected))
    assert numpy.array_equal(pixels_of(tmp_path / "x.png"), expected)


def test_16_bit_grey_with_a_transparent_level(tmp_path):
    grey = random_pixels(1, numpy.uint16)
    (tmp_path / "x.png").write_bytes(deep_png(grey, (b"tRNS", grey[2, 3].astype(">u2").tobytes())))
    picture = read_picture(tmp_path / "x.png", MANY)
    assert numpy.array_equal(picture.pixels()[:, :, 0], grey[:, :, 0])
    assert numpy.argwhere(picture.alpha[0].numpy() == 0).tolist() == [[2, 3]]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "jpeg", "tiff", "deep png", "deep tiff", "deep grey tiff"])
def test_pictures_stand_upright_and_no_longer_say_that_they_lie(kind, orientation, tmp_path):
    pixels, exif = random_pixels(3, numpy.uint16 if "deep" in kind else numpy.uint8, 16, 24), exif_with(orientation)
    pixels = pixels[:, :, :1] if "grey" in kind else pixels
    if kind == "deep png":
        stored = deep_png(pixels, (b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")))
    elif "deep" in kind:
        stream = io.BytesIO()
        tifffile.imwrite(stream, pixels.squeeze(), photometric="minisblack" if "grey" in kind else "rgb",
                         extratags=[(274, "H", 1, orientation, True), (271, "s", 6, "Maker", True)])
        stored = stream.getvalue()
    else:
        stored = content(Image.fromarray(pixels), kind, exif=exif)
    (tmp_path / "x").write_bytes(stored)
    if kind == "jpeg":
        pixels = numpy.asarray(Image.open(tmp_path / "x"))
    picture = read_picture(tmp_path / "x", MANY)
    turning = Image.new("L", (1, 1))
    turning.getexif()[274] = orientation
    planes = [Image.fromarray(plane.astype(numpy.int32)) for plane in numpy.moveaxis(pixels, 2, 0)]
    for plane in planes:
        plane.getexif()[274] = orientation
    expected = numpy.dstack([numpy.asarray(ImageOps.exif_transpose(plane)) for plane in planes])
    assert numpy.array_equal(picture.pixels(), expected)
    assert picture.metadata.exif.get(274, 1) == 1 and picture.metadata.exif[271] == "Maker"


def test_cmyk_becomes_rgb_and_says_so(tmp_path):
    ink = Image.new("CMYK", (4, 3), (255, 0, 0, 0))
    left_out = ("its colour profile, which is one of other colours, was left out",)
    for options, more in (({}, ()), ({"icc_profile": b"not a profile" * 20}, left_out)):
        picture = read_picture(saved(tmp_path / "x.tiff", ink, **options), MANY)
        assert picture.pixels()[0, 0].tolist() == [0, 255, 255] and picture.notes == ("CMYK became RGB", *more)
        assert picture.metadata.icc_profile is None


def test_lab_goes_through_its_own_definition(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    path = saved(tmp_path / "x.tiff", Image.new("LAB", (2, 2), (255, 128, 128)), icc_profile=profile)
    picture = read_picture(path, MANY)
    assert picture.pixels()[0, 0].min() >= 250


def test_of_an_animation_the_first_picture_is_taken_which_is_said(tmp_path):
    first, second = Image.new("RGB", (4, 3), (255, 0, 0)), Image.new("RGB", (4, 3), (0, 0, 255))
    path = saved(tmp_path / "x.gif", first, save_all=True, append_images=[second])
    picture = read_picture(path, MANY)
    assert picture.pixels()[0, 0].tolist()[:3] == [255, 0, 0] and picture.notes == ("the first of its 2 pictures",)


@pytest.mark.parametrize(("stored", "why"), [
    (b"", "it is empty"),
    (b"no image at all", "its content is not that of an image"),
    (content(photo(64, 64), "PNG")[:700], "truncated|broken|Truncated"),
    (content(photo(64, 64), "JPEG")[:700], "truncated"),
    (content(Image.fromarray(numpy.full((2, 2), 0.5, numpy.float32)), "TIFF"), "floating-point"),
    (content(Image.fromarray(numpy.full((2, 2), -5, numpy.int32)), "TIFF"), "32-bit numbers, .*: type white=1"),
    (deep_png(random_pixels(3, numpy.uint16, 64, 64))[:400], "truncated|breaks off"),
])
def test_what_is_no_picture_is_told_why(stored, why, tmp_path):
    (tmp_path / "x.png").write_bytes(stored)
    with pytest.raises(Unreadable, match=why):
        read_picture(tmp_path / "x.png", MANY)


def test_a_file_that_is_not_there_is_told_so(tmp_path):
    with pytest.raises(Unreadable, match="No such file"):
        read_picture(tmp_path / "nowhere.png", MANY)


def test_too_many_pixels_are_refused_by_the_header(tmp_path):
    """Of a file that ends after its header: nobody could read more of it"""
    (tmp_path / "bomb.png").write_bytes(bomb(9000)[:100])
    for look in (size_of, read_picture):
        with pytest.raises(Unreadable, match="9000 x 9000 .* more than max_pixels=16000000: type max_pixels=81000000"):
            look(tmp_path / "bomb.png", Limits(16_000_000, prefix=""))


def test_damaged_exif_data_costs_no_picture(tmp_path):
    """Whatever byte of it is wrong."""
    exif = exif_with(1).tobytes()
    for place in range(6, len(exif)):
        broken = exif[:place] + bytes([exif[place] ^ 0xFF]) + exif[place + 1:]
        picture = read_picture(saved(tmp_path / "x.jpg", photo(8, 8), exif=broken), MANY)
        assert picture.size == (8, 8)
        write(tmp_path / "y.tiff", picture, "tiff")

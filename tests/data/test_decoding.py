"""Decoding of every mode that Pillow reads, compared with the meaning of its values, computed here with numpy."""

import numpy
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from saddlepoint.data.decoding import Limits, Unreadable, decode, header_of, upright_sides
from tests.data.formats import png_bytes

RANDOM = numpy.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (12, 15), dtype=numpy.uint8)
COLOUR = RANDOM.integers(0, 256, (12, 15, 3), dtype=numpy.uint8)
ALPHA = RANDOM.integers(0, 256, (12, 15), dtype=numpy.uint8)
LIMIT = Limits(50_000_000)


def luma(colour: numpy.ndarray) -> numpy.ndarray:
    return colour.astype(float) @ [0.299, 0.587, 0.114]


def decoded(tmp_path, image: Image.Image | bytes, channels: int, name: str = "image.png", white: float | None = None,
            **options) -> numpy.ndarray:
    path = tmp_path / name
    path.write_bytes(image) if isinstance(image, bytes) else image.save(path, **options)
    return numpy.asarray(decode(path, channels, Limits(50_000_000, white))).astype(float)


def assert_close(actual, expected, within=1.0):
    assert actual.shape == expected.shape
    assert abs(actual - expected).max() <= within


def assert_grey(tmp_path, image, expected, name="image.png", within=0.5, **options):
    assert_close(decoded(tmp_path, image, 1, name, **options), expected, within)
    assert_close(decoded(tmp_path, image, 3, name, **options), expected[..., None].repeat(3, axis=-1), within)


def assert_colour(tmp_path, image, expected, name="image.png", within=0.5, **options):
    assert_close(decoded(tmp_path, image, 3, name, **options), expected, within)
    assert_close(decoded(tmp_path, image, 1, name, **options), luma(expected), within + 0.5)


def test_grey_and_colour_stay_as_they_are(tmp_path):
    assert_grey(tmp_path, Image.fromarray(GREY), GREY)
    assert_colour(tmp_path, Image.fromarray(COLOUR), COLOUR)


def test_one_bit_is_black_and_white(tmp_path):
    assert_grey(tmp_path, Image.fromarray(GREY > 100), numpy.where(GREY > 100, 255, 0))


def test_what_is_transparent_lies_over_black(tmp_path):
    over_black = ALPHA / 255
    grey_alpha = Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(ALPHA)])
    assert_grey(tmp_path, grey_alpha, GREY * over_black, within=1)
    rgba = Image.fromarray(numpy.dstack([COLOUR, ALPHA]))
    for name in ("image.png", "image.tif"):
        assert_colour(tmp_path, rgba, COLOUR * over_black[..., None], name, within=1)


def test_a_palette_gives_its_colours(tmp_path):
    palette = RANDOM.integers(0, 256, (16, 3), dtype=numpy.uint8)
    indices = RANDOM.integers(0, 16, (12, 15), dtype=numpy.uint8)
    image = Image.frombytes("P", (15, 12), indices.tobytes())
    image.putpalette(palette.tobytes())
    assert_colour(tmp_path, image, palette[indices])
    assert_colour(tmp_path, image, palette[indices], "image.gif")
    see_through = numpy.where((indices == 3)[..., None], 0, palette[indices])
    assert_colour(tmp_path, image, see_through, transparency=3)
    alphas = RANDOM.integers(0, 256, 16, dtype=numpy.uint8)
    faded = palette[indices] * (alphas[indices] / 255)[..., None]
    assert_colour(tmp_path, image, faded, within=1, transparency=alphas.tobytes())


def test_a_colour_that_stands_for_transparent_becomes_black(tmp_path):
    colour, grey = COLOUR.copy(), GREY.copy()
    colour[2, 3], grey[2, 3] = (7, 8, 9), 77
    grey[GREY == 77] = 78
    expected_colour, expected_grey = colour.copy(), grey.copy()
    expected_colour[2, 3], expected_grey[grey == 77] = 0, 0
    assert_colour(tmp_path, Image.fromarray(colour), expected_colour, transparency=(7, 8, 9))
    assert_grey(tmp_path, Image.fromarray(grey), expected_grey, transparency=77)


EVERY_16_BIT_VALUE = numpy.arange(65536, dtype=numpy.uint16).reshape(256, 256)


@pytest.mark.parametrize("name", ["image.png", "image.tif", "image.pgm"])
def test_16_bits_are_divided_by_257_and_never_clipped(tmp_path, name):
    assert_grey(tmp_path, Image.fromarray(EVERY_16_BIT_VALUE), EVERY_16_BIT_VALUE / 257, name)


def test_big_endian_16_bits_too(tmp_path):
    image = Image.frombytes("I;16B", (256, 256), EVERY_16_BIT_VALUE.astype(">u2").tobytes())
    assert_grey(tmp_path, image, EVERY_16_BIT_VALUE / 257, "image.tif")


@pytest.mark.parametrize("name", ["image.png", "image.pgm"])
def test_a_dark_16_bit_image_stays_dark(tmp_path, name):
    dark = EVERY_16_BIT_VALUE[:1, :200]
    assert decoded(tmp_path, Image.fromarray(dark), 1, name).max() == 1


def test_16_bit_colour_and_alpha_are_scaled_too(tmp_path):
    colour = RANDOM.integers(0, 65536, (12, 45))
    assert_colour(tmp_path, png_bytes(colour, 2, 16, width=15), colour.reshape(12, 15, 3) / 257, within=1)
    grey_alpha = RANDOM.integers(0, 65536, (12, 30))
    grey, alpha = grey_alpha[:, 0::2], grey_alpha[:, 1::2]
    assert_grey(tmp_path, png_bytes(grey_alpha, 4, 16, width=15), grey * (alpha / 65535) / 257, within=2)


@pytest.mark.parametrize("kind", [numpy.int32, numpy.float32])
@pytest.mark.parametrize("white", [1, 255, 4095, 65535])
@pytest.mark.parametrize("brightest", [1, 0.1])
def test_numbers_have_one_white_for_all_files_so_that_a_dark_one_stays_dark(tmp_path, kind, white, brightest):
    values = numpy.linspace(0, white * brightest, 180).astype(kind).reshape(12, 15)
    assert_grey(tmp_path, Image.fromarray(values), values * (255 / white), "image.tif", within=0.51, white=white)


@pytest.mark.parametrize("kind", [numpy.int32, numpy.float32])
def test_numbers_of_which_none_is_known_to_be_white_are_refused(tmp_path, kind):
    with pytest.raises(Unreadable, match="numbers, which do not say what is white: type data.white=1"):
        decoded(tmp_path, Image.fromarray(numpy.array([[0, 1]], kind)), 1, "image.tif")


@pytest.mark.parametrize("values", [[-1, 7], [0, 256], [0, 2**31 - 1], [0, numpy.nan], [0, numpy.inf], [-0.1, 1]])
def test_values_that_would_have_to_be_clipped_are_refused(tmp_path, values):
    kind = numpy.int32 if all(isinstance(value, int) for value in values) else numpy.float32
    with pytest.raises(Unreadable, match="its values run from .*, outside 0 to white=255"):
        decoded(tmp_path, Image.fromarray(numpy.array([values], kind)), 1, "image.tif", white=255)


def test_cmyk_is_ink_on_white(tmp_path):
    inks = RANDOM.integers(0, 256, (12, 15, 4), dtype=numpy.uint8)
    image = Image.frombytes("CMYK", (15, 12), inks.tobytes())
    light = (255.0 - inks[..., :3]) * (255.0 - inks[..., 3:]) / 255
    assert_colour(tmp_path, image, light, "image.tif", within=1)
    flat = Image.new("CMYK", (16, 16), (0, 200, 100, 50))
    one_colour = numpy.full((16, 16, 3), numpy.array([255, 55, 155]) * 205 / 255)
    assert_colour(tmp_path, flat, one_colour, "image.jpg", within=3, quality=100)


@pytest.mark.parametrize(("mode", "name", "within"), [
    ("YCbCr", "image.jpg", 4), ("YCbCr", "image.tif", 2), ("LAB", "image.tif", 4)])
def test_other_colour_spaces_come_back_as_rgb(tmp_path, mode, name, within):
    flat = Image.new("RGB", (16, 16), (200, 90, 40))
    assert_colour(tmp_path, flat.convert(mode), numpy.full((16, 16, 3), (200, 90, 40)), name, within=within)


UPRIGHT = numpy.zeros((12, 15), numpy.uint8)
UPRIGHT[:4, :5] = 250  # a bright corner at the top left
UPRIGHT[:4, 5:] = 120
TURNS = {1: UPRIGHT, 2: UPRIGHT[:, ::-1], 3: UPRIGHT[::-1, ::-1], 4: UPRIGHT[::-1], 5: UPRIGHT.T,
         6: UPRIGHT.T[::-1], 7: UPRIGHT.T[::-1, ::-1], 8: UPRIGHT.T[:, ::-1]}  # as stored: EXIF 2.3, tag 274


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize(("ending", "mode"), [
    ("png", "L"), ("png", "P"), ("png", "RGBA"), ("png", "I;16"), ("tif", "L"), ("tif", "F"), ("jpg", "L"),
    ("jpg", "CMYK"), ("webp", "RGB")])
def test_images_are_turned_as_their_exif_data_says(tmp_path, orientation, ending, mode):
    stored = numpy.ascontiguousarray(TURNS[orientation])
    if mode == "I;16":
        image = Image.fromarray(stored.astype(numpy.uint16) * 257)
    else:
        image = Image.fromarray(stored).convert(mode)
    exif = Image.Exif()
    exif[274] = orientation
    best = {"jpg": {"quality": 100}, "webp": {"lossless": True}}.get(ending, {})
    assert_close(decoded(tmp_path, image, 1, f"image.{ending}", white=255, exif=exif, **best), UPRIGHT, within=8)


def test_of_an_animation_the_first_picture_is_taken(tmp_path):
    frames = [Image.fromarray(numpy.full((9, 9), value, numpy.uint8)) for value in (50, 200)]
    assert_grey(tmp_path, frames[0], numpy.full((9, 9), 50), "image.gif", save_all=True, append_images=frames[1:])


@pytest.mark.parametrize("ending", ["png", "bmp", "webp", "jpg", "tif"])
def test_the_sides_of_a_picture_that_nothing_turns_are_told_without_decoding_it(ending, tmp_path, monkeypatch):
    """Folders of many files are listed so. Texts that tell no orientation do not count."""
    path, limits = tmp_path / f"a.{ending}", LIMIT
    texts = PngInfo()
    texts.add_text("Software", "mine")
    Image.new("RGB", (6, 4)).save(path, **({"pnginfo": texts} if ending == "png" else {}))
    header = header_of(path, limits)
    monkeypatch.setattr(Image.Image, "load", lambda image: pytest.fail("it was decoded"))
    assert upright_sides(path, header, limits) == (6, 4)

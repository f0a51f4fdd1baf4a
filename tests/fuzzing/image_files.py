"""Image files of every kind, and what may happen to their bytes: material for tests that follow from a seed alone."""

import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy
import tifffile
from hypothesis import strategies
from PIL import PngImagePlugin

from saddlepoint.data.decoding import decode, header_of
from saddlepoint.image_files.errors import Unreadable
from saddlepoint.image_files.levels import to_eight_bits
from saddlepoint.image_files.opening import Limits
from saddlepoint.upscaling.picture import lay_on_white, read_picture
from saddlepoint.upscaling.writing import FORMATS, fit_to_format, write
from tests.data.formats import photo
from tests.upscaling.files import content, deep_png, exif_with, random_pixels

LIMITS = Limits(100_000, white=1000.0)
SPECIAL = (0, 1, 0x7F, 0x80, 0xFE, 0xFF)
Change = tuple[str, int, int, int]


def samples() -> dict[str, bytes]:
    """One small whole file of each kind, by its name."""
    colour = photo(24, 18)
    grey, alpha = colour.convert("L"), colour.convert("RGBA")
    alpha.putalpha(grey)
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Title", "a cat", zip=True)
    texts.add_itxt("XML:com.adobe.xmp", "<x tiff:Orientation='3'/>")
    exif = exif_with(6)
    files = {
        "rgb.png": content(colour, "PNG", pnginfo=texts, exif=exif, dpi=(72, 72)), "grey.png": content(grey, "PNG"),
        "rgba.png": content(alpha, "PNG"), "palette.png": content(colour.quantize(9), "PNG", transparency=2),
        "bits.png": content(grey.convert("1"), "PNG"), "rgb.bmp": content(colour, "BMP"),
        "rgb.jpg": content(colour, "JPEG", exif=exif, comment=b"by hand"),
        "grey.jpg": content(grey, "JPEG", progressive=True), "cmyk.jpg": content(colour.convert("CMYK"), "JPEG"),
        "lossy.webp": content(alpha, "WEBP", exif=exif), "lossless.webp": content(colour, "WEBP", lossless=True),
        "rgb.avif": content(alpha, "AVIF", exif=exif), "rgb.tga": content(alpha, "TGA"),
        "film.gif": content(colour.quantize(9), "GIF", save_all=True, append_images=[grey.quantize(5)]),
        "film.webp": content(colour, "WEBP", save_all=True, append_images=[colour.rotate(180)]),
        "rgb.ppm": content(colour, "PPM"), "grey.pgm": content(grey, "PPM"),
        "bits.pbm": content(grey.convert("1"), "PPM"), "rgb.qoi": content(colour, "QOI"),
        "rgb.jp2": content(colour, "JPEG2000"), "rgb.pcx": content(colour, "PCX"), "rgb.sgi": content(colour, "SGI"),
        "lzw.tif": content(colour, "TIFF", compression="tiff_lzw", exif=exif), "fax.tif": content(
            grey.convert("1"), "TIFF", compression="group4"), "jpeg.tif": content(colour, "TIFF", compression="jpeg"),
        "numbers.tif": content(grey.convert("F"), "TIFF"), "cmyk.tif": content(colour.convert("CMYK"), "TIFF"),
        "lab.tif": content(colour.convert("LAB"), "TIFF"),
    }
    deep = {channels: random_pixels(channels, numpy.uint16, 18, 24) for channels in (1, 2, 3, 4)}
    files |= {f"deep{channels}.png": deep_png(pixels) for channels, pixels in deep.items()}
    files |= {
        "deep.jp2": imagecodecs.jpeg2k_encode(deep[3], level=0, reversible=True),
        "deep.avif": imagecodecs.avif_encode(deep[3] >> 6, level=100, bitspersample=10),
        "deep.ppm": b"P6 24 18 65535\n" + deep[3].astype(">u2").tobytes(),
        "planes.tif": _tiff(numpy.moveaxis(deep[3], 2, 0), photometric="rgb", planarconfig="separate"),
        "12.tif": _tiff(deep[1][:, :, 0] >> 4, photometric="minisblack", bitspersample=12),
        "white.tif": _tiff(deep[1][:, :, 0], photometric="miniswhite", compression="lzw"),
        "alpha.tif": _tiff(deep[4], photometric="rgb", extrasamples=["assocalpha"], compression="zlib"),
        "more.tif": _tiff(deep[4], photometric="rgb", extrasamples=["unspecified"], bigtiff=True),
        "tiles.tif": _tiff(deep[3], photometric="rgb", tile=(16, 16), compression="zstd", predictor=True),
        "float.tif": _tiff(deep[3].astype(numpy.float32) / 66, photometric="rgb", byteorder=">"),
        "pages.tif": _tiff(numpy.stack([deep[1][:, :, 0]] * 3), photometric="minisblack"),
        "ink.tif": _tiff(deep[4], photometric="separated"),
    }
    return files


def _tiff(values: numpy.ndarray, **options: object) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, values, **options)
    return stream.getvalue()


def changes() -> strategies.SearchStrategy[list[Change]]:
    """What happens to a file, one after the other: what, at which millionth of it, how many bytes, which byte."""
    kinds = strategies.sampled_from(["cut", "set", "set", "flip", "flip", "remove", "repeat", "insert"])
    places = strategies.one_of(strategies.integers(0, 10**6), strategies.integers(0, 10**5))  # headers more often
    return strategies.lists(strategies.tuples(kinds, places, strategies.integers(1, 12), strategies.integers(0, 255)),
                            min_size=1, max_size=4)


def changed(stored: bytes, changes: list[Change]) -> bytes:
    for what, millionth, length, value in changes:
        at = len(stored) * millionth // 10**6
        before, those, after = stored[:at], stored[at:at + length], stored[at + length:]
        flipped, special = bytes(each ^ value for each in those), bytes([SPECIAL[value % len(SPECIAL)]])
        stored = {"cut": before, "remove": before + after, "repeat": before + those * 3 + after,
                  "set": before + special * len(those) + after, "flip": before + flipped + after,
                  "insert": before + bytes(length) + those + after}[what]
    return stored


SAMPLES = samples()
CHANGED = strategies.tuples(strategies.sampled_from(sorted(SAMPLES)), changes())


def changed_file_is_right_or_refused(example: tuple[str, list[Change]]) -> None:
    name, changes = example
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / name
        path.write_bytes(changed(SAMPLES[name], changes))
        right_or_refused(path, path.with_name("made"))


def right_or_refused(path: Path, target: Path) -> bool:
    """Whether the file is a picture: what training and upscaling make of it fits together, or both say in a sentence
    why it is none. Any other exception is a fault."""
    header = _refusable(lambda: header_of(path, LIMITS))
    seen = _refusable(lambda: decode(path, 3, LIMITS))
    picture = _refusable(lambda: read_picture(path, LIMITS))
    assert (seen is None) == (picture is None), "training and upscaling disagree"
    if seen is None:
        return False
    assert header is not None and {seen.size, picture.size} <= {header[:2], header[1::-1]}
    assert seen.mode == "RGB" and seen.size == picture.size
    assert_the_same(numpy.asarray(seen), picture)
    for kind in FORMATS:
        if max(picture.size) < 16_000:
            ready = fit_to_format(picture, kind)
            write(target.with_suffix(f".{kind}"), ready, kind)
            again = read_picture(target.with_suffix(f".{kind}"), LIMITS)
            assert again.size == picture.size
            assert kind not in ("png", "tiff") or numpy.array_equal(again.pixels(), picture.pixels())
    return True


def assert_the_same(seen: numpy.ndarray, picture) -> None:
    """seen: uint8 [h, w, 3], over black"""
    pixels = to_eight_bits(picture.pixels()).astype(float)
    over_black = pixels[:, :, :3 if pixels.shape[2] > 2 else 1]
    if pixels.shape[2] % 2 == 0:
        over_black = over_black * (pixels[:, :, -1:] / 255)
    assert abs(over_black - seen).max() <= 1.001
    lay_on_white(picture)


def _refusable(look: Callable[[], object]) -> object | None:
    try:
        return look()
    except Unreadable as error:
        assert str(error).strip(), "refused without a word"
        return None

"""What a file says beside its pixels comes through upscaling, or its loss is said; damage of it costs no picture."""

import os
import struct
import zlib

import numpy
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from saddlepoint.data.decoding import decode
from saddlepoint.image_files.endings import ENDINGS
from saddlepoint.image_files.errors import Unreadable
from saddlepoint.image_files.opening import Limits
from saddlepoint.image_files.png import SIGNATURE
from saddlepoint.upscaling.picture import Picture, read_picture, to_eight_bits
from saddlepoint.upscaling.side_by_side import side_by_side
from saddlepoint.upscaling.writing import fit_to_format, write
from tests.data.formats import photo
from tests.upscaling.files import content, deep_png, random_pixels

LIMITS = Limits(1_000_000)
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6"/></x:xmpmeta>'
UPRIGHT_XMP = XMP.replace(b'"6"', b'"1"')
GAMMA, PRIMARIES, HDR = (45455).to_bytes(4, "big"), bytes(range(32)), bytes([9, 16, 0, 1])


def grey_profile() -> bytes:
    """A profile of grey levels with a gamma of 1 (ICC.1:2022, 8.4.2): header, its tags' table, white and curve."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    curve = b"curv\0\0\0\0" + struct.pack(">I", 0)
    name = b"desc" + bytes(4) + struct.pack(">I", 5) + b"grey\0" + bytes(79)
    tags, table, place = ((b"wtpt", white), (b"kTRC", curve), (b"desc", name)), b"", 128 + 4 + 3 * 12
    for tag, data in tags:
        table += tag + struct.pack(">II", place, len(data))
        place += len(data)
    body = struct.pack(">I", len(tags)) + table + b"".join(data for _, data in tags)
    header = struct.pack(">I4sI4s4s4s", 128 + len(body), b"lcms", 0x02100000, b"mntr", b"GRAY", b"XYZ ")
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + body


def written(tmp_path, picture: Picture, kind: str, quality: int | None = None) -> tuple[Image.Image, Picture]:
    picture = fit_to_format(picture, kind)
    write(tmp_path / f"y.{kind}", picture, kind, quality)
    image = Image.open(tmp_path / f"y.{kind}")
    image.load()
    return image, picture


def png_with_everything(deep: bool) -> bytes:
    chunks = ((b"gAMA", GAMMA), (b"cHRM", PRIMARIES), (b"cICP", HDR), (b"tEXt", b"Title\0a cat"),
              (b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + XMP))
    if deep:
        return deep_png(random_pixels(3, numpy.uint16), *chunks)
    info = PngImagePlugin.PngInfo()
    for name, data in chunks:
        info.add(name, data)
    return content(photo(9, 7), "PNG", pnginfo=info)


@pytest.mark.parametrize("deep", [False, True])
def test_a_png_keeps_how_its_levels_are_meant_its_texts_and_xmp(tmp_path, deep):
    (tmp_path / "x.png").write_bytes(png_with_everything(deep))
    picture = read_picture(tmp_path / "x.png", LIMITS)
    assert not picture.notes
    image, written_picture = written(tmp_path, picture, "png")
    assert image.info["gamma"] == 0.45455 and image.info["Title"] == "a cat" and not written_picture.notes
    assert image.info["xmp"] == UPRIGHT_XMP
    stored = (tmp_path / "y.png").read_bytes()
    for name, data in ((b"gAMA", GAMMA), (b"cHRM", PRIMARIES), (b"cICP", HDR)):
        assert struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) in stored


@pytest.mark.parametrize("kind", ["jpg", "webp", "tiff"])
def test_other_formats_keep_xmp_and_say_what_they_have_no_place_for(tmp_path, kind):
    (tmp_path / "x.png").write_bytes(png_with_everything(deep=False))
    image, picture = written(tmp_path, read_picture(tmp_path / "x.png", LIMITS), kind)
    assert image.info["xmp"] == UPRIGHT_XMP
    named = {"jpg": "JPEG", "webp": "WEBP", "tiff": "TIFF"}[kind]
    assert picture.notes == (f"left out its gAMA, cHRM, cICP, tEXt, for which {named} has no place",)


def test_chunks_of_hdr_stay_in_a_png_of_16_bits_and_are_missed_in_one_of_8(tmp_path):
    brightness = (b"cLLI", struct.pack(">2I", 10_000_000, 2_000_000))
    (tmp_path / "x.png").write_bytes(deep_png(random_pixels(3, numpy.uint16), brightness))
    picture = read_picture(tmp_path / "x.png", LIMITS)
    for each, notes in ((picture, ()), (to_eight_bits(picture), (
            "left out its cLLI: only 16-bit PNG files are written with such chunks",))):
        assert written(tmp_path, each, "png")[1].notes == notes
        assert (b"".join(brightness) in (tmp_path / "y.png").read_bytes()) is not bool(notes)


@pytest.mark.parametrize("in_exif", [False, True])
def test_webp_has_a_resolution_in_exif_data_only_and_misses_others(tmp_path, in_exif):
    exif = Image.Exif()
    if in_exif:
        exif[282], exif[283], exif[296] = 300, 300, 2
    (tmp_path / "x.png").write_bytes(content(photo(9, 7), "PNG", dpi=(300, 300), exif=exif))
    image, picture = written(tmp_path, read_picture(tmp_path / "x.png", LIMITS), "webp")
    assert picture.notes == (() if in_exif else ("left out its resolution, for which WEBP has no place",))
    assert image.getexif().get(282) == (300 if in_exif else None)


def test_xmp_goes_from_every_format_to_every_format(tmp_path):
    for source in ("JPEG", "WEBP", "TIFF", "AVIF"):
        options = {"tiffinfo": {700: XMP}} if source == "TIFF" else {"xmp": XMP}
        (tmp_path / "x").write_bytes(content(photo(16, 16), source, **options))
        for kind in ("jpg", "png", "webp", "tiff"):
            xmp = written(tmp_path, read_picture(tmp_path / "x", LIMITS), kind)[0].info["xmp"]
            assert xmp.startswith(XMP[:38]) and b'Orientation="6"' not in xmp, (source, kind)  # or without it


def test_the_comment_of_a_jpeg_stays_in_a_jpeg_and_is_missed_elsewhere(tmp_path):
    (tmp_path / "x.jpg").write_bytes(content(photo(16, 16), "JPEG", comment=b"by hand"))
    picture = read_picture(tmp_path / "x.jpg", LIMITS)
    assert written(tmp_path, picture, "jpg")[0].info["comment"] == b"by hand"
    assert written(tmp_path, picture, "png")[1].notes == ("left out its comment, for which PNG has no place",)


@pytest.mark.parametrize("dtype", [numpy.uint8, numpy.uint16])  # Pillow reads the one, tifffile the other
def test_what_only_holds_for_a_tiffs_own_pixels_is_left_out_and_said(tmp_path, dtype):
    layers, scale, place, nodata = 37724, 33550, 33922, 42113
    tags = [(layers, "B", 4, b"8BIM"), (scale, "d", 3, (0.5, 0.5, 0.0)), (place, "d", 6, (0.0,) * 6),
            (nodata, "s", 0, "0"), (315, "s", 0, "Artist")]
    tifffile.imwrite(tmp_path / "x.tiff", random_pixels(3, dtype), photometric="rgb", metadata=None,
                     extratags=[(*tag, True) for tag in tags])
    picture = read_picture(tmp_path / "x.tiff", LIMITS)
    assert picture.notes == (
        "its Photoshop or IPTC block was left out",
        "its map coordinates (GeoTIFF, GDAL) were left out, as they are those of its own pixels")
    for kind in ("png", "tiff"):
        exif = written(tmp_path, picture, kind)[0].getexif()
        assert exif[315] == "Artist" and not {layers, scale, place, nodata} & {*exif}


def test_exif_data_in_a_text_of_a_png_turns_the_picture_once(tmp_path):
    exif = Image.Exif()
    exif[274], exif[271] = 6, "Maker"
    data = exif.tobytes()
    info = PngImagePlugin.PngInfo()
    info.add_text("Raw profile type exif", f"\nexif\n{len(data):8}\n{data.hex()}\n", zip=True)
    (tmp_path / "x.png").write_bytes(content(photo(9, 7), "PNG", pnginfo=info))
    picture = read_picture(tmp_path / "x.png", LIMITS)
    assert picture.size == (7, 9)
    image, _ = written(tmp_path, picture, "png")
    assert ImageOps.exif_transpose(image).size == (7, 9) and image.getexif()[271] == "Maker"
    assert "Raw profile type exif" not in image.info


def test_a_profile_of_grey_stays_in_grey_files_and_goes_into_none_with_colours(tmp_path):
    levels = numpy.arange(256, dtype=numpy.uint8).reshape(16, 16)
    profile = grey_profile()
    (tmp_path / "x.png").write_bytes(content(Image.fromarray(levels), "PNG", icc_profile=profile))
    picture = read_picture(tmp_path / "x.png", LIMITS)
    assert written(tmp_path, picture, "png")[0].info["icc_profile"] == profile
    linear = levels / 255  # gamma 1 -> sRGB, IEC 61966-2-1
    srgb = numpy.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055) * 255
    compared = side_by_side(picture, picture, "x")
    assert compared.metadata.icc_profile is None and compared.colours.shape[0] == 3
    image, as_webp = written(tmp_path, picture, "webp", quality=100)
    assert "icc_profile" not in image.info and as_webp.notes == ("its colour profile of grey became sRGB",)
    made = as_webp.pixels()[:, :, 1]
    assert abs(made - srgb).ravel()[16:].max() < 2.5  # the engine interpolates among the darkest levels


def test_a_profile_of_other_colours_than_the_files_is_left_out_and_said(tmp_path):
    for image, profile in ((photo(9, 7), grey_profile()), (photo(9, 7).convert("L"), ImageCms.ImageCmsProfile(
            ImageCms.createProfile("sRGB")).tobytes())):
        (tmp_path / "x.png").write_bytes(content(image, "PNG", icc_profile=profile))
        picture = read_picture(tmp_path / "x.png", LIMITS)
        assert picture.metadata.icc_profile is None
        assert picture.notes == ("its colour profile, which is one of other colours, was left out",)


def test_webp_that_lost_nothing_loses_nothing_unless_a_quality_is_typed(tmp_path):
    pixels = random_pixels(3, numpy.uint8, 40, 40)
    for lossless in (True, False):
        (tmp_path / "x.webp").write_bytes(content(Image.fromarray(pixels), "WEBP", lossless=lossless))
        picture = read_picture(tmp_path / "x.webp", LIMITS)
        same = [numpy.array_equal(numpy.asarray(written(tmp_path, picture, "webp", quality)[0]), picture.pixels())
                for quality in (None, 95)]
        assert same == [lossless, False]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_exif_data_that_is_cut_off_anywhere_costs_no_picture(tmp_path, kind):
    exif = Image.Exif()
    exif[274], exif[271] = 6, "Maker"
    exif.get_ifd(0x8769)[33434] = 0.5
    whole = exif.tobytes()
    for kept in range(6, len(whole), 3):
        (tmp_path / "x").write_bytes(content(photo(16, 8), kind, exif=whole[:kept]))
        assert decode(tmp_path / "x", 3, LIMITS).size in ((16, 8), (8, 16))
        assert read_picture(tmp_path / "x", LIMITS).size in ((16, 8), (8, 16))


def test_a_png_whose_text_has_a_wrong_checksum_is_read_and_the_text_missed(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "a cat")
    stored = content(photo(9, 7), "PNG", pnginfo=info)
    place = stored.index(b"tEXt")
    damaged = stored[:place + 6] + b"X" + stored[place + 7:]
    (tmp_path / "x.png").write_bytes(damaged)
    picture = read_picture(tmp_path / "x.png", LIMITS)
    assert numpy.array_equal(picture.pixels(), numpy.asarray(photo(9, 7)))
    assert picture.notes == ("left out its damaged tEXt",)
    assert numpy.array_equal(numpy.asarray(decode(tmp_path / "x.png", 3, LIMITS)), numpy.asarray(photo(9, 7)))


def test_a_png_whose_pixels_have_a_wrong_checksum_is_refused_as_before(tmp_path):
    stored = bytearray(content(photo(90, 70), "PNG"))
    stored[1000:1010] = bytes(10)
    (tmp_path / "x.png").write_bytes(stored)
    assert stored.startswith(SIGNATURE)
    with pytest.raises(Unreadable):
        read_picture(tmp_path / "x.png", LIMITS)


def test_a_pipe_is_no_file_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.png")
    with pytest.raises(Unreadable, match="it is a named pipe and not a file"):
        decode(tmp_path / "x.png", 3, LIMITS)
    with pytest.raises(Unreadable, match="it is a folder and not a file"):
        read_picture(tmp_path, LIMITS)


@pytest.mark.parametrize(("beginning", "advice"), [
    (b"\0\0\0\x18ftypheic", "pip install pillow-heif"), (b"\xff\x0a", "pip install pillow-jxl-plugin")])
def test_what_a_plugin_reads_names_it(tmp_path, beginning, advice):
    (tmp_path / "x.png").write_bytes(beginning + bytes(20))
    with pytest.raises(Unreadable, match=advice):
        read_picture(tmp_path / "x.png", LIMITS)


def test_the_default_endings_are_all_that_pillow_has_for_the_formats_that_are_read():
    Image.init()
    formats = {"PNG", "JPEG", "JPEG2000", "WEBP", "AVIF", "TIFF", "GIF", "BMP", "DIB", "PPM", "TGA", "QOI", "PCX",
               "PSD"}
    known = {ending[1:] for ending, kind in Image.registered_extensions().items() if kind in formats}
    assert known - {*ENDINGS} <= {"avifs", "icb", "vda", "vst"}  # a film, and names of TGA that nobody uses

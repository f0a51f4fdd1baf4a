"""What is written is what other libraries read, with everything the source said about itself."""

import numpy
import pytest
import tifffile
import torch
from PIL import Image, ImageCms

from saddlepoint.image_files.opening import Limits
from saddlepoint.upscaling import writing
from saddlepoint.upscaling.picture import Metadata, picture_of, read_picture
from saddlepoint.upscaling.writing import fit_to_format, write
from tests.data.formats import photo
from tests.upscaling.files import exif_with, random_pixels, seen_by_opencv

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def metadata() -> Metadata:
    exif = exif_with(1)
    del exif[274]
    return Metadata(exif, SRGB, (300, 300))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [numpy.uint8, numpy.uint16])
@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_lossless_files_hold_every_bit_as_opencv_reads_them(kind, dtype, channels, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "STRIP", 100)  # several strips, the last one shorter
    pixels, path = random_pixels(channels, dtype, 31, 9), tmp_path / f"x.{kind}"
    write(path, picture_of(pixels, metadata()), kind)
    if channels != 2 and (channels, dtype, kind) != (4, numpy.uint8, "tiff"):  # which OpenCV multiplies by alpha
        assert numpy.array_equal(seen_by_opencv(path), pixels)
    if kind == "tiff":
        assert numpy.array_equal(tifffile.imread(path).reshape(pixels.shape), pixels)
    if dtype == numpy.uint8:
        assert numpy.array_equal(numpy.asarray(Image.open(path)).reshape(pixels.shape), pixels)
    if kind == "png":
        Image.open(path).verify()  # checksums


@pytest.mark.parametrize(("kind", "dtype"), [("png", numpy.uint8), ("png", numpy.uint16), ("jpg", numpy.uint8),
                                             ("webp", numpy.uint8), ("tiff", numpy.uint8), ("tiff", numpy.uint16)])
def test_exif_profile_and_dpi_are_kept_and_the_cameras_size_follows(kind, dtype, tmp_path):
    write(tmp_path / "x", picture_of(random_pixels(3, dtype, 20, 30), metadata()), kind)
    image = Image.open(tmp_path / "x")
    exif = image.getexif()
    assert exif[271] == "Maker" and exif[306] == "2024:05:06 07:08:09" and 274 not in exif
    assert exif.get_ifd(0x8769)[33434] == 0.5 and exif.get_ifd(0x8825)[1] == "N"
    assert (exif.get_ifd(0x8769)[0xA002], exif.get_ifd(0x8769)[0xA003]) == (30, 20)
    assert image.info["icc_profile"] == SRGB
    if kind != "webp":  # which has no place for it
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)


def test_what_a_tiff_says_of_its_layout_goes_into_no_other_file(tmp_path):
    photo(8, 8).save(tmp_path / "x.tiff", compression="tiff_lzw", dpi=(72, 72), exif=exif_with(1))
    for kind in ("jpg", "png", "tiff"):
        write(tmp_path / f"y.{kind}", read_picture(tmp_path / "x.tiff", Limits(100)), kind)
        exif = Image.open(tmp_path / f"y.{kind}").getexif()
        assert exif[271] == "Maker"
        assert kind == "tiff" or not {256, 257, 258, 259, 273, 279} & set(exif)
    assert numpy.array_equal(seen_by_opencv(tmp_path / "y.tiff"), numpy.asarray(photo(8, 8)))


def test_the_directory_within_exif_data_is_whole_in_every_format(tmp_path):
    exif = exif_with(1)
    exif.get_ifd(0x8769)[0xA005] = {1: "R98"}  # Interoperability
    photo(8, 8).save(tmp_path / "x.jpg", exif=exif)
    for kind in writing.FORMATS:
        write(tmp_path / f"y.{kind}", read_picture(tmp_path / "x.jpg", Limits(100)), kind)
        written = Image.open(tmp_path / f"y.{kind}").getexif()
        assert written.get_ifd(0xA005) == {1: "R98"} and written.get_ifd(0x8769)[33434] == 0.5, kind


def test_a_picture_without_anything_to_say_is_written_too(tmp_path):
    for kind in writing.FORMATS:
        write(tmp_path / f"x.{kind}", picture_of(random_pixels(1)), kind)
        assert Image.open(tmp_path / f"x.{kind}").size == (5, 7)


def test_quality_is_that_of_the_file(tmp_path):
    picture = picture_of(numpy.asarray(photo(64, 64)))
    for kind in ("jpg", "webp"):
        sizes = []
        for quality in (5, None, 100):
            write(tmp_path / "x", picture, kind, quality)
            sizes.append((tmp_path / "x").stat().st_size)
        assert sizes == sorted(set(sizes))


@pytest.mark.parametrize("kind", ["jpg", "webp"])
def test_16_bits_in_a_format_of_8_are_rounded_and_said(kind):
    levels = numpy.arange(65536, dtype=numpy.uint16).reshape(256, 256, 1)
    picture = fit_to_format(picture_of(levels), kind)
    assert numpy.array_equal(picture.pixels(), numpy.rint(levels / 257).astype(numpy.uint8))
    assert picture.notes == (f"16 bits became 8, all that {writing.FORMATS[kind]} has",)


def test_transparency_in_a_jpeg_is_laid_on_white_and_said():
    pixels = numpy.array([[[0, 0, 0, 255], [0, 0, 0, 0], [0, 0, 0, 51]]], numpy.uint8)
    picture = fit_to_format(picture_of(pixels), "jpg")
    assert picture.alpha is None and picture.pixels()[0, :, 0].tolist() == [0, 255, 204]
    assert "no transparency" in picture.notes[0]
    for kind in ("png", "webp", "tiff"):
        assert torch.equal(fit_to_format(picture_of(pixels), kind).alpha, picture_of(pixels).alpha)


def test_webp_keeps_grey_with_alpha(tmp_path):
    write(tmp_path / "x.webp", picture_of(random_pixels(2)), "webp")
    assert numpy.array_equal(numpy.asarray(Image.open(tmp_path / "x.webp"))[:, :, 3], random_pixels(2)[:, :, 1])


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "x.jpg").write_bytes(b"precious")
    with pytest.raises(OSError, match="65500|too large|dimension|Broken|broken"):
        write(tmp_path / "x.jpg", picture_of(numpy.zeros((1, 70000, 1), numpy.uint8)), "jpg")
    assert [path.name for path in tmp_path.iterdir()] == ["x.jpg"]
    assert (tmp_path / "x.jpg").read_bytes() == b"precious"


def test_more_exif_data_than_a_jpeg_takes_is_said_in_a_sentence(tmp_path):
    exif = Image.Exif()
    exif[270] = "x" * 70_000
    picture = picture_of(random_pixels(3), Metadata(exif))
    with pytest.raises(OSError, match="cannot be written as JPEG: .*EXIF"):
        write(tmp_path / "x.jpg", picture, "jpg")
    assert not list(tmp_path.iterdir())
    write(tmp_path / "x.png", picture, "png")
    assert Image.open(tmp_path / "x.png").getexif()[270] == exif[270]


def test_more_exif_data_than_a_jpeg_takes_is_left_out_and_said(tmp_path):
    exif = Image.Exif()
    exif[270] = "x"
    exif.get_ifd(0x8769)  # which reading a file does too, and takes some bytes
    exif[270] = "x" * (65_533 - len(exif.tobytes()) - 2)  # as many as fit, with the zero at their end
    for more, notes in ((0, ()), (2, ("left out its EXIF data, of more bytes than a JPEG takes",))):
        exif[270] += "x" * more
        fitted = fit_to_format(picture_of(random_pixels(3), Metadata(exif)), "jpg")
        write(tmp_path / "x.jpg", fitted, "jpg")
        assert fitted.notes == notes and len(Image.open(tmp_path / "x.jpg").getexif()) == (0 if notes else 2)
    assert not fit_to_format(picture_of(random_pixels(3), Metadata(exif)), "png").notes

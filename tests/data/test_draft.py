"""JPEG files that training decodes at a fraction of their size (data.draft)."""

import numpy
import pytest
import torch
from PIL import Image

from saddlepoint.data import decoding
from saddlepoint.data.decoding import Limits, Unreadable, decode, drafted
from saddlepoint.data.resizing import ResizeAndCrop
from tests.data.folder_data import as_bytes, folder, stream

LIMITS = Limits(50_000_000)
TURNED = 0x0112  # EXIF's number of the orientation


def soft_picture(width: int, height: int) -> Image.Image:
    """Returns waves of colours, of lengths down to 12 pixels, as photographs have them."""
    y, x = numpy.mgrid[:height, :width].astype(float)
    waves = [numpy.sin(x / a + phase) * numpy.cos(y / b) for a, b, phase in ((40, 25, 0), (13, 31, 1), (90, 12, 2))]
    noise = numpy.random.default_rng(0).normal(0, 0.02, (height, width, 3))
    return Image.fromarray(((numpy.stack(waves, axis=-1) * 0.45 + 0.5 + noise).clip(0, 1) * 255).astype(numpy.uint8))


def write(path, picture: Image.Image, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, quality=92, **options)


@pytest.mark.parametrize(("size", "fraction"), [((128, 128), 1), ((256, 256), 2), ((511, 300), 2), ((512, 512), 4),
                                                ((1024, 700), 4), ((1536, 1024), 8)])
def test_a_file_is_decoded_at_the_smallest_fraction_that_is_twice_the_new_size(tmp_path, size, fraction):
    write(tmp_path / "a.jpg", soft_picture(*size))
    framing = ResizeAndCrop(64, "short_side", "center", draft=True)
    draft = drafted(tmp_path / "a.jpg", 3, LIMITS, framing.least)
    assert draft.size == size and draft.extent == tuple(side / fraction for side in size)
    assert draft.image.size == tuple(-(-side // fraction) for side in size)
    assert framing.scaled_draft(draft).size == framing.scaled(decode(tmp_path / "a.jpg", 3, LIMITS)).size


@pytest.mark.parametrize("size", [(512, 512), (1021, 517), (777, 1531)])
@pytest.mark.parametrize("choices", [{}, {"channels": 1}, {"resize": "stretch"}, {"crop": "random"}])
def test_pixels_are_those_of_the_whole_file_but_for_a_few_levels(tmp_path, size, choices):
    """Also where the sides are no multiple of the fraction, whose last column is then a part of one."""
    write(tmp_path / "a.jpg", soft_picture(*size))
    whole, draft = (as_bytes(stream(folder(tmp_path, image_size=64, draft=choice, **choices), 1)).int()
                    for choice in (False, True))
    difference = (whole - draft).abs().float()
    assert 0 < difference.mean() < 1 and difference.max() <= 12


def test_what_is_no_jpeg_or_is_turned_or_has_grey_levels_alone_is_decoded_right(tmp_path):
    picture, exif = soft_picture(512, 300), Image.Exif()
    exif[TURNED] = 6
    write(tmp_path / "turned.jpg", picture, exif=exif.tobytes())
    write(tmp_path / "picture.png", picture)
    write(tmp_path / "cmyk.jpg", picture.convert("CMYK"))
    framing = ResizeAndCrop(64, "short_side", "center", draft=True)
    for name in ("turned.jpg", "picture.png", "cmyk.jpg"):
        whole = decode(tmp_path / name, 3, LIMITS)
        draft = drafted(tmp_path / name, 3, LIMITS, framing.least)
        assert draft.size == draft.extent == whole.size
        assert numpy.array_equal(numpy.asarray(draft.image), numpy.asarray(whole))
    write(tmp_path / "grey.jpg", picture.convert("L"))
    assert drafted(tmp_path / "grey.jpg", 3, LIMITS, framing.least).image.mode == "RGB"


def test_a_file_that_breaks_off_is_unreadable(tmp_path):
    write(tmp_path / "a.jpg", soft_picture(512, 512))
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:9000])
    with pytest.raises(Unreadable):
        drafted(tmp_path / "a.jpg", 3, LIMITS, lambda width, height: (128, 128))


def test_metrics_decode_whole_files_and_a_cache_keeps_both_apart(tmp_path):
    write(tmp_path / "photos" / "a.jpg", soft_picture(512, 512))
    exact = folder(tmp_path / "photos", image_size=64)
    for _ in range(2):
        draft = folder(tmp_path / "photos", image_size=64, draft=True, cache=str(tmp_path / "cache"))
        expected = exact.evaluation_images().block(range(1)).images
        assert torch.equal(draft.evaluation_images().block(range(1)).images, expected)
        assert torch.equal(as_bytes(stream(exact, 1))[:1], expected)
        assert not torch.equal(as_bytes(stream(draft, 1))[:1], expected)
    assert exact.evaluation_images().identity() == draft.evaluation_images().identity()


def test_without_a_resize_there_is_nothing_to_leave_out(tmp_path):
    with pytest.raises(ValueError, match="data.resize=none resizes none: type data.draft=false"):
        folder(tmp_path, resize="none", draft=True)


def test_the_default_decodes_whole_files(tmp_path, monkeypatch):
    write(tmp_path / "a.jpg", soft_picture(512, 512))
    monkeypatch.setattr(decoding, "drafted", None)
    monkeypatch.setattr("saddlepoint.data.loading.drafted", None)
    assert len(stream(folder(tmp_path, image_size=64), 1)) == 4

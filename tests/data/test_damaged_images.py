"""Files that cannot be decoded, or must not be, are refused."""

import io
import os
import tracemalloc
import warnings

import numpy
import pytest
from PIL import Image, ImageFile

from saddlepoint.data.decoding import MOST_PIXELS, Limits, Unreadable, decode, header_of
from tests.data.formats import bomb, photo

LIMIT = Limits(50_000_000)


@pytest.mark.parametrize("read", [header_of, lambda path, limit: decode(path, 1, limit)])
@pytest.mark.parametrize(("side", "reason"), [(9000, "its 9000 x 9000 pixels are more than data.max_pixels=50000000"),
                                              (14000, "more than 178956970 pixels")])
def test_bombs_are_refused_before_they_are_decoded(tmp_path, monkeypatch, read, side, reason):
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb(side))
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(ImageFile.ImageFile, "load", None)
    tracemalloc.start()
    with warnings.catch_warnings(action="error"), pytest.raises(Unreadable, match=reason):
        read(path, LIMIT)
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


def test_an_image_at_the_limit_is_read(tmp_path):
    path = tmp_path / "image.png"
    photo(15, 12).save(path)
    assert header_of(path, Limits(15 * 12))[:2] == (15, 12)
    assert decode(path, 3, Limits(15 * 12)).size == (15, 12)
    with pytest.raises(Unreadable, match="15 x 12 pixels are more than data.max_pixels=179"):
        header_of(path, Limits(15 * 12 - 1))
    assert MOST_PIXELS == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize(("content", "reason"), [
    (b"", "it is empty"), (b"a text", "its content is not that of an image"),
    (b"\x89PNG\r\n\x1a\n", "."), (b"\xff\xd8\xff\xe0", ".")])
def test_a_file_that_is_no_image_is_refused_with_the_reason(tmp_path, content, reason):
    path = tmp_path / "image.png"
    path.write_bytes(content)
    for read in (lambda: header_of(path, LIMIT), lambda: decode(path, 1, LIMIT)):
        with pytest.raises(Unreadable, match=reason):
            read()


def test_a_missing_file_is_unreadable(tmp_path):
    with pytest.raises(Unreadable, match="No such file"):
        header_of(tmp_path / "gone.png", LIMIT)


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "bmp", "tiff", "ppm", "webp"])
def test_a_file_that_breaks_off_or_is_spoiled_gives_an_image_or_says_why(tmp_path, kind):
    stream = io.BytesIO()
    photo(40, 30).save(stream, kind)
    whole, random, path = stream.getvalue(), numpy.random.default_rng(0), tmp_path / f"image.{kind}"
    refused = 0
    for trial in range(120):
        content = bytearray(whole[:random.integers(len(whole))] if trial % 2 else whole)
        for place in random.integers(0, max(len(content), 1), 4 if trial % 2 == 0 else 0):
            content[place] = random.integers(256)
        path.write_bytes(content)
        try:
            assert decode(path, 3, LIMIT).mode == "RGB"
        except Unreadable as error:
            refused += 1
            assert str(error)
    assert refused > 30  # of the 60 that break off, all but the last bytes' worth


@pytest.mark.timeout(60)
def test_pipes_devices_and_folders_are_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "folder.png").mkdir()
    for name, kind in (("pipe.png", "a named pipe"), ("zero.png", "a device"), ("folder.png", "a folder")):
        for read in (lambda path: decode(path, 3, LIMIT), lambda path: header_of(path, LIMIT)):
            with pytest.raises(Unreadable, match=f"it is {kind} and not a file"):
                read(tmp_path / name)

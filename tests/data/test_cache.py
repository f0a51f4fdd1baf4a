import os

import numpy
import pytest
import torch

from saddlepoint.data.cache import DecodedCache
from saddlepoint.errors import RequestError
from tests.data.folder_data import RANDOM, folder, stream
from tests.data.formats import write_photo_folder

PIXELS = numpy.arange(48, dtype=numpy.uint8).reshape(4, 4, 3)


class Decoder:
    def __init__(self):
        self.calls = 0

    def __call__(self) -> numpy.ndarray:
        self.calls += 1
        return PIXELS


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "a photo.png"
    path.write_bytes(b"stands for an image")
    return path


@pytest.fixture
def decoder():
    return Decoder()


def stored(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_each_image_is_decoded_once(tmp_path, source, decoder):
    for _ in range(3):
        cache = DecodedCache(tmp_path / "cache", "settings")
        assert numpy.array_equal(cache.get(source, decoder), PIXELS)
    assert decoder.calls == 1
    assert len(stored(tmp_path / "cache")) == 1


def test_a_change_of_anything_that_the_image_depends_on_decodes_it_again(tmp_path, source, decoder):
    cache = DecodedCache(tmp_path / "cache", "settings")
    cache.get(source, decoder)
    DecodedCache(tmp_path / "cache", "other settings").get(source, decoder)
    assert decoder.calls == 2
    os.utime(source, ns=(1, 1))
    cache.get(source, decoder)
    assert decoder.calls == 3
    source.write_bytes(b"another length")
    os.utime(source, ns=(1, 1))
    cache.get(source, decoder)
    assert decoder.calls == 4
    twin = source.with_name("twin.png")
    twin.write_bytes(source.read_bytes())
    os.utime(twin, ns=(1, 1))
    cache.get(twin, decoder)
    assert decoder.calls == 5


@pytest.mark.parametrize("spoil", [lambda whole: b"", lambda whole: whole[:-1], lambda whole: b"x" + whole[1:]])
def test_a_damaged_entry_is_decoded_again(tmp_path, source, decoder, spoil):
    cache = DecodedCache(tmp_path / "cache", "settings")
    cache.get(source, decoder)
    (entry,) = stored(tmp_path / "cache")
    entry.write_bytes(spoil(entry.read_bytes()))
    for _ in range(2):
        assert numpy.array_equal(cache.get(source, decoder), PIXELS)
    assert decoder.calls == 2


def test_an_image_that_cannot_be_stored_is_returned(tmp_path, source, decoder, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    cache = DecodedCache(tmp_path / "cache", "settings")
    monkeypatch.setattr(numpy, "save", full)
    assert numpy.array_equal(cache.get(source, decoder), PIXELS)
    assert stored(tmp_path / "cache") == []


def test_a_folder_that_cannot_be_written_is_refused_at_once(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RequestError, match="data.cache=.*file/cache cannot be written .*or data.cache=null"):
        DecodedCache(tmp_path / "file" / "cache", "settings")


@pytest.mark.parametrize("choices", [
    {}, RANDOM, {"crop": "random", "resize": "none"}, {"channels": 1, "resize": "stretch"}])
def test_the_cache_changes_nothing_but_the_time(tmp_path, choices):
    write_photo_folder(tmp_path / "photos", count=5, width=30, height=20)
    expected = stream(folder(tmp_path / "photos", **choices), 6)
    for num_workers in (2, 0):
        data = folder(tmp_path / "photos", cache=str(tmp_path / "cache"), num_workers=num_workers, **choices)
        torch.testing.assert_close(stream(data, 6), expected, atol=0, rtol=0)
    assert len(list((tmp_path / "cache").rglob("*.npy"))) == 5


def test_decoded_images_come_from_the_cache(tmp_path, monkeypatch):
    write_photo_folder(tmp_path / "photos", count=5)
    first = stream(folder(tmp_path / "photos", cache=str(tmp_path / "cache")), 2)
    monkeypatch.setattr("saddlepoint.data.loading.decode", None)
    torch.testing.assert_close(stream(folder(tmp_path / "photos", cache=str(tmp_path / "cache")), 2), first)


def test_caches_of_different_choices_do_not_mix(tmp_path):
    write_photo_folder(tmp_path / "photos", count=2, width=30, height=20)
    for choices in ({}, {"image_size": 8}, {"channels": 1}, {"resize": "stretch"}, {"crop": "random"}):
        expected = stream(folder(tmp_path / "photos", **choices), 2)
        cached = folder(tmp_path / "photos", cache=str(tmp_path / "cache"), **choices)
        torch.testing.assert_close(stream(cached, 2), expected, atol=0, rtol=0)

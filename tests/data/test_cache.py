import multiprocessing
import os
import shutil
from functools import partial

import numpy
import pytest
import torch

from saddlepoint.data.cache import cache_of
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


@pytest.fixture(params=[None, PIXELS.shape], ids=["a file for each image", "one file"])
def cached(request):
    """Returns what opens a cache, of each kind."""
    return partial(cache_of, shape=request.param)


def stored(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_each_image_is_decoded_once(tmp_path, source, decoder, cached):
    for _ in range(3):
        cache = cached(tmp_path / "cache", "settings")
        assert numpy.array_equal(cache.get(source, decoder), PIXELS)
    assert decoder.calls == 1
    kinds = {path.suffix for path in stored(tmp_path / "cache")}
    assert kinds in ({".npy"}, {".pixels", ".index"})


def test_a_change_of_anything_that_the_image_depends_on_decodes_it_again(tmp_path, source, decoder, cached):
    cache = cached(tmp_path / "cache", "settings")
    cache.get(source, decoder)
    cached(tmp_path / "cache", "other settings").get(source, decoder)
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


@pytest.mark.parametrize("ending", [".npy", ".pixels", ".index"])
@pytest.mark.parametrize("spoil", [lambda whole: b"", lambda whole: whole[:-1], lambda whole: b"x" + whole[1:]],
                         ids=["empty", "cut short", "changed"])
def test_a_damaged_entry_is_decoded_again(tmp_path, source, decoder, spoil, ending):
    """A process that has read the cache before, and one that has not, both get the right pixels."""
    cached = partial(cache_of, tmp_path / "cache", "settings", None if ending == ".npy" else PIXELS.shape)
    earlier = cached()
    earlier.get(source, decoder)
    (entry,) = (tmp_path / "cache").rglob(f"*{ending}")
    entry.write_bytes(spoil(entry.read_bytes()))
    for cache in (cached(), cached(), earlier, earlier):
        assert numpy.array_equal(cache.get(source, decoder), PIXELS)
    assert decoder.calls == 2


def test_an_image_that_cannot_be_stored_is_returned(tmp_path, source, decoder, monkeypatch, cached):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    cache = cached(tmp_path / "cache", "settings")
    monkeypatch.setattr(numpy, "save", full)
    monkeypatch.setattr(os, "pwrite", full)
    for _ in range(2):
        assert numpy.array_equal(cache.get(source, decoder), PIXELS)
    assert decoder.calls == 2 and sum(path.stat().st_size for path in stored(tmp_path / "cache")) == 0


def test_what_a_full_disk_leaves_of_an_image_is_overwritten(tmp_path, source, decoder, monkeypatch):
    """The disk takes half of the pixels; then there is room again."""
    cache, whole = cache_of(tmp_path / "cache", "settings", PIXELS.shape), os.pwrite
    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", lambda file, content, place: whole(file, content[:len(content) // 2], place))
        assert numpy.array_equal(cache.get(source, decoder), PIXELS)
    for _ in range(2):
        assert numpy.array_equal(cache.get(source, decoder), PIXELS)
    assert decoder.calls == 2
    (pixels,) = (tmp_path / "cache").glob("*.pixels")
    assert pixels.read_bytes() == PIXELS.tobytes()


def store_numbers(folder, first: int) -> None:
    """Stores an image of the value n for each n from `first` to 99 and then from 0, in a process of its own."""
    cache = cache_of(folder / "cache", "settings", (4, 4, 3))
    for number in [*range(first, 100), *range(first)]:
        pixels = cache.get(folder / f"{number}.png", lambda: numpy.full((4, 4, 3), number, numpy.uint8))  # noqa: B023
        assert (pixels == number).all()


def test_several_processes_store_into_one_file(tmp_path):
    for number in range(100):
        (tmp_path / f"{number}.png").touch()
    processes = [multiprocessing.get_context("fork").Process(target=store_numbers, args=(tmp_path, first))
                 for first in (0, 30, 60)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    (pixels,) = (tmp_path / "cache").glob("*.pixels")
    assert pixels.stat().st_size == 100 * 4 * 4 * 3  # an image that two have decoded is stored once
    cache = cache_of(tmp_path / "cache", "settings", (4, 4, 3))
    for number in range(100):
        assert (cache.get(tmp_path / f"{number}.png", pytest.fail) == number).all()


def test_a_deleted_folder_costs_time_alone(tmp_path, source, decoder, cached):
    cache = cached(tmp_path / "cache", "settings")
    cache.get(source, decoder)
    shutil.rmtree(tmp_path / "cache")
    assert numpy.array_equal(cache.get(source, decoder), PIXELS)
    other = cached(tmp_path / "cache", "settings")  # makes it anew
    assert numpy.array_equal(other.get(source, decoder), PIXELS)


def test_a_folder_that_cannot_be_written_is_refused_at_once(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RequestError, match="data.cache=.*file/cache cannot be written .*or data.cache=null"):
        cache_of(tmp_path / "file" / "cache", "settings", None)


@pytest.mark.parametrize("choices", [
    {}, RANDOM, {"crop": "random", "resize": "none"}, {"channels": 1, "resize": "stretch"}])
def test_the_cache_changes_nothing_but_the_time(tmp_path, choices):
    write_photo_folder(tmp_path / "photos", count=5, width=30, height=20)
    expected = stream(folder(tmp_path / "photos", **choices), 6)
    for num_workers in (2, 0):
        data = folder(tmp_path / "photos", cache=str(tmp_path / "cache"), num_workers=num_workers, **choices)
        torch.testing.assert_close(stream(data, 6), expected, atol=0, rtol=0)
    files = [*(tmp_path / "cache").rglob("*.npy")]
    pixels = [*(tmp_path / "cache").glob("*.pixels")]
    assert len(files) == 5 or [path.stat().st_size for path in pixels] == [expected[:5].numel()]


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

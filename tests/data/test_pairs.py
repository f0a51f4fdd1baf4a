"""Pairs of crops: their places, their orientations, and that the low one is a piece of the whole low image."""

import math
from collections import Counter

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from saddlepoint.data.bicubic import reduced_uint8
from saddlepoint.data.decoding import Unreadable
from saddlepoint.data.pair_crops import cut_to_multiple, reduced, reduced_crop
from saddlepoint.data.pairs import EMBEDDED, EMBEDDED_VALIDATION
from saddlepoint.errors import RequestError
from tests.data.pair_data import pair_folder, paired_batches, pixels_of, place_of, stream, write_noise


@settings(max_examples=60, deadline=None)
@given(data=st.data(), scale=st.sampled_from([2, 3, 4, 8]), height=st.integers(3, 24), width=st.integers(3, 24))
def test_a_low_crop_is_that_piece_of_the_whole_low_image_at_borders_too(data, scale, height, width):
    high = numpy.random.default_rng(height * width).integers(0, 256, (scale * height, scale * width, 3), numpy.uint8)
    size = data.draw(st.integers(1, min(height, width)))
    top, left = data.draw(st.integers(0, height - size)), data.draw(st.integers(0, width - size))
    whole = reduced(high, scale)
    numpy.testing.assert_array_equal(reduced_crop(high, top, left, size, scale),
                                     whole[top:top + size, left:left + size])


def test_the_pairs_of_the_stream_are_pieces_of_the_images_and_of_their_reductions(tmp_path):
    highs = [pixels_of(path) for path in write_noise(tmp_path)]
    lows = [reduced_uint8(image, 4) for image in highs]
    for high, low in zip(*stream(pair_folder(tmp_path), 8), strict=True):
        [(number, (top, left))] = [(number, place) for number, image in enumerate(highs)
                                   if (place := place_of(high, image))]
        assert top % 4 == left % 4 == 0
        assert place_of(low, lows[number]) == (top // 4, left // 4)


def test_an_image_that_is_no_multiple_of_the_scale_loses_its_last_rows_and_columns(tmp_path):
    [path] = write_noise(tmp_path, ("a",), width=23, height=18)
    high = pixels_of(path)[:, :16, :20]
    places = {place_of(crop, high) for crop in stream(pair_folder(tmp_path), 16)[0]}
    assert places == {(0, 0), (0, 4)}
    assert cut_to_multiple(numpy.zeros((18, 23, 3)), 4).shape == (16, 20, 3)
    whole = pair_folder(tmp_path, validation_root=str(tmp_path)).whole_pair(
        pair_folder(tmp_path, validation_root=str(tmp_path)).validation_files()[0])
    assert torch.equal(whole.high, high) and torch.equal(whole.low, reduced_uint8(high, 4))


def orientations(image: torch.Tensor) -> dict[tuple[int, bool], torch.Tensor]:
    """Returns the eight orientations of a square image: (quarters, mirrored) -> image."""
    return {(quarters, mirrored): torch.rot90(image.flip(-1) if mirrored else image, quarters, (-2, -1))
            for quarters in range(4) for mirrored in (False, True)}


def turns_in(data, image: torch.Tensor, count: int) -> Counter:
    """Counts how often the stream has each orientation of the only image; low and high must have the same one."""
    high_ways, low_ways = orientations(image), orientations(reduced_uint8(image, 4))
    turns = Counter()
    for high, low in zip(*stream(data, count), strict=True):
        [way] = [way for way, turned in high_ways.items() if torch.equal(turned, high)]
        assert (low.int() - low_ways[way].int()).abs().max() <= 1  # sums of turned pixels may round the other way
        turns[way] += 1
    return turns


def test_all_eight_orientations_are_as_likely_and_low_and_high_are_turned_alike(tmp_path):
    [path] = write_noise(tmp_path, ("a",), 16, 16)
    turns = turns_in(pair_folder(tmp_path, horizontal_flip=True, rotate=True, batch_size=50), pixels_of(path), 32)
    assert len(turns) == 8
    assert max(abs(count - 200) for count in turns.values()) < 4 * math.sqrt(1600 * 1 / 8 * 7 / 8)


@pytest.mark.parametrize(("settings", "expected"), [
    ({"horizontal_flip": True}, {(0, False), (0, True)}),
    ({"rotate": True}, {(0, False), (1, False), (2, False), (3, False)}),
    ({}, {(0, False)})])
def test_mirroring_and_turning_are_asked_for_apart(settings, expected, tmp_path):
    [path] = write_noise(tmp_path, ("a",), 16, 16)
    assert set(turns_in(pair_folder(tmp_path, batch_size=40, **settings), pixels_of(path), 1)) == expected


@pytest.mark.parametrize("changes", [{"num_workers": 2}, {"batch_size": 8}, {"memory_megabytes": 0}])
def test_the_position_alone_decides_the_crop_from_any_start(changes, tmp_path):
    write_noise(tmp_path)
    turning = {"horizontal_flip": True, "rotate": True}
    highs, lows = stream(pair_folder(tmp_path, **turning), 8)
    other = pair_folder(tmp_path, **turning, **changes)
    for each, expected in zip(stream(other, 16 // other.batch_size, start=16), (highs, lows), strict=True):
        assert torch.equal(each, expected[16:])


def test_another_seed_shows_other_crops(tmp_path):
    write_noise(tmp_path)
    assert not torch.equal(stream(pair_folder(tmp_path), 2)[0], stream(pair_folder(tmp_path, seed=6), 2)[0])


def test_the_shapes_and_ranges_of_a_batch(tmp_path):
    write_noise(tmp_path)
    batch = paired_batches(pair_folder(tmp_path), 1)[0]
    assert (batch.real.shape, batch.low.shape, batch.target.shape) == ((4, 3, 16, 16), (4, 3, 4, 4), (4, 3, 16, 16))
    torch.testing.assert_close(batch.real, 2 * batch.target - 1, atol=1e-6, rtol=0)
    assert batch.low.min() >= 0 and batch.low.max() <= 1 and batch.labels.tolist() == [0] * 4


def test_decoded_images_are_kept_up_to_memory_megabytes(tmp_path):
    write_noise(tmp_path)
    for megabytes, num_images in ((100, 3), (0, 1)):
        data = pair_folder(tmp_path, memory_megabytes=megabytes)
        stream(data, 3)
        assert len(data._dataset.recent.images) == num_images


def test_workers_share_memory_megabytes(tmp_path):
    write_noise(tmp_path)
    for num_workers, megabytes in ((0, 100), (1, 100), (4, 25)):
        dataset = pair_folder(tmp_path, memory_megabytes=100, num_workers=num_workers)._dataset
        assert dataset.recent.memory == megabytes * 10**6


def test_files_that_cannot_be_read_or_are_too_small_are_named_and_others_take_their_place(tmp_path, caplog):
    paths = write_noise(tmp_path)
    write_noise(tmp_path, ("small",), 40, 15)
    (tmp_path / "text.png").write_text("no picture")
    paths[1].write_bytes(paths[1].read_bytes()[:600])  # breaks off after its header
    data = pair_folder(tmp_path)
    good = [pixels_of(paths[0]), pixels_of(paths[2])]
    assert all(any(place_of(crop, image) for image in good) for crop in stream(data, 4)[0])
    assert set(data.skipped) == {"small.png", "text.png", "b.png"} and data.num_images == 2
    assert "40 x 15 pixels are less than data.image_size=16" in caplog.text


# Settings, and images to judge by.


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"scale": 5}, "data.scale=5 must be 2, 3, 4 or 8"),
    ({"image_size": 18}, "data.image_size=18 must be a multiple of data.scale=4: type data.image_size=16"),
    ({"channels": 2}, "data.channels=2 must be 1"),
])
def test_impossible_settings_are_refused(changes, sentence, tmp_path):
    with pytest.raises(ValueError, match=sentence):
        pair_folder(tmp_path, **changes)


def test_metrics_of_samples_are_refused(tmp_path):
    write_noise(tmp_path)
    with pytest.raises(RequestError, match="callbacks=super_resolution"):
        pair_folder(tmp_path).evaluation_images()


def test_validation_images_are_those_that_train_fraction_leaves_or_another_folder(tmp_path):
    write_noise(tmp_path / "train", tuple("abcdefgh"))
    write_noise(tmp_path / "other", ("x", "y"))
    data = pair_folder(tmp_path / "train", train_fraction=0.75)
    trained, judged = ({file.name for file in files} for files in (data._parts["train"], data.validation_files()))
    assert (len(trained), len(judged), trained & judged) == (6, 2, set())
    other = pair_folder(tmp_path / "train", validation_root=str(tmp_path / "other"))
    assert [file.name for file in other.validation_files()] == ["x.png", "y.png"]
    assert pair_folder(tmp_path / "train").validation_files() == []
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError, match="data.validation_root=.*empty has no images"):
        pair_folder(tmp_path / "train", validation_root=str(tmp_path / "empty")).validation_files()


def test_a_validation_image_smaller_than_the_scale_is_unreadable(tmp_path):
    write_noise(tmp_path / "train")
    write_noise(tmp_path / "tiny", ("t",), 3, 30)
    data = pair_folder(tmp_path / "train", validation_root=str(tmp_path / "tiny"))
    with pytest.raises(Unreadable, match="3 pixels at its shorter side"):
        data.whole_pair(data.validation_files()[0])


def test_without_a_folder_there_are_photographs_to_train_on_and_others_for_validation():
    data = pair_folder(None, channels=1, image_size=64)
    assert data.num_images == len(EMBEDDED) and data.skipped == []
    high, low = stream(data, 1)
    assert high.shape == (4, 1, 64, 64) and low.shape == (4, 1, 16, 16) and high.float().std() > 10
    files = data.validation_files()
    assert tuple(file.name for file in files) == EMBEDDED_VALIDATION and not set(EMBEDDED) & set(EMBEDDED_VALIDATION)
    for file in files:
        with Image.open(file.path) as image:
            assert data.whole_pair(file).high.shape == (1, image.height // 4 * 4, image.width // 4 * 4)

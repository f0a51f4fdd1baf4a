"""Degraded pairs: they depend on seed and position, are cropped alike, shuffled by the pool and sharpened."""

import pytest
import torch
from torch import nn

from saddlepoint.data.bicubic import reduced_uint8
from saddlepoint.data.degradation import SecondOrderDegradation
from saddlepoint.data.degraded_pairs import DegradedPairs
from saddlepoint.data.sharpening import UnsharpMasking
from tests.data.pair_data import pair_folder, paired_batches, pixels_of, place_of, stream, write_noise

DEGRADED = {"degradation": SecondOrderDegradation(4), "degradation_crop": 24}


class Reduction(nn.Module):
    """Takes every s-th pixel, so that it can be told where a crop was cut."""

    scale = 4

    def degrade(self, high, generator, threads=None):
        return high[..., ::4, ::4]


class ThreadCount(nn.Module):
    """Paints the number of threads whose rounding it is asked for."""

    scale = 4

    def degrade(self, high, generator, threads=None):
        return torch.full_like(high[..., ::4, ::4], (threads or torch.get_num_threads()) / 255)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_workers_round_as_the_process_that_trains(num_workers, tmp_path):
    """A worker has one thread, and torch rounds otherwise with one than with several."""
    write_noise(tmp_path)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        data = pair_folder(tmp_path, degradation=ThreadCount(), degradation_crop=24, num_workers=num_workers)
        [low] = stream(data, 1)[1:]
    finally:
        torch.set_num_threads(before)
    assert low.unique().tolist() == [3]


def test_high_and_low_are_cut_at_the_same_place_and_the_places_differ(tmp_path):
    images = torch.randint(0, 256, (40, 3, 24, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    high, low = DegradedPairs(Reduction(), 16, nn.Identity(), 0, seed=3).pairs(images, 0)
    assert high.shape == (40, 3, 16, 16) and low.dtype == torch.uint8
    assert torch.equal(low, high[..., ::4, ::4])
    places = {place_of(crop, image) for crop, image in zip(high, images, strict=True)}
    assert places == {(top, left) for top in (0, 4, 8) for left in (0, 4, 8)}


def test_the_pair_at_a_position_depends_on_neither_the_batch_nor_the_start_nor_the_workers(tmp_path):
    write_noise(tmp_path)
    highs, lows = stream(pair_folder(tmp_path, **DEGRADED), 4)
    for changes in ({"batch_size": 8}, {"num_workers": 2}):
        other = pair_folder(tmp_path, **DEGRADED, **changes)
        high, low = stream(other, 8 // other.batch_size, start=8)
        assert torch.equal(high, highs[8:]) and torch.equal(low, lows[8:])
    assert not torch.equal(stream(pair_folder(tmp_path, **DEGRADED, seed=6), 4)[1], lows)


def test_no_global_generator_takes_part(tmp_path):
    write_noise(tmp_path)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = stream(pair_folder(tmp_path, **DEGRADED), 2)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(stream(pair_folder(tmp_path, **DEGRADED), 2)[1], first[1])


def test_crops_are_of_the_image_and_lie_at_any_pixel_and_low_ones_are_no_plain_reduction(tmp_path):
    [path] = write_noise(tmp_path, ("a",))
    image = pixels_of(path)
    highs, lows = stream(pair_folder(tmp_path, **DEGRADED), 4)
    places = [place_of(high, image) for high in highs]
    assert None not in places and {top % 4 for top, _ in places} | {left % 4 for _, left in places} == {0, 1, 2, 3}
    assert all((low.int() - reduced_uint8(high, 4).int()).abs().float().mean() > 3
               for high, low in zip(highs, lows, strict=True))


def test_the_target_is_sharpened_and_what_the_discriminator_sees_is_not(tmp_path):
    [path] = write_noise(tmp_path, ("a",))
    for settings in (DEGRADED, {}):
        plain = paired_batches(pair_folder(tmp_path, **settings), 1)[0]
        sharp = paired_batches(pair_folder(tmp_path, **settings, sharpen_target=True), 1)[0]
        assert torch.equal(sharp.real, plain.real)
        torch.testing.assert_close(sharp.target, UnsharpMasking()(plain.target))
        assert not torch.equal(sharp.target, plain.target)
        assert torch.equal(sharp.low, plain.low) != bool(settings)  # the paper degrades what was sharpened


def test_the_pool_shows_the_same_pairs_in_another_order(tmp_path):
    write_noise(tmp_path)
    plain = stream(pair_folder(tmp_path, **DEGRADED), 8)
    pooled = stream(pair_folder(tmp_path, **DEGRADED, pair_pool=8), 8)
    low_of = {high.numpy().tobytes(): low for high, low in zip(*plain, strict=True)}
    pairs = [(high.numpy().tobytes(), low) for high, low in zip(*pooled, strict=True)]
    assert all(torch.equal(low_of[high], low) for high, low in pairs)  # what belonged together still does
    assert torch.equal(pooled[0][:8], plain[0][:8]) and not torch.equal(pooled[0][8:], plain[0][8:])
    later = [high for high, _ in pairs[8:]]
    assert len(set(later)) == len(later)  # none comes twice


def test_a_restored_pool_continues_exactly(tmp_path):
    write_noise(tmp_path)
    whole = stream(pair_folder(tmp_path, **DEGRADED, pair_pool=8), 8)
    first, second = (pair_folder(tmp_path, **DEGRADED, pair_pool=8) for _ in range(2))
    stream(first, 5)
    second.load_state_dict(first.state_dict())
    for continued, expected in zip(stream(second, 3, start=20), whole, strict=True):
        assert torch.equal(continued, expected[20:])


def test_without_a_degradation_there_is_no_state(tmp_path):
    write_noise(tmp_path)
    data = pair_folder(tmp_path)
    assert data.state_dict() == {}
    data.load_state_dict({})


def test_validation_images_are_reduced_and_not_degraded(tmp_path):
    [path] = write_noise(tmp_path, ("a",))
    data = pair_folder(tmp_path, **DEGRADED, validation_root=str(tmp_path))
    assert torch.equal(data.whole_pair(data.validation_files()[0]).low, reduced_uint8(pixels_of(path), 4))
    assert data.low_in_training == "degraded (Real-ESRGAN)"


def test_images_smaller_than_what_is_degraded_are_left_out_in_its_name(tmp_path, caplog):
    write_noise(tmp_path, ("a",))
    write_noise(tmp_path, ("small",), 40, 23)
    assert pair_folder(tmp_path, **DEGRADED).skipped == ["small.png"]
    assert "40 x 23 pixels are less than data.degradation_crop=24 (null: as data.image_size)" in caplog.text
    assert pair_folder(tmp_path, degradation=SecondOrderDegradation(4)).skipped == []


@pytest.mark.parametrize(("changes", "sentence"), [
    ({**DEGRADED, "low_root": "low"}, "data.low_root=low and a degradation both say .* type data.low_root=null or deg"),
    ({**DEGRADED, "image_size": 32}, "data.degradation_crop=24 must be at least data.image_size=32"),
    ({**DEGRADED, "degradation_crop": 26}, "data.degradation_crop=26 must be a multiple of data.scale=4.* type "
                                           "data.degradation_crop=24 or 28"),
    ({**DEGRADED, "pair_pool": 3}, "data.pair_pool=3 must be 0 .none. or at least data.batch_size=4"),
    ({**DEGRADED, "scale": 2}, "data.degradation.scale=4 must equal data.scale=2"),
    ({"pair_pool": 8}, "data.pair_pool=8 belongs to a degradation, and there is none: add degradation=real_esrgan"),
    ({"degradation_crop": 24}, "data.degradation_crop=24 belongs to a degradation"),
])
def test_contradictions_are_refused(changes, sentence, tmp_path):
    with pytest.raises(ValueError, match=sentence):
        pair_folder(tmp_path, **changes)


def test_workers_send_pairs_and_the_pool_stays_with_the_process_that_trains(tmp_path):
    write_noise(tmp_path)
    alone, with_workers = (pair_folder(tmp_path, **DEGRADED, pair_pool=6, num_workers=count) for count in (0, 2))
    high, low = stream(alone, 5)
    assert all(torch.equal(*both) for both in zip(stream(with_workers, 5), (high, low), strict=True))
    assert with_workers.degraded.pool.num_pairs == 6
    first, sent_high, sent_low, unreadable = with_workers.training_dataset().__getitems__(range(8, 12))
    assert (first, unreadable) == (8, {}) and sent_high.shape[2:] == (16, 16) and sent_low.shape[2:] == (4, 4)

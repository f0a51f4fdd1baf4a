from itertools import islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from saddlepoint.data.sampling import Batches, EndlessOrder, fixed_subset
from saddlepoint.errors import RequestError


def test_each_epoch_shows_every_image_once_and_in_another_order():
    order = EndlessOrder(num_images=50, seed=3)
    epochs = [order.images(range(50 * epoch, 50 * (epoch + 1))) for epoch in range(4)]
    for epoch in epochs:
        assert sorted(epoch.tolist()) == list(range(50))
    assert len({tuple(epoch.tolist()) for epoch in epochs}) == 4


def test_another_seed_is_another_order():
    first, second = (EndlessOrder(50, seed).images(range(50)) for seed in (0, 1))
    assert not torch.equal(first, second)


@settings(deadline=None, max_examples=30)
@given(num_images=st.integers(1, 40), start=st.integers(0, 300), length=st.integers(1, 100), seed=st.integers(0, 2**63))
def test_the_image_at_a_position_depends_on_no_other_request(num_images, start, length, seed):
    positions = range(start, start + length)
    together = EndlessOrder(num_images, seed)
    for draw in (together.images, lambda p: together.coins("flip", p), lambda p: together.points("crop", p)):
        whole = draw(positions)
        assert len(whole) == length
        for position in (positions[0], positions[length // 2], positions[-1]):
            torch.testing.assert_close(draw(range(position, position + 1))[0], whole[position - start])
    fresh = EndlessOrder(num_images, seed)
    assert fresh.images(range(positions[-1], positions[-1] + 1))[0] == together.images(positions)[-1]


def test_coins_are_fair_and_points_fill_the_square():
    order = EndlessOrder(10_000, seed=0)
    heads = order.coins("flip", range(10_000)).double().mean().item()
    assert abs(heads - 0.5) < 4 * 0.5 / 100  # four standard deviations
    points = order.points("crop", range(10_000))
    assert points.shape == (10_000, 2)
    torch.testing.assert_close(points.mean(0), torch.full((2,), 0.5), atol=4 * 12**-0.5 / 100, rtol=0)


def test_purposes_are_independent():
    order = EndlessOrder(10_000, seed=0)
    equal = (order.coins("flip", range(10_000)) == order.coins("other", range(10_000))).double().mean().item()
    assert abs(equal - 0.5) < 4 * 0.5 / 100


def test_batches_walk_on_for_ever_without_a_gap():
    batches = list(islice(Batches(start=7, batch_size=5), 100))
    assert [position for batch in batches for position in batch] == list(range(7, 507))


@pytest.mark.parametrize("num_processes", [2, 3, 6])
def test_the_shares_of_all_processes_are_the_batch(num_processes):
    whole = list(islice(Batches(4, 12), 10))
    shares = [list(islice(Batches(4, 12, rank, num_processes), 10)) for rank in range(num_processes)]
    for batch, *pieces in zip(whole, *shares, strict=True):
        assert [position for piece in pieces for position in piece] == list(batch)


def test_a_subset_is_the_same_every_time_and_the_beginning_of_a_larger_one():
    small, large = fixed_subset(1000, 100), fixed_subset(1000, 300)
    assert torch.equal(small, large[:100])
    assert len(set(large.tolist())) == 300
    assert max(large.tolist()) < 1000


def test_a_subset_larger_than_the_set_is_refused():
    with pytest.raises(RequestError, match="data.subset_size=11 is more than the 10 images.*data.subset_size=null"):
        fixed_subset(10, 11)

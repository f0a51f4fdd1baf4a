import io

import pytest
import torch

from saddlepoint.data.degradation_pool import PairPool


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(first: int, count: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    numbers = torch.arange(first, first + count, dtype=torch.float32)
    return numbers.view(-1, 1, 1, 1).expand(-1, 3, 4, 4), numbers.view(-1, 1, 1, 1).expand(-1, 3, 2, 2)


def test_until_it_is_full_batches_come_back_as_they_are():
    pool = PairPool(10)
    for first in (0, 4, 8):
        high, low = pool.exchange(*batch(first), seeded())
        assert torch.equal(high, batch(first)[0]) and torch.equal(low, batch(first)[1])
    assert pool.num_pairs == 10


def test_then_pairs_of_earlier_batches_come_that_belong_together_and_none_is_lost_or_doubled():
    pool, generator = PairPool(12), seeded()
    returned, num_mixed = [], 0
    for first in range(0, 80, 4):
        high, low = pool.exchange(*batch(first), generator)
        assert torch.equal(high[:, 0, 0, 0], low[:, 0, 0, 0])
        if first >= 12:
            returned += high[:, 0, 0, 0].tolist()
            num_mixed += len({number // 4 for number in returned[-4:]}) > 1
    waiting = pool.high[:, 0, 0, 0].tolist()
    assert sorted(returned + waiting) == list(range(80))
    assert num_mixed > 10


def test_a_pool_restored_into_a_new_one_goes_on_to_the_same_bits():
    pool = PairPool(8)
    for first in (0, 4, 8):
        pool.exchange(*batch(first), seeded(first))
    file = io.BytesIO()
    torch.save(pool.state_dict(), file)
    file.seek(0)
    other = PairPool(8)
    other.load_state_dict(torch.load(file, weights_only=True))
    for first in (12, 16, 20):
        expected = pool.exchange(*batch(first), seeded(first))
        results = other.exchange(*batch(first), seeded(first))
        assert all(torch.equal(one, two) for one, two in zip(expected, results, strict=True))


def test_an_empty_pool_is_restored_as_empty():
    other = PairPool(8)
    other.load_state_dict(PairPool(8).state_dict())
    assert other.num_pairs == 0


def test_changing_a_batch_afterwards_leaves_the_pool_as_it_is():
    pool = PairPool(4)
    high, low = (images.clone() for images in batch(0))
    pool.exchange(high, low, seeded())
    high.zero_(), low.zero_()
    assert sorted(pool.exchange(*batch(4), seeded())[0][:, 0, 0, 0].tolist()) == [0, 1, 2, 3]


def test_a_batch_larger_than_the_pool_is_refused():
    with pytest.raises(ValueError, match="size=3 must be at least the batch's 4 pairs"):
        PairPool(3).exchange(*batch(0), seeded())
    with pytest.raises(ValueError, match="size=0 must be a whole number"):
        PairPool(0)

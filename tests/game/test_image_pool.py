"""The pool of older fakes: its rule, its distribution, and that it is saved. A fake is an image of one pixel."""

import pytest
import torch
from torch import Tensor, nn

from saddlepoint.game.image_pool import ImagePool
from saddlepoint.game.random_streams import RandomStreams


def numbered(first: int, count: int) -> Tensor:
    """Fakes that are told apart by their value, [count, 1, 1, 1]."""
    return torch.arange(first, first + count, dtype=torch.float64).view(-1, 1, 1, 1)


def exchanged(pool: ImagePool, steps: int, count: int, seed: int = 3) -> list[list[int]]:
    """Returns the numbers of the fakes that are shown in each step."""
    return [pool.exchange(numbered(step * count, count), RandomStreams(seed, step)).flatten().int().tolist()
            for step in range(steps)]


class ListPool:
    """The rule as CycleGAN's authors write it, image by image, with lists."""

    def __init__(self, size: int):
        self.size, self.images = size, []

    def exchange(self, fakes: list[int], swaps: list[bool], places: list[int]) -> list[int]:
        shown = []
        for fake, swap, place in zip(fakes, swaps, places, strict=True):
            if len(self.images) < self.size:
                self.images.append(fake)
                shown.append(fake)
            elif swap:
                shown.append(self.images[place])
                self.images[place] = fake
            else:
                shown.append(fake)
        return shown


@pytest.mark.parametrize(("size", "count"), [(5, 1), (5, 2), (4, 7), (1, 3)])
def test_the_pool_follows_the_rule_image_by_image(size, count):
    ours, theirs = ImagePool(size), ListPool(size)
    for step, shown in enumerate(exchanged(ours, 20, count)):
        random = RandomStreams(3, step)
        swaps = (torch.rand(count, generator=random.generator("pool")) < 0.5).tolist()
        places = torch.randint(size, (count,), generator=random.generator("pool")).tolist()
        assert shown == theirs.exchange(list(range(step * count, (step + 1) * count)), swaps, places)
    assert ours.images.flatten().int().tolist() == theirs.images


def test_half_of_what_is_shown_is_older_and_its_age_is_geometric():
    """Once full, a fake that is kept leaves in a later step with probability 1 / (2 size), whatever its age."""
    size, steps = 4, 6000
    ages = [step - shown[0] for step, shown in enumerate(exchanged(ImagePool(size), steps, 1))][size:]
    older = torch.tensor([age for age in ages if age > 0], dtype=torch.float64)
    share = len(older) / len(ages)
    assert share == pytest.approx(0.5, abs=4 * 0.5 / steps**0.5)
    mean, deviation = 2 * size, (2 * size * (2 * size - 1))**0.5  # of a geometric distribution with p = 1 / (2 size)
    assert older.mean().item() == pytest.approx(mean, abs=5 * deviation / len(older)**0.5)


def test_the_first_fakes_are_shown_as_they_are_and_a_pool_of_none_shows_all_as_they_are():
    assert exchanged(ImagePool(6), 3, 2) == [[0, 1], [2, 3], [4, 5]]
    assert exchanged(ImagePool(0), 9, 2) == [[2 * step, 2 * step + 1] for step in range(9)]


def test_a_pool_goes_on_from_what_was_saved():
    whole, first, second = ImagePool(4), ImagePool(4), ImagePool(4)
    expected = exchanged(whole, 8, 3)
    for step in range(5):
        assert first.exchange(numbered(3 * step, 3), RandomStreams(3, step)).flatten().tolist() == expected[step]
    nn.ModuleDict({"pool": second}).load_state_dict(nn.ModuleDict({"pool": first}).state_dict())
    for step in range(5, 8):
        assert second.exchange(numbered(3 * step, 3), RandomStreams(3, step)).flatten().tolist() == expected[step]


def test_fakes_are_copied_into_the_pool():
    pool, fakes = ImagePool(2), numbered(0, 2)
    shown = pool.exchange(fakes, RandomStreams(0, 0))
    fakes.fill_(9)
    shown.fill_(8)
    assert pool.images.flatten().tolist() == [0, 1]

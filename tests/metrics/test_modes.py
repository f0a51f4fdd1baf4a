"""Missing classes, with samples made so that the shares are known."""

import pytest
import torch

from saddlepoint.metrics.modes import RarestClass
from tests.metrics.features import normal, sample


def drawn(*counts: int):
    """Fakes that the classifier takes for class k, counts[k] of them"""
    classes = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    return sample(logits=normal(len(classes), len(counts), 0) + 20 * torch.nn.functional.one_hot(classes, len(counts)))


def test_it_is_the_smallest_share_and_every_share_is_told():
    measured = RarestClass().measure(sample(), drawn(5, 3, 12), 0, 0)
    assert measured.value == pytest.approx(3 / 20) and measured.interval is None
    assert measured.details == pytest.approx({"0": 5 / 20, "1": 3 / 20, "2": 12 / 20})


def test_classes_drawn_alike_reach_one_over_their_number_and_a_missing_one_is_0():
    assert RarestClass().measure(sample(), drawn(7, 7, 7, 7), 0, 0).value == pytest.approx(1 / 4)
    assert RarestClass().measure(sample(), drawn(7, 0, 7), 0, 0).value == 0


def test_the_interval_is_that_of_a_proportion():
    """One rare class: 1.96 sqrt(p (1 - p) / N) each way"""
    half_width = 1.96 * (0.1 * 0.9 / 400) ** 0.5
    low, high = RarestClass().measure(sample(), drawn(360, 40), 3, 1000).interval
    assert (low, high) == pytest.approx((0.1 - half_width, 0.1 + half_width), abs=0.15 * half_width)

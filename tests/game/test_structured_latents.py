"""Codes beside noise, and a ring of Gaussians."""

import math

import pytest
import torch

from saddlepoint.game.latents import Latents
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.structured_latents import RingOfGaussians, StructuredLatents

LATENTS = StructuredLatents(12, categorical=[3, 2], continuous=2)  # five numbers of noise


def test_each_part_of_a_draw_has_its_own_distribution():
    drawn = LATENTS.draw(RandomStreams(0, 0), 20_000)
    noise, first, second, continuous = drawn.split([5, 3, 2, 2], 1)
    torch.testing.assert_close(noise.mean(0), torch.zeros(5), atol=0.03, rtol=0)
    torch.testing.assert_close(noise.var(0), torch.ones(5), atol=0.05, rtol=0)
    for one_hot in (first, second):
        assert {*one_hot.unique().tolist()} == {0, 1} and (one_hot.sum(1) == 1).all()
        share = torch.full((one_hot.shape[1],), 1 / one_hot.shape[1])
        torch.testing.assert_close(one_hot.mean(0), share, atol=0.02, rtol=0)
    assert -1 <= continuous.min() < -0.99 and 0.99 < continuous.max() < 1
    torch.testing.assert_close(continuous.var(0), torch.full((2,), 1 / 3), atol=0.01, rtol=0)


def test_the_codes_of_an_image_are_independent_of_each_other():
    first, second, continuous = LATENTS.draw(RandomStreams(0, 0), 20_000)[:, 5:].split([3, 2, 2], 1)
    joint = first.T @ second / len(first)
    torch.testing.assert_close(joint, torch.full((3, 2), 1 / 6), atol=0.02, rtol=0)
    torch.testing.assert_close(torch.corrcoef(continuous.T), torch.eye(2), atol=0.03, rtol=0)


def test_uniform_noise_fills_its_interval():
    noise = StructuredLatents(7, [2], 0, "uniform", low=2.0, high=4.0).draw(RandomStreams(0, 0), 2000)[:, :5]
    assert 2 <= noise.min() < 2.01 and 3.99 < noise.max() < 4


def test_two_processes_share_the_draw_of_one():
    whole = LATENTS.draw(RandomStreams(3, 7), 8)
    halves = [LATENTS.draw(RandomStreams(3, 7, rank=rank, num_processes=2), 4) for rank in (0, 1)]
    assert torch.equal(torch.cat(halves), whole)


def test_an_image_has_the_same_latents_however_many_are_drawn():
    for latents in (LATENTS, RingOfGaussians(3)):
        assert torch.equal(latents.of_images(3, 0, 20)[17], latents.of_images(3, 17, 1)[0])


def test_codes_are_split_into_what_they_are():
    latents = torch.arange(24.0).view(2, 12)
    assert LATENTS.codes(latents)[0].tolist() == [*range(5, 12)]
    (first, second), continuous = LATENTS.split(LATENTS.codes(latents))
    assert (first[0].tolist(), second[0].tolist(), continuous[0].tolist()) == ([5, 6, 7], [8, 9], [10, 11])
    assert LATENTS.num_codes == 4
    assert [LATENTS.num_values(code) for code in (1, 2, 3, 4)] == [3, 2, 0, 0]


@pytest.mark.parametrize(("code", "values", "places", "expected"), [
    (1, [2, 0], [5, 6, 7], [[0, 0, 1], [1, 0, 0]]), (2, [0, 1], [8, 9], [[1, 0], [0, 1]]),
    (3, [0.5, -2.0], [10], [[0.5], [-2.0]]), (4, [0.5, -2.0], [11], [[0.5], [-2.0]])])
def test_a_chosen_code_changes_and_nothing_else(code, values, places, expected):
    before = LATENTS.draw(RandomStreams(0, 0), 2)
    after = LATENTS.with_code(before, code, torch.tensor(values))
    assert after[:, places].tolist() == expected
    others = [place for place in range(12) if place not in places]
    assert torch.equal(after[:, others], before[:, others])
    assert after is not before


def test_a_walk_turns_noise_on_the_sphere_and_mixes_codes_on_the_line():
    start, end = LATENTS.draw(RandomStreams(0, 1), 2)
    walk = LATENTS.between(start, end, 5)
    assert walk.shape == (5, 12)
    torch.testing.assert_close(walk[:, :5], Latents(5).between(start[:5], end[:5], 5))
    torch.testing.assert_close(walk[2, 5:], (start[5:] + end[5:]) / 2)
    torch.testing.assert_close(walk[[0, 4]], torch.stack([start, end]))


@pytest.mark.parametrize(("settings", "sentence"), [
    ({"size": 5, "categorical": [10], "continuous": 2}, "model.latents.size=5 is less than the 12 numbers of the"),
    ({"size": 5, "categorical": [], "continuous": 0}, "leave no code: set one of them"),
    ({"size": 5, "categorical": [2], "continuous": 0, "distribution": "cauchy"}, "model.latents.distribution=cauchy"),
])
def test_impossible_codes_are_refused(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        StructuredLatents(**settings)


def test_a_ring_has_its_modes_at_equal_angles_on_the_circle():
    ring = RingOfGaussians(3, radius=5.0, modes=4, standard_deviation=0.1)
    drawn = ring.draw(RandomStreams(0, 0), 4000)
    angle = torch.atan2(drawn[:, 1], drawn[:, 0])
    mode = (angle / (math.pi / 2)).round().long() % 4
    means = torch.stack([drawn[mode == each].mean(0) for each in range(4)])
    torch.testing.assert_close(means, torch.tensor([[5.0, 0, 0], [0, 5, 0], [-5, 0, 0], [0, -5, 0]]), atol=0.02, rtol=0)
    for each in range(4):
        torch.testing.assert_close(drawn[mode == each].var(0), torch.full((3,), 0.01), rtol=0.2, atol=0)
    assert mode.bincount().min() > 900


def test_a_walk_between_two_modes_of_a_ring_is_a_straight_line():
    ring = RingOfGaussians()
    walk = ring.between(torch.tensor([2.0, 0]), torch.tensor([0.0, 2]), 3)
    torch.testing.assert_close(walk[1], torch.tensor([1.0, 1]))

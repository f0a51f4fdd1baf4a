"""Random numbers as a function of (seed, step, player, purpose, how many-th, place in the global batch)."""

import pytest
import pytorch_lightning as pl
import torch

from saddlepoint.game.random_streams import RandomStreams, _scramble, seed_of
from saddlepoint.tricks.instance_noise import InstanceNoise
from saddlepoint.tricks.labels import LabelFlip
from tests.game.playing import batches, game, play

DRAWS = [lambda draws, count: draws.normal("x", (count, 5)), lambda draws, count: draws.uniform("x", (count, 5)),
         lambda draws, count: draws.integers("x", 10, (count,))]


@pytest.mark.parametrize("draw", DRAWS)
def test_processes_share_the_rows_one_process_draws(draw):
    whole = draw(RandomStreams(3, 7), 12)
    for num_processes in (2, 3, 4):
        shares = [draw(RandomStreams(3, 7, rank=rank, num_processes=num_processes), 12 // num_processes)
                  for rank in range(num_processes)]
        assert torch.equal(torch.cat(shares), whole)


@pytest.mark.parametrize("draw", DRAWS)
def test_everything_it_depends_on_changes_it_and_nothing_else_does(draw):
    base = draw(RandomStreams(3, 7, player="generator"), 12)
    torch.manual_seed(0)
    assert torch.equal(draw(RandomStreams(3, 7, player="generator"), 12), base)
    for seed, step, player in ((4, 7, "generator"), (3, 8, "generator"), (3, 7, "other")):
        assert not torch.equal(draw(RandomStreams(seed, step, player=player), 12), base)
    twice = RandomStreams(3, 7, player="generator")
    assert torch.equal(draw(twice, 12), base) and not torch.equal(draw(twice, 12), base)


@pytest.mark.parametrize("draw", DRAWS)
def test_generators_of_earlier_steps_draw_what_new_ones_do(draw):
    """An odd number of normal ones leaves half a pair in a generator, which must not be seen again."""
    lasting: dict[str, torch.Generator] = {}
    for step in (7, 8, 7):
        old, new = RandomStreams(3, step, generators=lasting), RandomStreams(3, step)
        for count in (3, 12, 1):
            assert torch.equal(draw(old, count), draw(new, count))
    assert len(lasting) == 3  # one for each draw of a step


def test_drawing_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    RandomStreams(0, 0).normal("x", (4, 4))
    assert torch.equal(torch.get_rng_state(), before)


def test_layers_that_draw_for_themselves_are_seeded_by_the_step():
    def dropped(step, rank=0):
        RandomStreams(1, step, rank=rank, num_processes=2).seed_networks()
        return torch.nn.functional.dropout(torch.ones(100))
    assert torch.equal(dropped(4), dropped(4))
    assert not torch.equal(dropped(4), dropped(5)) and not torch.equal(dropped(4), dropped(4, rank=1))


def test_no_two_steps_of_a_purpose_share_a_seed():
    assert len({seed_of(0, step, "x") for step in range(200_000)}) == 200_000
    assert len({_scramble(word << 16) for word in range(1 << 16)}) == 1 << 16


def test_moments_of_the_draws():
    normal, uniform = RandomStreams(0, 0).normal("x", (1000, 100)), RandomStreams(0, 0).uniform("x", (1000, 100))
    assert abs(normal.mean()) < 0.015 and abs(normal.std() - 1) < 0.01  # five standard errors
    assert abs(uniform.mean() - 0.5) < 0.005 and uniform.min() >= 0 and uniform.max() < 1
    assert set(RandomStreams(0, 0).integers("x", 3, (100,)).tolist()) == {0, 1, 2}


def test_a_game_makes_its_generators_in_its_first_steps_only(monkeypatch):
    """On a GPU each is memory, and a recorded step must know all that it draws from."""
    made, kind = [], torch.Generator
    monkeypatch.setattr(torch, "Generator", lambda *given: made.append(given) or kind(*given))
    per_step = []

    class Counting(pl.Callback):
        def on_train_batch_end(self, trainer, module, outputs, batch, batch_index):
            per_step.append(len(made))

    play(game(tricks={"noise": InstanceNoise(0.1), "flip": LabelFlip()}), batches(4), Counting())
    assert per_step[0] >= 6  # latents, noise on three sides, two flips
    assert per_step == per_step[:1] * 4


def test_generators_that_have_their_seeds_are_left_as_they_are():
    """A GPU cannot set a seed while it records; the recorder did so before, with the names that were noted."""
    generators, drawn = {}, []
    first = RandomStreams(3, 7, player="generator", generators=generators, drawn=drawn).normal("noise", (4,))
    assert drawn == [("generator/noise/0", "generator", 7)]
    generators["generator/noise/0"].manual_seed(seed_of(3, 7, "generator/noise/0"))
    again = RandomStreams(3, 999, player="generator", generators=generators, is_seeded=True)
    assert torch.equal(again.normal("noise", (4,)), first)
    assert not torch.equal(again.of_player("generator", 7).normal("noise", (4,)), first)  # goes on, unseeded

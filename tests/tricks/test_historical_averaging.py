"""Historical averaging: the mean of all weights so far, and the game with the term written by hand."""

import copy

import pytest
import torch
from torch.nn import functional as F

from saddlepoint.tricks.historical_averaging import HistoricalAveraging
from tests.game.playing import batches, game, latents, moved, play, weights
from tests.tricks.stand_ins import update


def vector(parameters) -> torch.Tensor:
    return torch.cat([each.flatten() for each in parameters])


def test_a_game_is_the_one_written_by_hand():
    """The mean of the first update is of the first weights alone, so its term is 0."""
    module = game(tricks={"history": HistoricalAveraging(0.7, 0.4)})
    generator, discriminator = copy.deepcopy((module.generator, module.discriminator))
    past = [[weights(network)] for network in (generator, discriminator)]
    play(module, batches(4))

    def term(weight, network, earlier):
        return weight * (vector(network.parameters()) - torch.stack(earlier).mean(0)).square().sum()

    for index, (real, labels) in enumerate(batches(4)):
        fake = generator(latents("discriminator", index), labels).detach()
        moved([discriminator], F.softplus(-discriminator(real, labels)).mean()
              + F.softplus(discriminator(fake, labels)).mean() + term(0.4, discriminator, past[1]))
        past[1].append(weights(discriminator))
        of_history = term(0.7, generator, past[0])
        moved([generator], F.softplus(-discriminator(generator(latents("generator", index), labels), labels)).mean()
              + of_history)
        past[0].append(weights(generator))
    for ours, theirs in ((module.generator, generator), (module.discriminator, discriminator)):
        torch.testing.assert_close(weights(ours), weights(theirs), rtol=1e-6, atol=1e-8)  # 1/t is a float32
    torch.testing.assert_close(module.latest["generator/history"], of_history.detach(), rtol=1e-6, atol=1e-9)
    trick = module.tricks["history"]
    torch.testing.assert_close(vector(trick.means("generator")), torch.stack(past[0]).mean(0), rtol=1e-6, atol=1e-8)
    assert trick.generator.count == 5


def test_a_player_with_weight_0_has_no_mean_and_moves_as_ever():
    module, plain = game(tricks={"history": HistoricalAveraging(0.0, 0)}), game()
    for each in (module, plain):
        play(each, batches(2))
    assert not [*module.tricks["history"].buffers()]
    assert torch.equal(weights(module.generator), weights(plain.generator))
    assert module.latest.keys() == plain.latest.keys()


def test_the_mean_is_saved_and_an_update_that_was_left_out_is_not_in_it():
    module = game(tricks={"history": HistoricalAveraging(0.7, 0.0)})
    play(module, batches(2))
    other = game(tricks={"history": HistoricalAveraging(0.7, 0.0)})
    other.load_state_dict(module.state_dict())
    trick = other.tricks["history"]
    before = copy.deepcopy(trick.state_dict())
    assert before["generator.count"] == 3
    for left_out, count in ((1.0, 3), (0.0, 4)):
        trick.after_generator_step(update(generator=other.generator, left_out=torch.tensor(left_out)))
        assert trick.generator.count == count
        changed = not all(torch.equal(before[name], each) for name, each in trick.state_dict().items())
        assert changed is (count == 4)


def test_the_term_counts_once_however_many_contests_there_are():
    module = game(tricks={"history": HistoricalAveraging(0.7, 0.4)})
    one = type(module).contests
    module.contests = lambda *given: [each._replace(name=name) for name in ("a", "b") for each in one(module, *given)]
    play(module, batches(2))
    assert {"generator/history", "discriminator/history", "generator/a.adversarial"} <= module.latest.keys()
    assert not [name for name in module.latest if name.endswith(".history")]
    terms = ("a.adversarial", "b.adversarial", "history")
    total = sum(module.latest[f"generator/{name}"] for name in terms).item()
    assert total == pytest.approx(module.latest["generator/total"].item())

"""A discriminator that rests after a batch on which it was right too often, against steps written by hand."""

import copy

import pytest
import torch
from torch.nn import functional as F

from saddlepoint.game.accuracy import newest_accuracy
from saddlepoint.game.turns import Turns
from saddlepoint.losses.adversarial import Relativistic
from saddlepoint.tricks.gradient_penalty import R1
from tests.game.playing import batches, game, latents, moved, play, same, weights

HIGHEST = 0.6


def test_d_stays_as_it_is_after_a_batch_on_which_it_was_right_more_often():
    module = game(Turns(rest_above_accuracy=HIGHEST), schedule=4.0)
    generator, discriminator = copy.deepcopy((module.generator, module.discriminator))
    data, rested, accuracy = batches(12), [], 0.0
    recorded = play(module, data)
    for index, (real, labels) in enumerate(data):
        fake = generator(latents("discriminator", index), labels).detach()
        real_logits, fake_logits = discriminator(real, labels), discriminator(fake, labels)
        rested.append(accuracy > HIGHEST)
        accuracy = ((real_logits > 0).double().mean() + (fake_logits < 0).double().mean()).item() / 2
        if not rested[-1]:
            moved([discriminator], 4 * (F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()))
        made = generator(latents("generator", index), labels)
        moved([generator], 4 * F.softplus(-discriminator(made, labels)).mean())
        torch.testing.assert_close(recorded.discriminators[index], weights(discriminator), rtol=1e-9, atol=1e-12)
    same((module.generator, generator), (module.discriminator, discriminator))
    assert {*rested} == {True, False}
    assert (module.discriminator_steps_taken, module.generator_steps_taken) == (12, 12)  # it has scored them all


def test_a_discriminator_that_may_be_right_always_never_rests():
    ever, never = game(Turns(rest_above_accuracy=1.0), tricks={"r1": R1()}), game(tricks={"r1": R1()})
    play(ever, batches(4))
    play(never, batches(4))
    same((ever.generator, never.generator), (ever.discriminator, never.discriminator))


def test_the_accuracy_is_that_of_the_newest_batch_as_a_mean_over_contests():
    logits = {"logits/a.real": torch.tensor([1.0, 1, -1, 1]), "logits/a.fake": torch.tensor([-1.0, -1, -1, -1]),
              "logits/b.real": torch.tensor([-1.0, -1]), "logits/b.fake": torch.tensor([1.0, -1])}
    assert newest_accuracy(logits, 0.0) == pytest.approx(((3 / 4 + 1) / 2 + (0 + 1 / 2) / 2) / 2)
    assert newest_accuracy({"logits/real": torch.tensor([0.4]), "logits/fake": torch.tensor([0.1])}, 0.5) == 0.5
    assert newest_accuracy({"discriminator/total": torch.tensor(1.0)}, 0.0) is None
    pairs = {"logits/real": torch.tensor([[[[3.0]]], [[[1.0]]]]), "logits/fake": torch.tensor([2.0, 0.0])}
    assert newest_accuracy(pairs, Relativistic().boundary) == pytest.approx(3 / 4)  # of four pairs


def test_only_where_it_counts_is_the_accuracy_asked_for():
    def asked() -> float:
        raise AssertionError

    assert not Turns().plan(0, 0, asked).rests
    assert Turns(rest_above_accuracy=0.8).plan(0, 0, lambda: 0.81).rests
    assert not Turns(rest_above_accuracy=0.8).plan(0, 0, lambda: 0.8).rests  # the paper: not higher than
    assert not Turns(rest_above_accuracy=0.8).plan(0, 0, lambda: None).rests


@pytest.mark.parametrize(("more", "message"), [
    ({"rest_above_accuracy": 0.3}, "model.turns.rest_above_accuracy=0.3 must be a number from 0.5 to 1"),
    ({"rest_above_accuracy": 0.8, "scoring": "half"}, "scoring=half has none of its own: type model.turns.scoring="
                                                      "separate"),
    ({"rest_above_accuracy": 0.8, "order": "simultaneous"}, "type model.turns.order=alternating"),
])
def test_what_lets_no_update_be_left_out_is_refused(more, message):
    with pytest.raises(ValueError, match=message):
        Turns(**more)

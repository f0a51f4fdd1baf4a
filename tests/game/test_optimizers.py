"""Settings of optimizers that change over training."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from saddlepoint import making
from saddlepoint.config.component_checks import complaints
from saddlepoint.errors import RequestError
from saddlepoint.game.optimizers import Optimizers
from saddlepoint.game.schedule import Cosine, Linear
from saddlepoint.training.callbacks.scalars import schedules
from saddlepoint.training.stepping import refuse_unrecordable

RISING = Linear(0.5, 0.9, images=40)
FALLING = Cosine(0.1, 0.02, images=20)


def adam(**settings):
    return partial(torch.optim.Adam, **{"lr": 0.1, "betas": [0.0, RISING]} | settings)


def built(*makers, schedule=1.0) -> tuple[Optimizers, list[torch.optim.Optimizer], list[nn.Parameter]]:
    optimizers = Optimizers(*makers, schedule)
    parameters = [nn.Parameter(torch.tensor([1.0, -2.0])) for _ in makers]
    return optimizers, optimizers.build(dict(zip(("generator", "discriminator"), ([each] for each in parameters),
                                                 strict=True))), parameters


def test_a_setting_that_is_a_schedule_has_its_value_in_each_update():
    """By Kingma and Ba 2015, algorithm 1, written out with the present beta2 and rate; beta1 is 0."""
    optimizers, made, (parameter, _) = built(adam(lr=FALLING, eps=0.0), adam())
    expected, square = parameter.detach().clone(), torch.zeros(2)
    for step in range(1, 4):
        seen = 8 * (step - 1)
        optimizers.apply_schedule(made, seen)
        parameter.grad = torch.tensor([0.5, 3.0]) * step
        made[0].step()
        beta = RISING(seen)
        square = beta * square + (1 - beta) * parameter.grad**2
        expected -= FALLING(seen) * parameter.grad / (square / (1 - beta**step)).sqrt()
        torch.testing.assert_close(parameter.detach(), expected)


def test_a_rate_that_is_a_schedule_is_multiplied_by_the_factor_of_both_players():
    optimizers, made, _ = built(adam(lr=FALLING), adam(), schedule=Linear(1, 0, images=40))
    optimizers.apply_schedule(made, 10)
    assert [each.param_groups[0]["lr"] for each in made] == pytest.approx([FALLING(10) * 0.75, 0.1 * 0.75])
    assert optimizers.rates == [[pytest.approx(FALLING(10) * 0.75)], [pytest.approx(0.1 * 0.75)]]


def test_a_state_is_loaded_as_it_was_and_goes_on_by_the_schedule():
    optimizers, made, _ = built(adam(lr=FALLING), adam())
    optimizers.apply_schedule(made, 10)
    again = Optimizers(adam(lr=FALLING), adam())
    loaded = again.build({"generator": [nn.Parameter(torch.zeros(2))], "discriminator": [nn.Parameter(torch.zeros(2))]},
                         optimizers.states(made))
    assert loaded[0].param_groups[0]["betas"] == (0.0, RISING(10))
    again.apply_schedule(loaded, 20)
    assert loaded[0].param_groups[0]["betas"] == (0.0, 0.7)
    assert loaded[0].param_groups[0]["lr"] == pytest.approx(0.02)


def test_curves_have_what_changes():
    optimizers, made, _ = built(adam(lr=FALLING, weight_decay=Linear(0.0, 1.0, images=10)), adam(betas=(0.5, 0.9)))
    optimizers.apply_schedule(made, 10)
    module = SimpleNamespace(players_optimizers=optimizers, tricks={}, images_seen=10)
    assert schedules(module) == pytest.approx({
        "schedule/generator.lr": FALLING(10), "schedule/discriminator.lr": 0.1, "schedule/generator.betas.0": 0.0,
        "schedule/generator.betas.1": 0.6, "schedule/generator.weight_decay": 1.0})


def test_a_recorded_step_is_refused_what_it_would_keep_as_a_number():
    module = SimpleNamespace(players_optimizers=Optimizers(
        adam(fused=True), adam(lr=FALLING, betas=(0.0, 0.9), fused=True)))
    settings = {"model": {"turns": {"scoring": "separate"}}, "precision": "32-true"}
    with pytest.raises(RequestError, match=r"^trainer.record=true cannot record a step: optimizer.generator.betas "
                                           r"changes over training.*type a number"):
        refuse_unrecordable(settings, module)
    module.players_optimizers = Optimizers(*[adam(lr=FALLING, betas=(0.0, 0.9), fused=True)] * 2)  # a rate is a tensor
    refuse_unrecordable(settings, module)


def typed(**betas):
    ramp = {"_target_": "saddlepoint.game.schedule.Cosine", "start": 0.9, "end": 0.99, "images": 100, "begin_at": 0}
    return {"optimizer": {"generator": {"_target_": "torch.optim.Adam", "_partial_": True, "lr": 0.1,
                                        "betas": [0.0, ramp | betas]}}}


def test_a_schedule_in_a_list_is_made_and_held_to_the_rules_of_its_number():
    assert [*complaints(typed())] == []
    made = making.make(typed()["optimizer"]["generator"], torch.optim.Optimizer, "optimizer.generator")
    optimizers = Optimizers(made, adam())
    assert optimizers.present(100)[0]["betas"] == (0.0, pytest.approx(0.99))


@pytest.mark.parametrize(("wrong", "said"), [
    ({"end": 1.5}, "optimizer.generator.betas.1.end=1.5 must be a number at least 0 and below 1"),
    ({"images": 0}, "optimizer.generator.betas.1.images=0 must be a whole number of at least 1"),
    ({"imgs": 5}, "optimizer.generator.betas.1.imgs=5 must be removed: it is not a setting of Cosine"),
])
def test_what_is_wrong_with_a_schedule_in_a_list_is_said(wrong, said):
    assert [str(each)[:len(said)] for each in complaints(typed(**wrong))] == [said]

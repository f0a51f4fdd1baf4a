"""LeCam's term and its running means, by hand."""

import copy

import pytest
import torch
from torch import nn

from saddlepoint.tricks.lecam import LeCam
from saddlepoint.tricks.look_ahead import with_own_buffers
from tests.tricks.stand_ins import Quadratic, step

REAL, FAKE = torch.tensor([2.0, -1.0, 0.5, 1.0]), torch.tensor([-2.0, 1.5, 0.0, -1.5])


def lecam(discriminator: nn.Module, **settings) -> LeCam:
    trick = LeCam(**settings)
    trick.build(nn.Identity(), discriminator)
    return trick


def of(discriminator: nn.Module, real=REAL, fake=FAKE, **more):
    given = step(discriminator, real=torch.zeros(4, 2, 3, 4), fake=torch.zeros(4, 2, 3, 4), **more)
    logits = {"real": real, "fake": fake}
    sides = tuple(side._replace(logits=logits[side.name]) for side in given.sides)
    return type(given)(**vars(given) | {"sides": sides})


@pytest.mark.parametrize(("form", "distances"), [
    # means 0.625 and -0.5: reals from -0.5 up, fakes from 0.625 down; reals at -1 and fakes at 1.5 are beyond
    ("relu", ([2.5, 0.0, 1.0, 1.5], [2.625, 0.0, 0.625, 2.125])),
    ("equation", ([2.5, -0.5, 1.0, 1.5], [2.625, -0.875, 0.625, 2.125]))])
def test_a_first_update_has_its_own_means(form, distances):
    critic = Quadratic()
    expected = 0.3 * sum(sum(each ** 2 for each in side) / 4 for side in distances)
    assert lecam(critic, form=form).discriminator_loss(of(critic)).item() == pytest.approx(expected)


def test_means_decay_and_are_saved():
    critic = Quadratic()
    trick = lecam(critic, decay=0.9)
    for shift in (0.0, 1.0):
        trick.discriminator_loss(of(critic, REAL + shift, FAKE + shift))
    again = lecam(critic, decay=0.9)
    again.load_state_dict(trick.state_dict())
    again.discriminator_loss(of(critic, REAL + 3, FAKE + 3))
    assert again.real_means.item() == pytest.approx(0.9 * (0.9 * 0.625 + 0.1 * 1.625) + 0.1 * 3.625)
    assert again.fake_means.item() == pytest.approx(0.9 * (-0.9 * 0.5 + 0.1 * 0.5) + 0.1 * 2.5)


def test_until_the_start_there_is_no_term_and_the_newest_mean():
    critic = Quadratic()
    trick = lecam(critic, start=100)
    for shift in (0.0, 5.0):
        assert trick.discriminator_loss(of(critic, REAL + shift, images_seen=99)) is None
    assert trick.real_means.item() == pytest.approx(5.625)
    assert trick.discriminator_loss(of(critic, images_seen=100)) is not None
    assert trick.real_means.item() == pytest.approx(0.99 * 5.625 + 0.01 * 0.625)


def test_each_discriminator_has_its_means_and_a_side_alone_its_term():
    one, other = Quadratic(), copy.deepcopy(Quadratic())
    trick = lecam(nn.ModuleDict({"discriminator": one, "discriminator_b": other}), form="equation")
    trick.discriminator_loss(of(one))
    trick.discriminator_loss(of(other, REAL + 1, FAKE + 1))
    assert trick.real_means.tolist() == pytest.approx([0.625, 1.625])
    term = trick.discriminator_loss(of(one, sides=("real",)))  # against the mean of fakes of the update before
    assert term.item() == pytest.approx(0.3 * sum(each ** 2 for each in (2.5, -0.5, 1.0, 1.5)) / 4)


def test_updates_that_are_only_tried_have_the_term_and_move_no_mean():
    critic = Quadratic()
    trick = lecam(critic)
    expected = trick.discriminator_loss(of(critic)).item()
    given = of(critic)
    tried = type(given)(**vars(given) | {"discriminator": with_own_buffers(critic)})
    assert trick.discriminator_loss(tried).item() == pytest.approx(expected)
    assert trick.real_means.item() == pytest.approx(0.625) and trick.real_updates.item() == 1


def test_the_term_pulls_confident_logits_back():
    critic, real = Quadratic(), REAL.clone().requires_grad_()
    trick = lecam(critic)
    trick.discriminator_loss(of(critic))
    [gradient] = torch.autograd.grad(trick.discriminator_loss(of(critic, real)), [real])
    torch.testing.assert_close(gradient, 0.3 * 2 / 4 * torch.tensor([2.5, 0.0, 1.0, 1.5]))


@pytest.mark.parametrize(("settings", "message"), [
    ({"decay": 1.0}, "tricks.lecam.decay=1.0 must be at least 0 and below 1"),
    ({"start": -1}, "tricks.lecam.start=-1 must be at least 0"),
    ({"form": "abs"}, "tricks.lecam.form=abs must be one of relu, equation"),
    ({"weight": -1}, "tricks.lecam.weight")])
def test_a_setting_out_of_range_is_named(settings, message):
    with pytest.raises(ValueError, match=message):
        LeCam(**settings)

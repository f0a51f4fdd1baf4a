import pytest
import torch

from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.schedule import Linear as LinearSchedule
from saddlepoint.game.step import Targets
from saddlepoint.tricks.labels import LabelFlip, LabelSmoothing
from tests.tricks.stand_ins import TRICKS, Quadratic, built, images, recipe, step

PLAIN = Targets(real=torch.tensor(1.0), fake=torch.tensor(0.0))


def after(tricks, update=None) -> list[list[float]]:
    """-> the targets of reals and of fakes"""
    update = update or step(Quadratic())
    stack = built(tricks, update.generator, update.discriminator)
    return [target.tolist() for target in stack.targets(PLAIN, update)]


def test_smoothing_is_one_sided_unless_asked_otherwise():
    assert after({"label_smoothing": LabelSmoothing()}) == [pytest.approx(0.9), 0.0]
    assert after({"label_smoothing": LabelSmoothing(real=0.8, fake=0.1)}) == [pytest.approx(0.8), pytest.approx(0.1)]


def test_smoothing_follows_its_schedule():
    smoothing = LabelSmoothing(real=LinearSchedule(start=0.7, end=1.0, images=300))
    seen = [after({"label_smoothing": smoothing}, step(Quadratic(), images_seen=seen))[0] for seen in (0, 100, 300)]
    assert seen == pytest.approx([0.7, 0.8, 1.0])


def test_a_flip_swaps_the_target_of_an_image_for_that_of_the_other_kind():
    real, fake = after({"label_flip": LabelFlip(probability=1)}, step(Quadratic(), real=images(3), fake=images(5)))
    assert (real, fake) == ([0.0] * 3, [1.0] * 5)
    assert after({"label_flip": LabelFlip(probability=0)}) == [[1.0] * 8, [0.0] * 8]


@pytest.mark.parametrize("probability", [0.05, 0.5])
def test_as_many_labels_flip_as_asked_for_and_reals_and_fakes_on_their_own(probability):
    count = 20_000
    many = torch.zeros(count, 1, 1, 1)
    targets = LabelFlip(probability).targets(PLAIN, step(Quadratic(), real=many, fake=many))
    flipped = torch.stack([targets.real == 0, targets.fake == 1]).double()
    deviation = (probability * (1 - probability) / count) ** 0.5
    assert (flipped.mean(1) - probability).abs().max() < 4 * deviation
    assert abs(flipped.prod(0).mean() - probability**2) < 4 * deviation


def test_flips_are_the_same_for_the_same_draws_however_processes_share_the_batch():
    def flips(rank, processes):
        share = torch.zeros(40 // processes, 1, 1, 1)
        draws = RandomStreams(1, 2, rank=rank, num_processes=processes)
        return LabelFlip(0.5).targets(PLAIN, step(Quadratic(), real=share, fake=share, draws=draws))
    whole, first, second = flips(0, 1), flips(0, 2), flips(1, 2)
    for kind in range(2):
        assert torch.equal(torch.cat([first[kind], second[kind]]), whole[kind])


def test_smoothing_and_flipping_work_together_in_either_order():
    smoothing, flip = LabelSmoothing(real=0.9, fake=0.2), LabelFlip(probability=0.5)
    flip_first = after({"label_flip": flip, "label_smoothing": smoothing})
    smoothing_first = after({"label_smoothing": smoothing, "label_flip": flip})
    assert flip_first == smoothing_first
    flipped = after({"label_flip": flip})
    for kind in range(2):  # 1 became 0.9 and 0 became 0.2, whichever image they now belong to
        assert flip_first[kind] == pytest.approx([0.9 if target else 0.2 for target in flipped[kind]])
        assert {*flipped[kind]} == {0.0, 1.0}


@pytest.mark.parametrize("name", ["label_smoothing", "label_flip"])
def test_a_target_trick_refuses_a_loss_without_targets(name):
    tricks = {"label_smoothing": LabelSmoothing(), "ema": TRICKS["ema"](), "label_flip": LabelFlip()}
    (problem,) = tricks[name].problems(recipe(tricks, uses_targets=False))
    assert f"trick=[{name}]" in problem.reason and "loss=a_loss" in problem.reason
    assert problem.instead == {"trick": ["ema"]}
    assert not list(tricks[name].problems(recipe(tricks, uses_targets=True)))


@pytest.mark.parametrize("make, named", [
    (lambda: LabelSmoothing(real=1.1), "tricks.label_smoothing.real"),
    (lambda: LabelSmoothing(fake=-0.1), "tricks.label_smoothing.fake"),
    (lambda: LabelFlip(probability=2), "tricks.label_flip.probability"),
])
def test_a_setting_out_of_range_is_named(make, named):
    with pytest.raises(ValueError, match=named):
        make()

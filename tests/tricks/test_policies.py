"""Policies: how often and how strongly images change, and what stays as it is."""

import pytest
import torch
from torch import Tensor

from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.tricks.augmentation.ada import ADA
from saddlepoint.tricks.augmentation.diffaugment import DiffAugment
from saddlepoint.tricks.augmentation.policy import Policy
from tests.composing import CONF, read_yaml

EVERYTHING = {"filtering": 1.0, "noise": 1.0, "cutout": 1.0}
TRANSFORMATIONS = [*ADA().multipliers]
NOTHING = dict.fromkeys(TRANSFORMATIONS, 0.0)
POLICIES = {"diffaugment": DiffAugment, "ada": lambda: ADA(**EVERYTHING), "bilinear": lambda: ADA(supersampled=False)}


def images(*shape: int, dtype=torch.float32) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(4), dtype=dtype) * 2 - 1


def augmented(policy: Policy, shown: Tensor, probability=1.0, **place: int) -> Tensor:
    return policy(shown, probability, RandomStreams(**{"seed": 0, "step": 3} | place))


def touched(policy: Policy, shown: Tensor, probability) -> float:
    return (augmented(policy, shown, probability) != shown).flatten(1).any(1).double().mean().item()


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("channels", [1, 3])
def test_at_probability_0_images_stay_to_the_bit_and_at_1_they_change(name, channels):
    shown, policy = images(6, channels, 7, 9), POLICIES[name]()
    for never in (0.0, torch.tensor(0.0)):
        assert torch.equal(augmented(policy, shown, never), shown)
    changed = augmented(policy, shown)
    assert changed.shape == shown.shape and changed.isfinite().all()
    assert not torch.equal(changed, shown)


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_a_transformation_hits_the_share_of_images_that_its_multiplier_says(name):
    """x_flip and luma_flip leave half of what they hit, a quarter turn a quarter."""
    count, shown = 2000, images(2000, 1, 6, 6)
    hit = {"x_flip": 0.5, "luma_flip": 0.5, "quarter_turn": 0.75}.get(name, 1.0)
    if name in ("hue", "saturation"):  # of colours only
        shown = images(count, 3, 6, 6)
    if name == "filtering":  # four bands, each by itself
        hit = (1 - (1 - 0.32) ** 4) / 0.32
    policy = ADA(**NOTHING | {name: 0.8}, shift_size=0.49)
    expected = hit * 0.8 * 0.4
    share = touched(policy, shown, 0.4)
    if name == "shift":  # by 0 in both directions in some cases: 49 steps of 0.06 pixels, of which 17 round to none
        assert share == pytest.approx(0.32 * (1 - (0.5 / (0.49 * 6)) ** 2), abs=0.05)
    else:
        assert share == pytest.approx(expected, abs=4 * (0.25 / count) ** 0.5)
    assert touched(policy, shown, torch.tensor(0.4)) == share  # the same numbers if p is on the device


@pytest.mark.parametrize("name", ["colour", "translation", "cutout"])
def test_so_it_is_with_those_of_diffaugment(name):
    shown = images(2000, 3, 8, 8)
    policy = DiffAugment(**{"colour": 0.0, "translation": 0.0, "cutout": 0.0} | {name: 0.8})
    left = 1 / 9 if name == "translation" else 0  # shifts by -1, 0 and 1 in both directions
    assert touched(policy, shown, 0.4) == pytest.approx(0.32 * (1 - left), abs=0.045)


def alone(name: str, **sizes: float) -> ADA:
    return ADA(**NOTHING | {name: 1.0}, **sizes)


def test_strengths_of_colours_have_the_papers_distributions():
    shown = torch.full((4000, 1, 1, 1), 0.5)
    brighter = (augmented(alone("brightness"), shown) - shown).flatten()
    assert brighter.mean().abs() < 4 * 0.2 / 4000 ** 0.5
    assert brighter.std().item() == pytest.approx(0.2, rel=0.05)
    octaves = (augmented(alone("contrast"), shown) / shown).flatten().log2()
    assert octaves.mean().abs() < 4 * 0.5 / 4000 ** 0.5
    assert octaves.std().item() == pytest.approx(0.5, rel=0.05)
    assert {*augmented(alone("luma_flip"), shown).round(decimals=5).flatten().tolist()} == {-0.5, 0.5}


def test_colours_of_diffaugment_are_uniform_on_their_ranges():
    shown = torch.zeros(4000, 3, 1, 2)
    shown[..., 1], shown[:, 0] = 0.4, 0.9
    changed = augmented(DiffAugment(translation=0, cutout=0), shown)
    brightness = changed.mean((1, 2, 3)) - shown.mean((1, 2, 3))  # which neither of the others changes
    contrast = (changed.mean(1) - shown.mean(1)).diff(dim=2).flatten() / shown.mean(1)[0].diff().item() + 1
    spread = (changed - changed.mean(1, keepdim=True))[:, 1, 0, 0] / (shown - shown.mean(1, keepdim=True))[0, 1, 0, 0]
    saturation = spread / contrast
    for numbers, low, high in ((brightness, -0.5, 0.5), (contrast, 0.5, 1.5), (saturation, 0.0, 2.0)):
        shares = torch.histc(numbers, 4, low, high) / 4000
        assert low - 1e-4 < numbers.min() and numbers.max() < high + 1e-4
        assert (shares - 0.25).abs().max() < 4 * (0.1875 / 4000) ** 0.5


def test_diffaugment_cuts_out_half_of_each_side_and_shifts_by_an_eighth():
    shown = torch.ones(500, 1, 8, 8)
    covered = (augmented(DiffAugment(colour=0, translation=0), shown) == 0).sum((1, 2, 3))
    assert covered.max() == 16 and covered.min() == 4  # whole, and with the centre on a corner
    moved = augmented(DiffAugment(colour=0, cutout=0), shown)
    for axis in (2, 3):
        assert {*moved.amax(axis).sum(2).flatten().tolist()} == {7, 8}  # rows or columns that are left


def test_noise_has_a_deviation_of_its_own_for_each_image():
    noise = augmented(alone("noise"), torch.zeros(1500, 1, 8, 8))
    deviations = noise.flatten(1).std(1)
    assert deviations.square().mean().sqrt().item() == pytest.approx(0.1, rel=0.06)  # |N(0, 1)| has the square mean 1
    assert deviations.mean().item() == pytest.approx(0.1 * (2 / torch.pi) ** 0.5, rel=0.06)


def test_ada_covers_half_of_each_side():
    covered = (augmented(alone("cutout"), torch.ones(3000, 1, 16, 16)) == 0).double().mean().item()
    assert covered == pytest.approx(0.4375 ** 2, rel=0.05)  # of a side a half, less 1/32 at each border


@pytest.mark.parametrize("name", POLICIES)
def test_first_and_second_derivatives(name):
    policy, shown = POLICIES[name](), images(2, 3, 3, 4, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda shown: augmented(policy, shown), (shown,))
    assert torch.autograd.gradgradcheck(lambda shown: augmented(policy, shown).square(), (shown,))


@pytest.mark.parametrize("name", POLICIES)
def test_numbers_are_those_of_the_place_in_the_batch_and_of_no_other_step(name):
    policy, shown = POLICIES[name](), images(4, 3, 6, 5)
    whole = augmented(policy, shown)
    halves = [augmented(policy, half, rank=rank, num_processes=2) for rank, half in enumerate(shown.chunk(2))]
    torch.testing.assert_close(torch.cat(halves), whole)
    assert torch.equal(augmented(policy, shown), whole)
    for place in ({"step": 4}, {"seed": 1}):
        assert not torch.equal(augmented(policy, shown, **place), whole)
    streams = RandomStreams(0, 3)
    assert not torch.equal(policy(shown, 1.0, streams), policy(shown, 1.0, streams))


def test_half_precision_is_left_before_anything_is_computed():
    shown, policy = images(4, 3, 8, 8), ADA(**EVERYTHING)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(augmented(policy, shown), augmented(policy, shown))
        inside = augmented(policy, shown)
    assert torch.equal(inside, augmented(policy, shown))
    assert augmented(policy, shown.bfloat16()).dtype is torch.float32


def preset(name: str) -> dict:
    return read_yaml(CONF / "tricks" / "augment" / "policy" / f"{name}.yaml")


def test_presets_are_those_of_the_papers():
    """ADA's bgc and bgcfnc, and R3GAN's pipe (Huang et al. 2024)."""
    geometry, colours = TRANSFORMATIONS[:7], TRANSFORMATIONS[7:12]
    for name, of_colours, rest in (("ada", 1, (0, 0, 0)), ("ada_all", 1, (1, 1, 1)), ("r3gan", 0.5, (0, 0, 1))):
        policy = preset(name)["policy"]
        assert [policy[each] for each in geometry] == [1] * 7
        assert [policy[each] for each in colours] == [of_colours] * 5
        assert tuple(policy[each] for each in ("filtering", "noise", "cutout")) == rest
    upright = preset("ada_upright")["policy"]
    upright.pop("_target_")
    assert [*ADA(**upright).reorienting()] == []
    assert [*ADA().reorienting()] == ["x_flip", "quarter_turn", "rotation"]
    assert [*DiffAugment().reorienting()] == []


@pytest.mark.parametrize(("settings", "message"), [
    ({"x_flip": 1.5}, "tricks.augment.policy.x_flip=1.5 must be from 0 to 1"),
    ({"scale_size": -1}, "tricks.augment.policy.scale_size=-1 must be at least 0")])
def test_a_strength_out_of_range_is_named(settings, message):
    with pytest.raises(ValueError, match=message):
        ADA(**settings)

import copy
import io

import numpy
import pytest
import torch
from torch import nn

from saddlepoint.game.schedule import Linear as LinearSchedule
from saddlepoint.tricks.ema import Average, ExponentialMovingAverage, gamma_of
from saddlepoint.tricks.weights import SpectralNorm
from tests.tricks.stand_ins import Generator, Patches, built, update

BATCH = 8


def filled(generator: nn.Module, value: float) -> nn.Module:
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.fill_(value)
    return generator


def updated(ema: ExponentialMovingAverage, generator: nn.Module, images_seen: int,
            left_out: torch.Tensor | None = None) -> ExponentialMovingAverage:
    ema.after_generator_step(update(generator=generator, images_seen=images_seen, left_out=left_out))
    return ema


def started(generator: nn.Module, **settings) -> ExponentialMovingAverage:
    ema = ExponentialMovingAverage(**settings)
    ema.build(generator, Patches())
    return ema


def value_of(ema: Average) -> float:
    values = torch.cat([parameter.flatten() for parameter in ema.generator.parameters()])
    torch.testing.assert_close(values, values[0].expand_as(values))
    return values[0].item()


@pytest.mark.parametrize("rampup", [None, 0.05])
@pytest.mark.parametrize("images_seen", [0, 5 * BATCH, 10**6])
def test_the_first_update_is_an_exact_copy(rampup, images_seen):
    generator = Generator()
    ema = started(generator, rampup=rampup)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(torch.randn(parameter.shape))
    updated(ema, generator, images_seen)
    for average, live in zip(ema.generator.parameters(), generator.parameters(), strict=True):
        assert torch.equal(average, live)


def test_an_update_that_the_optimizer_left_out_does_not_count():
    """Where the host does not know whether it was, the average says so itself: it stays, or moves as it always does."""
    for left_out in (0.0, 1.0):
        begun = started(filled(Generator(), 0.25), half_life_images=30, rampup=None)
        ema, asked = copy.deepcopy(updated(begun, filled(Generator(), 0.25), 0)), begun
        before = value_of(ema)
        updated(ema, filled(Generator(), 1.0), BATCH, torch.tensor(left_out))
        updated(asked, filled(Generator(), 1.0), BATCH)
        assert value_of(ema) == (before if left_out else pytest.approx(value_of(asked), rel=1e-6))


def test_the_average_of_weights_that_stay_is_those_weights():
    generator = Generator()
    ema = started(generator, half_life_images=100, rampup=None)
    for images_seen in range(0, 10 * BATCH, BATCH):
        updated(ema, generator, images_seen)
    for average, live in zip(ema.generator.parameters(), generator.parameters(), strict=True):
        assert torch.equal(average, live)


@pytest.mark.parametrize("discriminator_steps", [1, 5])
@pytest.mark.parametrize("half_lives", [1, 2])
def test_a_step_from_0_to_1_is_half_way_after_the_half_life(discriminator_steps, half_lives):
    generator = filled(Generator(), 0.0)
    ema = started(generator, half_life_images=20 * BATCH, rampup=None)
    between = discriminator_steps * BATCH
    first = between - BATCH  # the generator moves with the round's last batch
    updated(ema, generator, first)
    filled(generator, 1.0)
    for images_seen in range(first + between, first + half_lives * 20 * BATCH + 1, between):
        updated(ema, generator, images_seen)
    assert value_of(ema) == pytest.approx(1 - 0.5**half_lives, abs=1e-6)


def test_two_generator_steps_on_one_batch_count_its_images_once():
    generator = filled(Generator(), 0.0)
    ema = started(generator, half_life_images=4 * BATCH, rampup=None)
    updated(ema, generator, 0)
    filled(generator, 1.0)
    for images_seen in range(BATCH, 5 * BATCH, BATCH):
        updated(updated(ema, generator, images_seen), generator, images_seen)
    assert value_of(ema) == pytest.approx(0.5, abs=1e-6)


def test_the_half_life_is_at_most_rampup_times_the_images_seen():
    generator = filled(Generator(), 0.0)
    ema = started(generator, half_life_images=10_000, rampup=0.5)
    updated(ema, generator, 1000)
    updated(ema, filled(generator, 1.0), 2000)  # half-life 0.5 * 2000, reached
    assert value_of(ema) == pytest.approx(0.5, abs=1e-6)
    updated(ema, filled(generator, 0.0), 10**6)
    updated(ema, filled(generator, 1.0), 10**6 + 10_000)  # half-life 10,000: the ramp is over
    assert value_of(ema) == pytest.approx(0.5, abs=1e-6)


def test_the_half_life_follows_its_schedule():
    generator = filled(Generator(), 0.0)
    schedule = LinearSchedule(start=1000, end=3000, images=2000)
    ema = started(generator, half_life_images=schedule, rampup=None)
    updated(ema, generator, 0)
    updated(ema, filled(generator, 1.0), 1000)  # the half-life has become 2000
    assert value_of(ema) == pytest.approx(1 - 0.5**0.5, abs=1e-6)
    assert ema.schedules() == {"half_life_images": schedule}


# The power function profile.

@pytest.mark.parametrize("sigma_rel", [0.28, 0.2, 0.1, 0.05, 0.01])
def test_the_exponent_belongs_to_the_relative_width(sigma_rel):
    """The width of the density (gamma + 1) s^gamma on [0, 1], by integration over a fine grid"""
    gamma = gamma_of(sigma_rel)
    points = (numpy.arange(200_000) + 0.5) / 200_000
    density = (gamma + 1) * points**gamma / 200_000
    mean = (density * points).sum()
    assert density.sum() == pytest.approx(1, rel=1e-6)
    assert (density * (points - mean) ** 2).sum() ** 0.5 == pytest.approx(sigma_rel, rel=1e-5)


def test_an_exponent_of_0_counts_all_weights_alike():
    assert gamma_of(12**-0.5) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("discriminator_steps", [1, 5])
@pytest.mark.parametrize("sigma_rel", [0.25, 0.1])
def test_the_weights_of_time_s_count_like_a_power_of_s(sigma_rel, discriminator_steps):
    """After T updates those of update k have the share (k^a - (k-1)^a) / T^a, a = gamma + 1: the integral of the
    profile over the k-th part of training. A ramp w_k = k comes to their sum, and a constant stays one."""
    steps, ramp, constant = 12, filled(Generator(), 0.0), filled(Generator(), 0.75)
    of_ramp, of_constant = (started(each, sigma_rel=sigma_rel) for each in (ramp, constant))
    power = gamma_of(sigma_rel) + 1
    for number in range(1, steps + 1):
        images_seen = (number * discriminator_steps - 1) * BATCH  # before the last batch of a round
        updated(of_ramp, filled(ramp, float(number)), images_seen)
        updated(of_constant, constant, images_seen)
    expected = sum(number * (number**power - (number - 1) ** power) for number in range(1, steps + 1)) / steps**power
    assert value_of(of_ramp) == pytest.approx(expected, rel=1e-5)
    assert value_of(of_constant) == 0.75


def test_the_profile_after_many_updates_has_the_relative_width():
    """The standard deviation of the time from which weights come, of a ramp and of its square, in parts of training"""
    steps, shares = 4000, numpy.zeros(4000)
    ema = started(Generator(), sigma_rel=0.1)
    for number in range(steps):
        share = ema.live_share(number * BATCH, BATCH)
        shares *= 1 - share
        shares[number] = share
    times = (numpy.arange(steps) + 0.5) / steps
    mean = (shares * times).sum()
    assert shares.sum() == pytest.approx(1)
    assert (shares * (times - mean) ** 2).sum() ** 0.5 == pytest.approx(0.1, rel=1e-3)


# Several averages.

FURTHER = {"short": {"half_life_images": 2 * BATCH, "rampup": None}, "power": {"sigma_rel": 0.1}}


def test_each_average_is_the_one_that_it_would_be_alone():
    generator = filled(Generator(), 0.0)
    all_of_them = started(generator, half_life_images=8 * BATCH, rampup=None, also=FURTHER)
    alone = [started(generator, half_life_images=8 * BATCH, rampup=None), started(generator, **FURTHER["short"]),
             started(generator, **FURTHER["power"])]
    for number in range(6):
        filled(generator, float(number % 4))
        for ema in (all_of_them, *alone):
            updated(ema, generator, number * BATCH)
    together = [all_of_them, *all_of_them.also.values()]
    assert [value_of(each) for each in together] == [value_of(each) for each in alone]
    assert len({value_of(each) for each in alone}) == 3


def test_an_update_that_was_left_out_counts_for_no_average():
    for left_out in (0.0, 1.0):
        generator = filled(Generator(), 0.0)
        ema = started(generator, also=FURTHER)
        updated(ema, generator, 0)
        updated(ema, filled(generator, 1.0), BATCH, torch.tensor(left_out))
        assert [value_of(each) == 0 for each in (ema, *ema.also.values())] == [left_out == 1] * 3


def test_all_averages_are_saved_and_restored():
    generator = filled(Generator(), 0.0)
    one, other = (started(generator, also=FURTHER) for _ in range(2))
    for number, value in enumerate((0.0, 1.0, 0.5)):
        updated(one, filled(generator, value), number * BATCH)
    file = io.BytesIO()
    torch.save(one.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    for ema in (one, other):
        updated(ema, filled(generator, 2.0), 3 * BATCH)
    for mine, theirs in zip((one, *one.also.values()), (other, *other.also.values()), strict=True):
        assert value_of(mine) == value_of(theirs)


def test_images_are_drawn_from_the_average_that_is_named():
    generator = filled(Generator(), 0.0)
    stack = built({"ema": ExponentialMovingAverage(also=FURTHER)}, generator, Patches())
    assert {*stack.averages()} == {"short", "power"}
    for name, expected in ((None, stack["ema"].generator), ("short", stack["ema"].also["short"].generator),
                           ("raw", generator)):
        stack.drawn = name
        assert stack.sampling_generator(generator) is expected


@pytest.mark.parametrize(("also", "message"), [
    ({"Short": {}}, "tricks.ema.also.Short: a name has small letters"),
    ({"raw": {}}, "tricks.ema.also.raw: a name has small letters, digits and _, begins with a letter and is"),
    ({"training": {}}, "tricks.ema.also.training: a name .* nor one that torch has for itself"),
    ({"short": {"half_life_images": None}}, "tricks.ema.also.short.half_life_images=null must be real images"),
    ({"short": {"decay": 0.9}}, "tricks.ema.also.short.decay=0.9 is no setting of an average: type half_life_images"),
    ({"short": {"half_life_images": 0}}, "tricks.ema.also.short.half_life_images"),
    ({"short": {"sigma_rel": 0.4}}, "tricks.ema.also.short.sigma_rel=0.4 must be above 0 and at most 0.28"),
    ({"short": {"sigma_rel": 0.1, "rampup": 0.1}}, "tricks.ema.also.short has sigma_rel and rampup: an average has"),
])
def test_a_further_average_that_cannot_be_is_named(also, message):
    with pytest.raises(ValueError, match=message):
        ExponentialMovingAverage(also=also)


def test_running_statistics_are_copied():
    generator = Generator().train()
    ema = started(generator, half_life_images=10**9, rampup=None)
    for images_seen in (0, BATCH):
        generator(torch.randn(4, 6), None)
        updated(ema, generator, images_seen)
    assert int(generator.layers[2].num_batches_tracked) == 2
    for average, live in zip(ema.generator.buffers(), generator.buffers(), strict=True):
        assert torch.equal(average, live) and average is not live


def test_samples_come_from_the_average_in_evaluation_mode_and_the_live_generator_is_left_alone():
    generator = Generator()
    stack = built({"ema": ExponentialMovingAverage()}, generator, Patches())
    before = copy.deepcopy(generator)
    stack.train()
    updated(stack["ema"], generator, 0)
    sampling = stack.sampling_generator(generator)
    assert sampling is not generator and not sampling.training and generator.training
    assert not any(parameter.requires_grad for parameter in sampling.parameters())
    for now, then in zip(generator.parameters(), before.parameters(), strict=True):
        assert torch.equal(now, then) and now.requires_grad
    sampling.layers[0].weight.fill_(7)
    assert not (generator.layers[0].weight == 7).any()


def test_the_average_and_the_moment_of_its_last_update_are_saved_and_restored():
    generator = filled(Generator(), 0.0)
    one, other = (started(generator, half_life_images=1000, rampup=None) for _ in range(2))
    updated(updated(one, generator, 0), filled(generator, 1.0), 500)
    file = io.BytesIO()
    torch.save(one.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    for ema in (one, other):
        updated(ema, generator, 1000)
    assert value_of(one) == value_of(other) == pytest.approx(0.5, abs=1e-6)


def test_it_averages_a_generator_under_spectral_norm():
    generator, latents = Generator(), torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    tricks = {"ema": ExponentialMovingAverage(), "spectral_norm": SpectralNorm(generator=True)}
    stack = built(tricks, generator, Patches())
    generator(latents, None)
    updated(stack["ema"], generator, 0)
    assert torch.equal(stack.sampling_generator(generator)(latents, None), generator.eval()(latents, None))


def test_a_setting_out_of_range_is_named():
    with pytest.raises(ValueError, match="tricks.ema.half_life_images"):
        ExponentialMovingAverage(half_life_images=0)
    with pytest.raises(ValueError, match="tricks.ema.rampup"):
        ExponentialMovingAverage(rampup=0)
    with pytest.raises(ValueError, match="tricks.ema.sigma_rel=0.3 must be above 0 and at most 0.28"):
        ExponentialMovingAverage(sigma_rel=0.3)

import copy
import io

import pytest
import torch
from torch import nn

from saddlepoint.game.schedule import Linear as LinearSchedule
from saddlepoint.tricks.ema import ExponentialMovingAverage
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


def value_of(ema: ExponentialMovingAverage) -> float:
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

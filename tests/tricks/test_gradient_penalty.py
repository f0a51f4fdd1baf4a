import math

import pytest
import torch
from torch import nn

from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.schedule import Linear as LinearSchedule
from saddlepoint.tricks.gradient_penalty import R1, R2, Dragan, WassersteinGradientPenalty
from saddlepoint.tricks.instance_noise import InstanceNoise
from tests.tricks.stand_ins import IMAGE, TRICKS, Linear, Patches, Quadratic, built, images, recipe, step

PENALTIES = ["wgan_gp", "dragan", "r1", "r2"]
LENGTH = math.prod(IMAGE)


@pytest.fixture
def weight():
    return torch.linspace(-0.5, 1, LENGTH)


def patches() -> Patches:
    torch.manual_seed(3)
    return Patches()


def test_wgan_gp_of_a_linear_critic(weight):
    critic = Linear(weight)
    term = WassersteinGradientPenalty(weight=10).discriminator_loss(step(critic))
    norm = weight.norm()
    torch.testing.assert_close(term, 10 * (norm - 1) ** 2)
    term.backward()
    torch.testing.assert_close(critic.weight.grad, 20 * (norm - 1) * weight / norm)


@pytest.mark.parametrize("penalty", [R1, R2])
def test_r1_and_r2_of_a_linear_critic(penalty, weight):
    critic = Linear(weight)
    term = penalty(gamma=3).discriminator_loss(step(critic))
    torch.testing.assert_close(term, 1.5 * weight.square().sum())
    term.backward()
    torch.testing.assert_close(critic.weight.grad, 3 * weight)


def test_r1_is_measured_at_reals_and_r2_at_fakes():
    update = step(Quadratic(), real=images(4, seed=5), fake=images(6, seed=6))
    for penalty, at in ((R1(gamma=1), update.real), (R2(gamma=1), update.fake)):
        torch.testing.assert_close(penalty.discriminator_loss(update), at.flatten(1).square().sum(1).mean() / 2)


def test_wgan_gp_is_measured_on_the_lines_between_real_and_fake():
    real, fake = images(8, seed=1), images(8, seed=2)
    mixing = RandomStreams(seed=7, step=3).uniform("wgan_gp", (8, 1, 1, 1))
    norms = torch.stack([(e * x + (1 - e) * y).norm() for e, x, y in zip(mixing, real, fake, strict=True)])
    update = step(Quadratic(), real=real, fake=fake, draws=RandomStreams(seed=7, step=3))
    torch.testing.assert_close(WassersteinGradientPenalty(weight=2).discriminator_loss(update),
                               2 * (norms - 1).square().mean())


def test_wgan_gp_mixes_with_one_number_per_image():
    points = WassersteinGradientPenalty().points(step(Quadratic(), real=torch.ones(64, *IMAGE),
                                                      fake=torch.zeros(64, *IMAGE)))
    mixing = points[:, 0, 0, 0]
    assert torch.equal(points, mixing[:, None, None, None].expand_as(points))
    assert 0 <= mixing.min() < 0.1 and 0.9 < mixing.max() < 1 and len(mixing.unique()) == 64


def test_wgan_gp_mixes_every_real_with_a_fake_of_its_own_when_there_are_more_fakes():
    real, fake = torch.zeros(4, *IMAGE), torch.arange(1.0, 9).view(8, 1, 1, 1).expand(8, *IMAGE)
    update = step(Quadratic(), real=real, fake=fake)
    mixing = RandomStreams(seed=0, step=0).uniform("wgan_gp", (4, 1, 1, 1))
    torch.testing.assert_close(WassersteinGradientPenalty().points(update), (1 - mixing) * fake[[0, 2, 4, 6]])


def test_wgan_gp_scores_mixed_images_with_the_labels_of_their_reals():
    labels_scored = []

    class Conditional(Quadratic):
        def forward(self, images, labels):
            labels_scored.append(labels)
            return super().forward(images, labels)

    update = step(Conditional(), fake=images(16))
    WassersteinGradientPenalty().discriminator_loss(update)
    assert len(labels_scored) == 1 and torch.equal(labels_scored[0], update.real_labels)


def test_dragan_of_a_linear_critic(weight):
    term = Dragan(weight=10).discriminator_loss(step(Linear(weight)))
    torch.testing.assert_close(term, 10 * (weight.norm() - 1) ** 2)


def test_dragan_is_measured_within_half_a_standard_deviation_above_each_real():
    real = torch.cat([images(200), torch.full((1, *IMAGE), 0.3)])
    away = Dragan().points(step(Quadratic(), real=real)) - real
    reach = real.flatten(1).std(1, correction=0) / 2
    furthest = away.flatten(1).amax(1)
    assert (away >= -1e-6).all() and (furthest <= reach + 1e-6).all()
    assert (furthest[:200] > 0.9 * reach[:200]).any()
    torch.testing.assert_close(away[200], torch.zeros(IMAGE))


@pytest.mark.parametrize("name", ["wgan_gp", "dragan"])
def test_a_constant_critic_has_a_finite_gradient(name):
    critic = Linear(torch.zeros(LENGTH))
    term = TRICKS[name]().discriminator_loss(step(critic))
    torch.testing.assert_close(term, torch.tensor(10.0), rtol=1e-5, atol=0)
    term.backward()
    assert critic.weight.grad.isfinite().all()


@pytest.mark.parametrize("name", PENALTIES)
def test_a_penalty_is_the_same_however_processes_share_the_batch(name):
    critic, real, fake = patches(), images(6, seed=1), images(12, seed=2)

    def term(rank: int, processes: int):  # with labels 0 1 2 0 1 2 ..., a half starts as the whole does
        draws = RandomStreams(seed=0, step=0, rank=rank, num_processes=processes)
        update = step(critic, real=real.chunk(processes)[rank], fake=fake.chunk(processes)[rank], draws=draws)
        return TRICKS[name]().discriminator_loss(update)

    torch.testing.assert_close((term(0, 2) + term(1, 2)) / 2, term(0, 1))


@pytest.mark.parametrize("penalty", [R1, R2])
def test_a_lazy_penalty_acts_once_in_every_and_is_as_strong_on_average(penalty, weight):
    lazy, eager = penalty(gamma=3, every=4), penalty(gamma=3)
    terms = [lazy.discriminator_loss(step(Linear(weight), images_seen=8 * index)) for index in range(12)]
    assert [index for index, term in enumerate(terms) if term is not None] == [0, 4, 8]
    torch.testing.assert_close(sum(term for term in terms if term is not None) / 12,
                               eager.discriminator_loss(step(Linear(weight))))


@pytest.mark.parametrize("kind", [WassersteinGradientPenalty, Dragan, R1, R2])
def test_the_strength_of_a_penalty_follows_its_schedule(kind, weight):
    strength = LinearSchedule(start=4, end=1, images=300)
    (setting,) = kind().schedules()
    penalty = kind(**{setting: strength})
    first, later = (penalty.discriminator_loss(step(Linear(weight), images_seen=seen)) for seen in (0, 200))
    torch.testing.assert_close(later, first / 2)
    assert penalty.schedules() == {setting: strength}


def test_a_penalty_is_measured_through_the_input_tricks():
    critic = Quadratic()
    noise = built({"instance_noise": InstanceNoise(0.5)}, nn.Identity(), critic)
    update = step(critic, stack=noise, draws=RandomStreams(seed=4, step=2))
    noisy = update.real + 0.5 * RandomStreams(seed=4, step=2).normal("instance_noise", update.real.shape)
    torch.testing.assert_close(R1(gamma=1).discriminator_loss(update), noisy.flatten(1).square().sum(1).mean() / 2)


# What is refused.

@pytest.mark.parametrize("name", [*PENALTIES, "finite_difference"])
def test_a_penalty_refuses_a_discriminator_that_mixes_images(name):
    penalty = TRICKS[name]()
    (problem,) = penalty.problems(recipe({"ema": TRICKS["ema"](), name: penalty},
                                         discriminator=Patches(nn.BatchNorm2d(5))))
    assert f"trick=[{name}]" in problem.reason and "BatchNorm" in problem.reason
    assert problem.instead == {"model.discriminator.normalization": "layer"}
    assert not list(penalty.problems(recipe({name: penalty}, discriminator=Patches(nn.GroupNorm(1, 5)))))


@pytest.mark.parametrize("name", [*PENALTIES, "finite_difference"])
def test_a_penalty_refuses_half_batches(name):
    penalty = TRICKS[name]()
    (problem,) = penalty.problems(recipe({name: penalty}, scoring="half"))
    assert f"trick=[{name}]" in problem.reason and "model.turns.scoring=half" in problem.reason
    assert problem.instead == {"model.turns.scoring": "separate"}


def test_only_wgan_gp_says_that_the_critic_is_lipschitz():
    assert {name for name in PENALTIES if TRICKS[name]().provides} == {"wgan_gp"}
    assert recipe({"wgan_gp": WassersteinGradientPenalty()}).provides("lipschitz")


@pytest.mark.parametrize("make, named", [
    (lambda: WassersteinGradientPenalty(weight=-1), "tricks.wgan_gp.weight"),
    (lambda: Dragan(weight=-1), "tricks.dragan.weight"),
    (lambda: R1(gamma=-1), "tricks.r1.gamma"), (lambda: R2(gamma=-1), "tricks.r2.gamma"),
    (lambda: R1(every=0), "tricks.r1.every"), (lambda: R2(every=0), "tricks.r2.every"),
])
def test_a_setting_out_of_range_is_named(make, named):
    with pytest.raises(ValueError, match=named):
        make()

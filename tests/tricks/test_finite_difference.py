"""R1 and R2 by finite differences, against closed forms, derivatives and passes that are made by hand."""

import copy
from itertools import product
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from saddlepoint.errors import RequestError
from saddlepoint.game.precision import Bfloat16
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.repeated_draws import KeptDraws
from saddlepoint.game.schedule import Linear as LinearSchedule
from saddlepoint.networks.minibatch import MinibatchDeviation
from saddlepoint.tricks.augment import Augment
from saddlepoint.tricks.augmentation.diffaugment import DiffAugment
from saddlepoint.tricks.finite_difference import FiniteDifference
from saddlepoint.tricks.gradient_penalty import R1
from saddlepoint.tricks.instance_noise import InstanceNoise
from saddlepoint.tricks.look_ahead import with_own_buffers
from tests.tricks.stand_ins import IMAGE, Linear, Patches, Quadratic, built, images, recipe, step

# Equally many of each: the mean over all triples is that over three normal numbers for every polynomial of a degree of
# at most 5 in each of them (Gauss and Hermite, whose weights are 1/6, 4/6 and 1/6).
NODES = [-3**0.5, 0, 0, 0, 0, 3**0.5]
TRIPLES = torch.tensor([*product(NODES, repeat=3)], dtype=torch.float64)
WEIGHT = torch.linspace(-0.5, 1, 24)


def noise(count: int = 8, nth: int = 0) -> Tensor:
    """What the penalty of a step of seed 0 adds, before it is scaled: first to reals, then to fakes"""
    draws = RandomStreams(seed=0, step=0)
    return [draws.normal("finite_difference", (count, *IMAGE)) for _ in range(nth + 1)][-1]


class Form(nn.Module):
    """D(x) = x'Ax/2 + w'x"""

    def __init__(self, matrix: Tensor, weight: Tensor | float = 0.0):
        super().__init__()
        self.matrix, self.weight = matrix, weight

    def forward(self, points: Tensor, labels: Tensor) -> Tensor:
        return ((points @ self.matrix) * points / 2 + self.weight * points).sum(1)


def mean_over_noise(critic: nn.Module, at: Tensor, **settings) -> Tensor:
    """The penalty at one point [3], exact for polynomials of at most the second degree"""
    points = at.expand(len(TRIPLES), 3)
    update = step(critic, real=points, fake=points, draws=SimpleNamespace(
        normal=lambda purpose, shape: TRIPLES, num_processes=1))
    return FiniteDifference(gamma=2, sides="real", **settings).discriminator_loss(update)


@pytest.mark.parametrize("sigma", [0.01, 0.7])
def test_its_mean_for_a_quadratic_form_is_the_closed_form(sigma):
    matrix = torch.tensor([[2.0, -1, 0.5], [-1, 0.3, 1.5], [0.5, 1.5, -1.2]], dtype=torch.float64)
    at = torch.tensor([0.4, -1.1, 0.9], dtype=torch.float64)
    closed = (matrix @ at).square().sum() + sigma**2 / 4 * (matrix.trace() ** 2 + 2 * matrix.square().sum())
    torch.testing.assert_close(mean_over_noise(Form(matrix), at, sigma=sigma), closed)


@pytest.mark.parametrize("sigma", [0.01, 5.0])
def test_its_mean_for_a_linear_critic_is_r1(sigma):
    weight, at = torch.tensor([0.5, -2.0, 1.0], dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    critic = Form(torch.zeros(3, 3, dtype=torch.float64), weight)
    torch.testing.assert_close(mean_over_noise(critic, at, sigma=sigma), weight.square().sum())
    update = step(critic, real=at.expand(8, 3), fake=at.expand(8, 3))
    torch.testing.assert_close(R1(gamma=2).discriminator_loss(update), weight.square().sum())


def test_many_draws_come_to_r1():
    """Of 8,192 images the mean of a linear critic has a standard error of sqrt(2 / 8192) = 1.6 %."""
    update = step(Linear(WEIGHT), real=images(8192), fake=images(8192))
    term = FiniteDifference(gamma=2, sides="real").discriminator_loss(update)
    torch.testing.assert_close(term, WEIGHT.square().sum(), rtol=5 * (2 / 8192) ** 0.5, atol=0)


def test_the_noise_of_its_gradient_grows_with_the_number_of_pixels():
    """A linear D with weights for each image has one gradient for each: (e'w)e of d = 24 numbers, whose mean is w and
    whose variance, summed over the numbers, is (d + 1)|w|^2."""
    count = 8192

    class Apart(Linear):
        def forward(self, images: Tensor, labels: Tensor) -> Tensor:
            return (images.flatten(1) * self.weight).sum(1)

    critic = Apart(WEIGHT.repeat(count, 1))
    update = step(critic, real=images(count), fake=images(count))
    FiniteDifference(gamma=count, sigma=0.1, sides="real").discriminator_loss(update).backward()
    variance = (critic.weight.grad - WEIGHT).square().sum(1).mean() / WEIGHT.square().sum()
    torch.testing.assert_close(critic.weight.grad.mean(0), WEIGHT, rtol=0, atol=0.15)
    assert variance.item() == pytest.approx(25, rel=0.1)


def test_a_small_change_of_patches_is_the_derivative_along_the_noise():
    """A conditional D: images keep their labels, and the logits of an image's patches are summed."""
    torch.manual_seed(3)
    critic, real = Patches().double(), images(8, seed=1).double()
    labels = torch.arange(8) % 3
    _, slopes = torch.func.jvp(lambda shown: critic(shown, labels).sum((1, 2, 3)), (real,), (noise().double(),))
    update = step(critic, real=real)
    term = FiniteDifference(gamma=2, sigma=1e-4, sides="real").discriminator_loss(update)
    torch.testing.assert_close(term, slopes.square().mean(), rtol=1e-3, atol=0)


def test_each_side_has_noise_of_its_own():
    critic = Linear(WEIGHT)

    def term(sides: str) -> Tensor:
        return FiniteDifference(gamma=2, sides=sides).discriminator_loss(step(critic))

    first, second = ((noise(nth=nth).flatten(1) @ WEIGHT).square().mean() for nth in (0, 1))
    for sides, expected in (("real", first), ("fake", first), ("both", first + second)):
        torch.testing.assert_close(term(sides), expected, rtol=1e-3, atol=0)


def test_it_is_measured_at_the_side_it_is_on():
    real, fake = images(8, seed=5), 3 * images(8, seed=6)
    for sides, at in (("real", real), ("fake", fake)):
        update = step(Quadratic(), real=real, fake=fake)
        term = FiniteDifference(gamma=2, sigma=1e-3, sides=sides).discriminator_loss(update)
        slopes = (at * noise()).flatten(1).sum(1)
        torch.testing.assert_close(term, slopes.square().mean(), rtol=0.02, atol=0)


def test_all_parts_of_a_side_are_changed():
    """D(x, c) = w'x + v'c, as where D judges pairs of an image and its latents"""
    class OfPairs(Linear):
        def forward(self, images: Tensor, codes: Tensor, labels: Tensor) -> Tensor:
            return super().forward(images, labels) + codes.sum(1)

    pair = (images(8, seed=1), torch.zeros(8, 6))
    term = FiniteDifference(gamma=2, sides="real").discriminator_loss(step(OfPairs(WEIGHT), real=pair, fake=pair))
    draws = RandomStreams(seed=0, step=0)
    of_images, of_codes = (draws.normal("finite_difference", tuple(part.shape)) for part in pair)
    expected = (of_images.flatten(1) @ WEIGHT + of_codes.sum(1)).square().mean()
    torch.testing.assert_close(term, expected, rtol=1e-3, atol=0)


def test_its_gradient_is_that_of_its_formula():
    critic = Linear(WEIGHT.clone())
    FiniteDifference(gamma=3, sides="real").discriminator_loss(step(critic)).backward()
    of_noise = noise().flatten(1)
    torch.testing.assert_close(critic.weight.grad, 3 * (of_noise * (of_noise @ WEIGHT)[:, None]).mean(0), rtol=1e-3,
                               atol=1e-3)


def test_one_image_in_four_is_looked_at_with_its_label():
    shown = []

    class Looking(Quadratic):
        def forward(self, images, labels):
            shown.append((images, labels))
            return super().forward(images, labels)

    update = step(Looking(), real=images(8, seed=1))
    FiniteDifference(sides="real", one_image_in=4).discriminator_loss(update)
    (first, first_labels), (second, second_labels) = shown
    assert torch.equal(first, update.real[[0, 4]]) and second.shape == first.shape
    assert torch.equal(first_labels, update.real_labels[[0, 4]]) and torch.equal(first_labels, second_labels)


def test_the_noise_is_the_same_however_processes_share_the_batch():
    torch.manual_seed(3)
    critic, real, fake = Patches(), images(12, seed=1), images(12, seed=2)

    def term(rank: int, processes: int):  # with labels 0 1 2 0 1 2 ..., a half starts as the whole does
        draws = RandomStreams(seed=0, step=0, rank=rank, num_processes=processes)
        update = step(critic, real=real.chunk(processes)[rank], fake=fake.chunk(processes)[rank], draws=draws)
        return FiniteDifference(one_image_in=3).discriminator_loss(update)

    torch.testing.assert_close((term(0, 2) + term(1, 2)) / 2, term(0, 1))


def test_it_acts_once_in_every_and_is_as_strong_on_average():
    lazy, eager = FiniteDifference(gamma=3, every=4), FiniteDifference(gamma=3)
    terms = [lazy.discriminator_loss(step(Linear(WEIGHT), images_seen=8 * index)) for index in range(8)]
    assert [index for index, term in enumerate(terms) if term is not None] == [0, 4]
    torch.testing.assert_close(terms[4], 4 * eager.discriminator_loss(step(Linear(WEIGHT))))


def test_both_numbers_follow_their_schedules():
    gamma, sigma = LinearSchedule(start=4, end=1, images=300), LinearSchedule(start=0.1, end=0.4, images=300)
    penalty = FiniteDifference(gamma=gamma, sigma=sigma)
    assert penalty.schedules() == {"gamma": gamma, "sigma": sigma}
    at_200 = FiniteDifference(gamma=2, sigma=0.3).discriminator_loss(step(Quadratic(), images_seen=200))
    torch.testing.assert_close(penalty.discriminator_loss(step(Quadratic(), images_seen=200)), at_200)


# One derivative.

class Cube(torch.autograd.Function):
    """x^3, of which torch has one derivative only"""

    @staticmethod
    def forward(context, values):
        context.save_for_backward(values)
        return values**3

    @staticmethod
    def backward(context, gradient):
        if torch.is_grad_enabled():  # for a second one
            raise RuntimeError("a derivative is differentiated")
        return 3 * context.saved_tensors[0] ** 2 * gradient


class Once(Linear):
    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return Cube.apply(super().forward(images, labels))


def test_a_discriminator_of_one_derivative_can_be_penalised():
    critic, noted = Once(WEIGHT.clone()), step(Linear(WEIGHT.clone()))
    FiniteDifference(gamma=2, sigma=0.1, sides="real").discriminator_loss(step(critic)).backward()
    twice = noted.discriminator
    before, after = twice(noted.real, None), twice(noted.real + 0.1 * noise(), None)
    ((after**3 - before**3) / 0.1).square().mean().backward()
    torch.testing.assert_close(critic.weight.grad, twice.weight.grad)
    with pytest.raises(RuntimeError, match="a derivative is differentiated"):
        R1(gamma=2).discriminator_loss(step(critic)).backward()


# Both passes are alike.

class Flattened(nn.Module):
    """A layer that autocast rounds"""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(24, 1)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return self.layer(images.flatten(1)).squeeze(1)


@pytest.mark.parametrize("draw", [F.dropout, lambda values, share: torch.native_dropout(values, share, True)[0]],
                         ids=["as a CPU does it", "as a GPU does it"])
def test_both_passes_drop_the_same(draw):
    class Dropping(Linear):
        def forward(self, images: Tensor, labels: Tensor) -> Tensor:
            return draw(images.flatten(1), 0.4) @ self.weight

    critic = Dropping(WEIGHT.clone())
    torch.manual_seed(11)
    term = FiniteDifference(gamma=2, sides="real").discriminator_loss(step(critic))
    term.backward()
    torch.manual_seed(11)
    mask = draw(torch.ones(8, 24), 0.4)
    assert 0.2 < (mask == 0).float().mean() < 0.6
    dropped = mask * noise().flatten(1)
    torch.testing.assert_close(term, (dropped @ WEIGHT).square().mean(), rtol=1e-3, atol=0)
    torch.testing.assert_close(critic.weight.grad, 2 * (dropped * (dropped @ WEIGHT)[:, None]).mean(0), rtol=1e-3,
                               atol=1e-3)


def test_both_passes_have_the_same_noise_of_another_trick():
    critic = Linear(WEIGHT)
    noisy = built({"instance_noise": InstanceNoise(0.5)}, nn.Identity(), critic)
    terms = [FiniteDifference(gamma=2).discriminator_loss(step(critic, **given)) for given in ({}, {"stack": noisy})]
    torch.testing.assert_close(*terms, rtol=1e-3, atol=0)


def test_both_passes_are_augmented_alike():
    critic, policy = Quadratic().double(), DiffAugment()
    stack = built({"augment": Augment(policy)}, nn.Identity(), critic)
    update = step(critic, stack=stack, real=images(8, seed=1).double())
    before, after = (critic(policy(shown, 1.0, RandomStreams(seed=0, step=0)), None)
                     for shown in (update.real, update.real + 0.1 * noise()))
    torch.testing.assert_close(FiniteDifference(gamma=2, sigma=0.1, sides="real").discriminator_loss(update),
                               ((after - before) / 0.1).square().mean())


def test_both_passes_take_the_same_step_of_the_power_iteration():
    torch.manual_seed(2)
    critic = Flattened()
    critic.layer = nn.Sequential(spectral_norm(nn.Linear(24, 6)), nn.Softplus(), nn.Linear(6, 1))
    once, update = copy.deepcopy(critic), step(critic)
    before = once(update.real, None)  # takes the step
    once.layer[0].parametrizations.weight.eval()
    after = once(update.real + 0.1 * noise(), None)
    term = FiniteDifference(gamma=2, sigma=0.1, sides="real").discriminator_loss(update)
    torch.testing.assert_close(term, ((after - before) / 0.1).square().mean())
    for ours, theirs in zip(critic.buffers(), once.buffers(), strict=True):
        assert torch.equal(ours, theirs)
    term.backward()
    assert critic.layer[0].parametrizations.weight.original.grad.isfinite().all()


def test_a_discriminator_at_other_weights_has_buffers_of_its_own():
    """As where G looks ahead (trick=unrolled)"""
    torch.manual_seed(2)
    critic = Flattened()
    critic.layer = nn.Sequential(spectral_norm(nn.Linear(24, 6)), nn.Softplus(), nn.Linear(6, 1))
    elsewhere = with_own_buffers(critic)
    before = copy.deepcopy(critic.state_dict())
    of_elsewhere, of_itself = (FiniteDifference().discriminator_loss(step(each)) for each in (elsewhere, critic))
    torch.testing.assert_close(of_elsewhere, of_itself)
    moved = dict(critic.named_buffers())
    assert any(not torch.equal(moved[name], before[name]) for name in moved)
    for ours, theirs in zip(elsewhere.buffers(), moved.values(), strict=True):
        assert torch.equal(ours, theirs) and ours is not theirs


def test_a_buffer_that_stays_may_be_part_of_the_graph():
    class Filtered(Linear):
        def __init__(self, weight):
            super().__init__(weight)
            self.register_buffer("filter", torch.linspace(0, 1, 24))

        def forward(self, images: Tensor, labels: Tensor) -> Tensor:
            return (images.flatten(1) * self.filter * self.weight).sum(1)

    critic = Filtered(WEIGHT.clone())
    FiniteDifference().discriminator_loss(step(critic)).backward()
    assert critic.weight.grad.isfinite().all()


@pytest.mark.parametrize("by", ["autocast", "a switch"])
def test_the_passes_are_float32_in_every_precision(by):
    critic = Flattened()
    expected = ((noise().flatten(1) @ critic.layer.weight[0]).square()).mean().detach()
    if by == "a switch":
        Bfloat16(critic).is_active = True
        assert not torch.equal(critic(images(8), None), critic.layer(images(8).flatten(1)).squeeze(1))
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=by == "autocast"):
        term = FiniteDifference(gamma=2, sides="real").discriminator_loss(step(critic))
    torch.testing.assert_close(term.detach(), expected, rtol=1e-3, atol=0)
    assert vars(critic).get("precision_in_steps") is None or critic.precision_in_steps.is_active


def test_draws_that_depend_on_values_are_refused():
    with KeptDraws(), pytest.raises(RequestError, match="rrelu_with_noise, which one of its layers calls"):
        F.rrelu(torch.ones(3), training=True)


def test_passes_that_draw_differently_are_refused():
    draws = KeptDraws()
    with draws:
        torch.rand(3)
    with draws.again(), pytest.raises(RequestError, match="second one calls aten.randn.default"):
        torch.randn(3)


def test_what_is_drawn_twice_is_not_what_was_done_to_it_meanwhile():
    draws = KeptDraws()
    with draws:
        first = torch.rand(3)
        as_drawn = first.clone()
        first += 1
    with draws.again():
        assert torch.equal(torch.rand(3), as_drawn)


# What is refused.

def test_images_cannot_be_left_out_of_a_group():
    grouped = Patches(MinibatchDeviation(4))
    penalty = FiniteDifference(one_image_in=2)
    [problem] = penalty.problems(recipe({"finite_difference": penalty}, discriminator=grouped))
    assert problem.reason.startswith("tricks.finite_difference.one_image_in=2 leaves out images, and model."
                                     "discriminator.minibatch_stddev=4")
    assert problem.instead == {"tricks.finite_difference.one_image_in": 1}
    whole = FiniteDifference()
    assert not [*whole.problems(recipe({"finite_difference": whole}, discriminator=grouped))]
    [warning] = whole.warnings(recipe({"finite_difference": whole}, discriminator=grouped))
    assert "a score depends on its whole group" in warning


@pytest.mark.parametrize(("settings", "named"), [
    ({"gamma": -1}, "tricks.finite_difference.gamma"), ({"sigma": 0}, "tricks.finite_difference.sigma"),
    ({"sides": "reals"}, "tricks.finite_difference.sides=reals must be one of real, fake, both"),
    ({"every": 0}, "tricks.finite_difference.every"), ({"one_image_in": 0}, "tricks.finite_difference.one_image_in=0")])
def test_a_setting_out_of_range_is_named(settings, named):
    with pytest.raises(ValueError, match=named):
        FiniteDifference(**settings)

import copy

import pytest
import torch

from saddlepoint.game.step import Targets, Update
from saddlepoint.game.trick import Trick, overrides
from saddlepoint.game.trick_stack import TrickStack
from saddlepoint.tricks.weights import SpectralNorm
from tests.tricks.stand_ins import TRICKS, Generator, Patches, built, images, step

POINTS = ["contest", "discriminator_input", "targets", "discriminator_loss", "after_discriminator_step", "opponent",
          "generator_sides", "generator_loss", "after_generator_step", "weights_loss", "both_losses",
          "sampling_generator"]

ACTS_AT = {
    "label_smoothing": {"targets"}, "label_flip": {"targets"}, "instance_noise": {"discriminator_input"},
    "wgan_gp": {"discriminator_loss"}, "dragan": {"discriminator_loss"}, "r1": {"discriminator_loss"},
    "r2": {"discriminator_loss"}, "finite_difference": {"discriminator_loss"},
    "weight_clipping": {"after_discriminator_step"}, "spectral_norm": set(),
    "auxiliary_classifier": {"discriminator_loss", "generator_loss"},
    "ema": {"after_generator_step", "sampling_generator"}, "packing": {"contest"}, "consensus": {"both_losses"},
    "feature_matching": {"generator_loss"}, "mode_seeking": {"generator_loss"}, "path_length": {"generator_loss"},
    "historical_averaging": {"weights_loss", "after_discriminator_step", "after_generator_step"},
    "unrolled": {"opponent", "generator_loss"}, "pull_away": {"generator_loss"},
    "augment": {"discriminator_input", "discriminator_loss", "after_discriminator_step"},
    "consistency": {"discriminator_loss", "generator_loss"}, "lecam": {"discriminator_loss"},
    "top_k": {"generator_sides"}, "orthogonal": {"weights_loss"},
}
PLAIN = Targets(real=torch.tensor(1.0), fake=torch.tensor(0.0))


class Recording(Trick):
    """Writes down where it was called, and marks what passes through it with its number."""

    def __init__(self, number: int, calls: list):
        super().__init__()
        self.number, self.calls = number, calls

    def build(self, generator, discriminator):
        self.calls.append(self.number)

    def discriminator_input(self, images, step):
        return 10 * images + self.number

    def targets(self, targets, step):
        return Targets(10 * targets.real + self.number, targets.fake)

    def discriminator_loss(self, step):
        self.calls.append(self.number)
        return torch.tensor(float(self.number))


class ChangesNetworks(Recording):
    changes_networks = True


class SitsOut(Trick):
    def discriminator_loss(self, step):
        return None


@pytest.fixture
def networks():
    torch.manual_seed(0)
    return Generator(), Patches()


def state(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return copy.deepcopy(network.state_dict())


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_order_given_is_the_order_applied():
    for order in ([1, 2, 3], [3, 1, 2]):
        calls = []
        stack = built({f"trick_{number}": Recording(number, calls) for number in order}, Generator(), Patches())
        update = step(Patches())
        written = float("".join(map(str, order)))
        assert stack.discriminator_input(torch.tensor(0.0), update) == written
        assert stack.targets(Targets(torch.tensor(0.0), torch.tensor(0.0)), update).real == written
        assert list(stack.discriminator_losses(update)) == [f"trick_{number}" for number in order]
        assert calls == order + order


def test_tricks_that_change_networks_are_built_first_and_applied_in_the_order_given():
    calls = []
    stack = built({"one": Recording(1, calls), "two": ChangesNetworks(2, calls), "three": Recording(3, calls),
                   "four": ChangesNetworks(4, calls)}, Generator(), Patches())
    assert calls == [2, 4, 1, 3]
    assert list(stack.discriminator_losses(step(Patches()))) == ["one", "two", "three", "four"]
    assert SpectralNorm.changes_networks


def test_a_trick_that_sits_a_step_out_has_no_term():
    stack = built({"out": SitsOut(), "in": Recording(2, [])}, Generator(), Patches())
    assert stack.discriminator_losses(step(Patches())) == {"in": 2.0}


@pytest.mark.parametrize("name", TRICKS)
def test_a_trick_acts_where_it_says_and_nowhere_else(name):
    trick = TRICKS[name]()
    assert {point for point in POINTS if overrides(trick, point)} == ACTS_AT[name]


@pytest.mark.parametrize("name", TRICKS)
def test_a_trick_leaves_networks_images_gradients_and_the_global_generator_alone(name, networks):
    generator, discriminator = networks
    stack = built({name: TRICKS[name]()}, generator, discriminator)
    update = step(discriminator.eval(), generator=generator, stack=stack)  # eval: power iteration rests
    real, fake = update.real.clone(), update.fake.clone()
    before = [state(generator), state(discriminator)]
    random = torch.get_rng_state()
    stack.discriminator_input(update.real, update)
    stack.targets(PLAIN, update)
    stack.discriminator_losses(update)
    stack.generator_losses(update)
    after = Update(0, 8, update.random, generator, discriminator)
    stack.after_step("discriminator", after)
    stack.after_step("generator", after)
    assert torch.equal(update.real, real) and torch.equal(update.fake, fake)
    assert same(before[0], state(generator))
    assert same(before[1], state(discriminator)) is (name != "weight_clipping")
    assert all(parameter.grad is None for network in networks for parameter in network.parameters())
    assert torch.equal(torch.get_rng_state(), random)
    assert Targets(torch.tensor(1.0), torch.tensor(0.0)) == PLAIN


@pytest.mark.parametrize("name", [name for name in TRICKS
                                  if name not in ("instance_noise", "augment", "spectral_norm")])
def test_scores_are_bitwise_the_same_with_a_trick_that_changes_no_input_and_no_network(name, networks):
    generator, discriminator = networks
    without = step(discriminator)
    expected = without.score(without.real, without.real_labels)
    with_trick = step(discriminator, stack=built({name: TRICKS[name]()}, generator, discriminator))
    assert torch.equal(with_trick.score(with_trick.real, with_trick.real_labels), expected)


def test_an_empty_stack_hands_back_what_it_is_given(networks):
    generator, discriminator = networks
    stack, update, shown = built({}, generator, discriminator), step(discriminator), images(4)
    assert stack.discriminator_input(shown, update) is shown
    assert stack.targets(PLAIN, update) is PLAIN
    assert stack.discriminator_losses(update) == stack.generator_losses(update) == {}
    assert stack.sampling_generator(generator) is generator
    assert not TrickStack({}).state_dict()


@pytest.mark.parametrize("name", TRICKS)
def test_every_schedule_is_a_setting_that_answers_for_any_number_of_images(name):
    trick = TRICKS[name]()
    for setting, schedule in trick.schedules().items():
        assert getattr(trick, setting) is schedule
        assert isinstance(schedule(0), float) and isinstance(schedule(10**9), float)

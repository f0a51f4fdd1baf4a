import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations
from torch.nn.utils import spectral_norm as hooked_spectral_norm

from saddlepoint.game.schedule import Linear as LinearSchedule
from saddlepoint.tricks.weights import SpectralNorm, WeightClipping
from tests.tricks.stand_ins import TRICKS, Generator, Patches, recipe, update

LABELS = torch.arange(8) % 3
WITH_MATRIX = ("down", "up", "line", "embedding")


class EveryLayer(nn.Module):
    """One layer of each kind that has a weight matrix, and one that has not."""

    def __init__(self):
        super().__init__()
        self.down, self.up = nn.Conv2d(2, 6, 3, stride=2, padding=1), nn.ConvTranspose2d(6, 3, 4, stride=2, padding=1)
        self.norm, self.line, self.embedding = nn.LayerNorm(48), nn.Linear(48, 5), nn.Embedding(3, 5)

    def forward(self, images, labels):
        hidden = self.line(self.norm(self.up(self.down(images)).flatten(1)))
        return (hidden * self.embedding(labels)).sum(1)


def every_layer(seed: int = 0) -> EveryLayer:
    torch.manual_seed(seed)
    network = EveryLayer()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3)
    return network


def shown() -> torch.Tensor:
    return torch.rand(8, 2, 4, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1


def train_forward(network: nn.Module, times: int = 1) -> None:
    network.train()
    for _ in range(times):
        network(shown(), LABELS)


def matrix(network: EveryLayer, name: str) -> torch.Tensor:
    """The layer's weight with its outputs as rows."""
    weight = getattr(network, name).weight
    return (weight.transpose(0, 1) if name == "up" else weight).flatten(1)


# Clipping.

def test_every_weight_of_the_discriminator_is_clamped_and_nothing_else():
    discriminator, generator = Patches(), Generator()
    before, generator_before = copy.deepcopy(discriminator), copy.deepcopy(generator)
    WeightClipping(limit=0.05).after_discriminator_step(update(discriminator, generator=generator))
    for clamped, weight in zip(discriminator.parameters(), before.parameters(), strict=True):
        assert torch.equal(clamped, weight.clamp(-0.05, 0.05)) and clamped.requires_grad
    assert any((weight.abs() > 0.05).any() for weight in before.parameters())
    for now, weight in zip(generator.parameters(), generator_before.parameters(), strict=True):
        assert torch.equal(now, weight)


def test_the_limit_follows_its_schedule():
    discriminator = Patches()
    limit = LinearSchedule(start=0.2, end=0.1, images=100)
    for images_seen, largest in ((0, 0.2), (50, 0.15), (100, 0.1)):
        with torch.no_grad():
            for weight in discriminator.parameters():
                weight.fill_(1)
        WeightClipping(limit).after_discriminator_step(update(discriminator, images_seen=images_seen))
        assert [weight.max().item() for weight in discriminator.parameters()] == pytest.approx([largest] * 5)


def test_an_update_that_the_optimizer_left_out_is_not_followed_by_clipping():
    """Where the host does not know whether it was: the limit may have moved, and the update is made again later."""
    for left_out in (0.0, 1.0):
        discriminator = Patches()
        before = copy.deepcopy(discriminator)
        WeightClipping(limit=0.05).after_discriminator_step(update(discriminator, left_out=torch.tensor(left_out)))
        for now, weight in zip(discriminator.parameters(), before.parameters(), strict=True):
            assert torch.equal(now, weight if left_out else weight.clamp(-0.05, 0.05))


@pytest.mark.parametrize("penalty", ["wgan_gp", "dragan", "r1", "r2", "finite_difference"])
def test_clipping_refuses_a_gradient_penalty(penalty):
    clipping = WeightClipping()
    alone = {"weight_clipping": clipping, "ema": TRICKS["ema"]()}
    (problem,) = clipping.problems(recipe(alone | {penalty: TRICKS[penalty]()}))
    assert f"trick=[{penalty}]" in problem.reason and "trick=[weight_clipping]" in problem.reason
    assert problem.instead == {"trick": ["ema", penalty]}
    assert not list(clipping.problems(recipe(alone)))


# Spectral norm.

def test_the_largest_singular_value_becomes_one():
    network = every_layer()
    before = [torch.linalg.matrix_norm(matrix(network, name), ord=2) for name in WITH_MATRIX]
    assert min(before) > 1.2
    SpectralNorm(power_iterations=5).build(Generator(), network)
    train_forward(network, times=20)
    after = [torch.linalg.matrix_norm(matrix(network.eval(), name), ord=2) for name in WITH_MATRIX]
    torch.testing.assert_close(torch.stack(after), torch.ones(4), atol=1e-4, rtol=0)


def test_the_initialisation_and_the_identity_of_weights_survive():
    network = every_layer()
    before, parameters = copy.deepcopy(network), {id(parameter) for parameter in network.parameters()}
    SpectralNorm().build(Generator(), network.eval())
    assert {id(parameter) for parameter in network.parameters()} == parameters
    for name in WITH_MATRIX:
        layer, weight = getattr(network, name), getattr(before, name).weight
        assert torch.equal(layer.parametrizations.weight.original, weight)
        torch.testing.assert_close(layer.weight / layer.weight.norm(), weight / weight.norm())


def test_only_layers_with_a_weight_matrix_change_and_the_generator_when_asked():
    network, generator = every_layer(), Generator()
    SpectralNorm().build(generator, network)
    parametrised = {name for name, layer in network.named_children() if hasattr(layer, "parametrizations")}
    assert parametrised == set(WITH_MATRIX)
    assert not any(hasattr(layer, "parametrizations") for layer in generator.modules())
    SpectralNorm(generator=True).build(generator, every_layer())
    assert hasattr(generator.layers[0], "parametrizations") and not hasattr(generator.layers[2], "parametrizations")


def test_a_weight_that_is_normalised_already_stays_as_it_is():
    network = every_layer()
    parametrizations.spectral_norm(network.line)
    hooked_spectral_norm(network.down)
    SpectralNorm().build(Generator(), network)
    assert len(network.line.parametrizations.weight) == 1
    assert not hasattr(network.down, "parametrizations")
    train_forward(network)


def test_power_iteration_moves_in_training_and_rests_in_evaluation():
    network = every_layer()
    SpectralNorm().build(Generator(), network)
    vectors = dict(network.named_buffers())
    assert vectors
    for training in (False, True):
        before = {name: vector.clone() for name, vector in vectors.items()}
        network.train(training)(shown(), LABELS)
        assert all(torch.equal(vector, before[name]) for name, vector in vectors.items()) is not training


def test_more_power_iterations_come_closer_in_one_pass():
    def error(power_iterations):
        network = every_layer()
        torch.manual_seed(1)
        SpectralNorm(power_iterations=power_iterations).build(Generator(), network)
        others = torch.randn(5, 48, generator=torch.Generator().manual_seed(4))  # than the vectors have seen
        with torch.no_grad():
            network.line.parametrizations.weight.original.copy_(others)
        network.train()
        return (torch.linalg.matrix_norm(network.line.weight, ord=2) - 1).abs()

    assert error(20) < error(1) / 10


def test_a_normalised_network_is_saved_restored_and_copied_whole():
    network, other = every_layer(seed=0), every_layer(seed=1)
    SpectralNorm().build(Generator(), network)
    SpectralNorm().build(Generator(), other)
    train_forward(network, times=3)
    other.load_state_dict(network.state_dict())
    twin = copy.deepcopy(network)
    expected = network.eval()(shown(), LABELS)
    for restored in (other, twin):
        assert torch.equal(restored.eval()(shown(), LABELS), expected)
    train_forward(twin)
    assert not torch.equal(dict(twin.named_buffers())["line.parametrizations.weight.0._u"],
                           dict(network.named_buffers())["line.parametrizations.weight.0._u"])


def test_it_builds_on_the_meta_device():
    with torch.device("meta"):
        network = EveryLayer()
    SpectralNorm().build(Generator(), network)
    assert network(torch.empty(8, 2, 4, 4, device="meta"), LABELS.to("meta")).shape == (8,)


def test_spectral_norm_beside_batchnorm_warns_and_does_not_refuse():
    trick = SpectralNorm()
    with_batchnorm = recipe({"spectral_norm": trick}, discriminator=Patches(nn.BatchNorm2d(5)))
    (sentence,) = trick.warnings(with_batchnorm)
    assert "trick=[spectral_norm]" in sentence and "model.discriminator.normalization=none" in sentence
    assert not list(trick.problems(with_batchnorm))
    assert not list(trick.warnings(recipe({"spectral_norm": trick}, discriminator=Patches(nn.GroupNorm(1, 5)))))


@pytest.mark.parametrize("kind", [WeightClipping, SpectralNorm])
def test_both_say_that_the_critic_is_lipschitz(kind):
    assert recipe({"a_name": kind()}).provides("lipschitz")


def test_a_setting_out_of_range_is_named():
    with pytest.raises(ValueError, match="tricks.weight_clipping.limit"):
        WeightClipping(limit=0)
    with pytest.raises(ValueError, match="tricks.spectral_norm.power_iterations"):
        SpectralNorm(power_iterations=0)

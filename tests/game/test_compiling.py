"""Games whose networks are compiled take the steps of those that are not. Compiled by aot_eager, which makes graphs of
forward and backward pass as Inductor does, and computes them by torch's own kernels."""

import copy
import math
from collections.abc import Callable
from contextlib import nullcontext

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from saddlepoint.errors import RequestError
from saddlepoint.game import compiling
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.game.compiling import compile_networks, compiled_code_of, torchs_settings
from saddlepoint.game.modes import switched_off
from saddlepoint.game.networks import called_in_training, networks_of
from saddlepoint.game.turns import Turns
from saddlepoint.losses.adversarial import RelativisticAverage, Wasserstein
from saddlepoint.tricks.ema import ExponentialMovingAverage
from saddlepoint.tricks.finite_difference import FiniteDifference
from saddlepoint.tricks.gradient_penalty import R1, R2, Dragan, GradientPenalty, WassersteinGradientPenalty
from saddlepoint.tricks.instance_noise import InstanceNoise
from saddlepoint.tricks.weights import SpectralNorm
from tests.composing import options
from tests.game.playing import TinyDiscriminator, TinyGenerator, batches, game, play, same, weights
from tests.game.test_contests import two_domains
from tests.game.test_waits import game as game_without_numbers
from tests.training.test_compiling import RECIPES as RUNS

SMALL = ("data.image_size=16",)
UPSCALING = ("data=sr_folder", "perceptual=random", "data.image_size=32", "model.generator.num_blocks=1")
OF_VOXELS = ("data=made_voxels", "data.edge=8")
OF_MODELS = {  # what an option of model= needs beside itself; the fewer layers, the sooner they are followed
    "acgan": ("trick=[auxiliary_classifier]", *SMALL), "acgan_dcgan": ("trick=[auxiliary_classifier]", *SMALL),
    "ebgan": ("loss=ebgan", *SMALL), "semi_supervised": ("data=partly_labelled_digits",),
    "bigan": SMALL, "dcgan": SMALL, "projection": ("trick=[spectral_norm]", *SMALL), "resnet": SMALL,
    "srgan": UPSCALING, "esrgan": UPSCALING, "real_esrgan": UPSCALING, "infogan": ("data.image_size=28",),
    "lapgan": ("model.generator.levels=2",),
    "pix2pix": ("data=photo_edges", "data.image_size=32", "model.generator.levels=3",
                "model.generator.dropout_levels=1", "model.discriminator.halvings=1"),
    "cyclegan": ("data=coloured_digits", "model.generator.num_blocks=1", "model.generator.halvings=1",
                 "model.discriminator.halvings=1"),
    "gan3d": OF_VOXELS, "gan3d_small": OF_VOXELS,
    "points": ("data=ring",), "pacgan_points": ("data=ring",), "dirac": ("data=dirac",),
}
IN_RUNS = {choice.removeprefix("model=") for typed in RUNS.values() for choice in typed if choice.startswith("model=")}
RECIPES = {name: (f"model={name}", *OF_MODELS.get(name, ())) for name in options("model")
           if name not in {"dcgan_small", *IN_RUNS}}  # that of runs which choose none


@pytest.fixture(autouse=True)
def however_long_it_takes(monkeypatch):
    """Beside other work every graph takes so long to compile that it would be told."""
    monkeypatch.setattr(compiling, "LONG_SECONDS", math.inf)


class Critic(TinyDiscriminator):
    """It remembers nothing: what a network keeps in a list is part of its code."""

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return self.layers(images.flatten(1)).squeeze(1)


def small(parts: Callable[[], dict] = dict) -> AdversarialModule:
    torch.manual_seed(2)
    return game(**{"discriminator": Critic(), **parts()})


GAMES = {
    "BatchNorm, EMA": lambda: {"generator": TinyGenerator(normalization=True), "tricks": {
        "ema": ExponentialMovingAverage()}, "discriminator": Critic(normalization=True)},
    "dropout, half a batch, fakes in evaluation mode": lambda: {
        "discriminator": Critic(dropout=0.5), "turns": Turns(scoring="half", fakes_in_eval=True),
        "generator": TinyGenerator(normalization=True)},
    "r1 and r2": lambda: {"tricks": {"r1": R1(3.0), "r2": R2(2.0, every=2)}, "loss": RelativisticAverage()},
    "wgan_gp, dropout": lambda: {"tricks": {"wgan_gp": WassersteinGradientPenalty()}, "loss": Wasserstein(),
                                 "discriminator": Critic(dropout=0.5), "turns": Turns(2)},
    "spectral norm, dragan": lambda: {"tricks": {"dragan": Dragan(), "spectral_norm": SpectralNorm(generator=True)}},
    "finite differences, noise": lambda: {"tricks": {
        "instance_noise": InstanceNoise(0.3), "finite_difference": FiniteDifference(3.0, every=2)}},
    "finite differences, spectral norm": lambda: {"tricks": {
        "spectral_norm": SpectralNorm(), "finite_difference": FiniteDifference(3.0, one_image_in=2)}},
    "finite differences as they are, dropout": lambda: {
        "tricks": {"finite_difference": FiniteDifference(3.0)}, "discriminator": Critic(dropout=0.5)},
    "noise, r1 as it is, simultaneous": lambda: {"tricks": {"instance_noise": InstanceNoise(0.3), "r1": R1(3.0)},
                                                 "turns": Turns(order="simultaneous")},
}


def compiled(module: AdversarialModule, backend: str = "aot_eager", penalties: bool = True) -> list[str]:
    """-> what is told"""
    told: list[str] = []
    compile_networks(module, backend, told.append)
    for trick in module.tricks.values():
        if isinstance(trick, GradientPenalty):
            trick.is_compiled = penalties
    return told


def buffers(network: nn.Module) -> list[Tensor]:
    return [buffer for buffer in network.buffers() if buffer.numel()]


@pytest.mark.parametrize("name", GAMES)
def test_a_compiled_game_is_the_game(name):
    """In float64, so that a few roundings in three steps differ by less than any change of a loss."""
    eager, other = (small(GAMES[name]) for _ in range(2))
    networks = networks_of(other.discriminator, "discriminator")
    assert not compiled(other, penalties=not any(
        trick.reason_against_compiling(other.tricks, networks) for trick in other.tricks.values()
        if isinstance(trick, GradientPenalty)))
    play(eager, batches(3))
    with torchs_settings(other.turns.order == "simultaneous"):
        play(other, batches(3))
    same((other.generator, eager.generator), (other.discriminator, eager.discriminator))
    for ours, theirs in zip(buffers(other), buffers(eager), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)
    for code in map(compiled_code_of, other.networks.values()):
        assert len(code.frames) == 1 and code.graphs


def test_a_change_of_the_loss_would_be_noticed():
    eager, other = small(lambda: {"tricks": {"r1": R1(3.0)}}), small(lambda: {"tricks": {"r1": R1(3.0003)}})
    compiled(other)
    play(eager, batches(3))
    play(other, batches(3))
    with pytest.raises(AssertionError):
        same((other.discriminator, eager.discriminator))


def test_each_contest_has_its_own_penalty():
    eager, other = (two_domains(Critic, tricks={"r1": R1(3.0)}) for _ in range(2))
    compiled(other)
    for module in (eager, other):
        play(module, batches(2))
    same((other.generator, eager.generator), (other.discriminator, eager.discriminator))


class Dropping(Critic):
    """Draws otherwise than by a layer"""

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return super().forward(torch.nn.functional.dropout(images, 0.5), labels)


def test_compiled_code_that_draws_for_itself_is_refused_where_draws_must_be_repeated():
    module = small(lambda: {"tricks": {"finite_difference": FiniteDifference()}, "discriminator": Dropping()})
    compiled(module)
    with pytest.raises(RequestError, match="let it draw by nn.Dropout, or type trainer.compile=false"):
        play(module, batches(1))
    module = small(lambda: {"tricks": {"finite_difference": FiniteDifference()}, "discriminator": Dropping()})
    play(module, batches(1))


class Remembering(Critic):
    """Keeps the mean of what it was shown, which torch.func.grad does not allow."""

    def __init__(self):
        super().__init__()
        self.register_buffer("last", torch.zeros(()))

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        self.last.copy_(images.detach().mean())
        return super().forward(images, labels)


def test_a_penalty_that_cannot_be_compiled_is_told_and_computed_as_it_is():
    eager, other = (small(lambda: {"tricks": {"r1": R1(3.0)}, "discriminator": Remembering()}) for _ in range(2))
    told = compiled(other)
    for module in (eager, other):
        play(module, batches(2))
    same((other.discriminator, eager.discriminator))
    assert len(told) == 1 and told[0].startswith("the gradient of discriminator that R1 penalises is not compiled")


class Looking(pl.Callback):
    """Looks at other batch sizes after each step."""

    def __init__(self):
        self.seen: list[Tensor] = []
        self.graphs: list[int] = []

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_index) -> None:
        for count in (2, 3):
            fakes = module.generator(torch.ones(count, 3).double(), torch.zeros(count, dtype=torch.long))
            self.seen.append(fakes.detach())
        code = compiled_code_of(module.generator)
        self.graphs.append(code.graphs if code else 0)


def test_what_looks_is_not_compiled():
    module, looking = small(), Looking()
    compiled(module)
    play(module, batches(3), looking)
    assert looking.graphs == 3 * [2]  # G's fakes for D, which have no gradients, and for itself
    twin = TinyGenerator().double()
    twin.load_state_dict(module.generator.state_dict())
    expected = twin(torch.ones(3, 3).double(), torch.zeros(3, dtype=torch.long))
    assert torch.equal(looking.seen[-1], expected)


def test_a_copy_and_a_state_dict_know_nothing_of_it():
    module = small()
    before = set(module.state_dict())
    compiled(module)
    assert set(module.state_dict()) == before
    twin = copy.deepcopy(module.generator)
    assert compiled_code_of(twin) is None and compiled_code_of(module.generator)
    assert torch.equal(weights(twin), weights(module.generator))


class Guessing(Critic):
    def class_logits(self, images: Tensor, labels: Tensor) -> Tensor:
        return self.layers[:2](images.flatten(1))


def test_other_methods_of_networks_are_compiled_as_well_and_copied_as_they_are():
    network = Guessing().double()
    module = game(discriminator=network)
    images, labels = batches(1)[0].real, torch.zeros(8, dtype=torch.long)
    expected = network.class_logits(images, labels)
    compiled(module)
    code = compiled_code_of(network)
    assert torch.equal(network.class_logits(images, labels), expected) and not code.graphs
    code.is_active = True
    torch.testing.assert_close(network.class_logits(images, labels), expected)
    assert code.graphs == 1
    with switched_off(code):
        network.class_logits(images[:3], labels[:3])
    twin = copy.deepcopy(network)
    nn.init.zeros_(twin.layers[0].weight)
    twin.class_logits(images[:3], labels[:3])
    assert code.graphs == 1 and code.is_active
    assert not torch.equal(twin.class_logits(images, labels), expected)


class Printing(Critic):
    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        hidden = self.layers[:2](images.flatten(1))
        torch._dynamo.graph_break("the author's print")
        return self.layers[2:](hidden).squeeze(1)


def test_a_network_in_parts_is_told_once():
    module, eager = (small(lambda: {"discriminator": Printing()}) for _ in range(2))
    told = compiled(module)
    play(module, batches(2))
    play(eager, batches(2))
    assert len(told) == 1 and told[0].startswith("discriminator is compiled in parts")
    same((module.discriminator, eager.discriminator))


def test_a_step_inside_a_step_leaves_compiled_code_in_use():
    """As the guard makes steps again."""
    module, seen = game(), []
    code = {}

    def step(batch, index):
        if index:
            module.training_step(batch, index - 1)
        seen.append(code["of"].is_active)

    module.training_step = step
    compiled(module)
    code["of"] = compiled_code_of(module.generator)
    module.training_step(None, 1)
    assert seen == [True, True] and not code["of"].is_active


@pytest.mark.parametrize("name", RECIPES)
def test_every_network_is_one_graph(name, monkeypatch):
    """On tensors without numbers, and without a backend, which takes most of the time. In G's update alone, which calls
    all networks; the games above have D's too. Runs of test_compiling.py in training/ have the other networks."""
    monkeypatch.setattr(torch, "autocast", lambda device, enabled: nullcontext())
    module, batch = game_without_numbers(*RECIPES[name])
    monkeypatch.setattr(module, "update_discriminator", lambda batch, random: None)
    module.images_seen, module.turns.discriminator_steps = 10**6, 1
    told = compiled(module, "eager", penalties=False)
    with torchs_settings(False):
        module.training_step(batch, 0)
    parts = [part for network in module.networks.values() for part in called_in_training(network, "").values()]
    for code in map(compiled_code_of, parts):
        assert code.graphs and len(code.frames) <= 1
    assert not told

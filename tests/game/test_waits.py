"""A step of the game reads nothing from the device and copies nothing to it, so the host never waits.

Every recipe takes rounds of turns on torch's meta device, whose tensors have no numbers: an operation that needs one
raises. Three things of a GPU are not there. Random numbers have no generator on this device, so they are empty tensors
of the right shape. No optimizer is fused there, so SGD stands for all; what a fused one does with the guard's flag is
in test_guard.py. Autocast does not know the device, and is only switched off in a step.
"""

from collections import Counter
from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.nn.utils.parametrizations import _SpectralNorm
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks._hand_written import HandWritten
from saddlepoint import build
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.game.batches import ImageBatch, PairedBatch, PartlyLabelledBatch, PointBatch, VoxelBatch
from saddlepoint.game.guard import FiniteGuard
from saddlepoint.game.optimizers import Optimizers
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.recording import Recorder
from saddlepoint.game.step import Targets
from saddlepoint.game.turns import Turns
from tests.composing import options, settings
from tests.in_conf import classes

META = torch.device("meta")
DIGITS = ("model=mlp", "data=mnist5k", "model.discriminator.normalization=none")
TRICKS = {"auxiliary_classifier": ("model=acgan",)} | {
    name: (*DIGITS, f"trick=[{name}]") for name in options("tricks") if name not in ("all", "auxiliary_classifier")}
TRICKS["parts of networks"] = (
    *DIGITS, "model.generator.normalization=virtual_batch", "model.latents.distribution=mixture", "trick=[ema]",
    "model.discriminator.minibatch_discrimination={kernels:3,dimensions:2}", "model.discriminator.minibatch_stddev=2")
TRICKS["consensus"] = (*TRICKS["consensus"], "model.turns.order=simultaneous")
TRICKS["unrolled"] = (*TRICKS["unrolled"], "tricks.unrolled.optimizer=sgd")  # as SGD stands for all here
TRICKS["pull_away"] = ("model=ebgan", "loss=ebgan", "trick=[pull_away]")
TURNS = [{"discriminator_steps": 2}, {"generator_steps": 2}, {"generator_batch_multiple": 2},
         {"fake_batch_multiple": 2}, {"scoring": "together"}, {"scoring": "half"}, {"order": "simultaneous"},
         {"share_latents": True}, {"fakes_in_eval": True}, {"discriminator_warmup_images": 64}]
ONLY_ON_THE_HOST = (
    "detach", "t", "view", "permute", "squeeze", "unsqueeze", "expand", "select", "slice", "split", "alias", "unbind",
    "as_strided", "transpose", "empty", "empty_like", "new_empty_strided", "new_empty", "_record_function_enter_new",
    "_record_function_exit")
LIMITS = {  # operations of a round on the device, a twentieth above what it takes
    "wgan_gp_cifar10": 1020, "sngan_cifar10": 1751, "esrgan_x4": 600, "pix2pix_facades": 295, "cyclegan_digits": 918,
    "ema": 170, "r1": 206, "infogan_mnist5k": 343,
}
SHALLOW = ("perceptual=random", "model.generator.num_blocks=1")  # what they repeat need not be looked at each time
MOVES_ALWAYS = ("model.turns.rest_above_accuracy=null",)  # whether D rests is decided before a step, and waits
EVERY_STEP = ("tricks.r1.every=1", "tricks.augment.probability.every=1")
SAME_STEPS = {  # as those of another experiment, which has other data, widths or depths
    "biggan_mnist5k", "cyclegan_horses", "dcgan_celeba64", "gan3d_voxels", "lapgan_cifar10", "lecture_cgan_256",
    "notebook_vanilla", "pacgan_grid", "pix2pix_edges", "r3gan_ffhq64", "r3gan_ffhq256", "r3gan_imagenet32",
    "r3gan_imagenet64", "sagan_mnist5k", "stylegan2_mnist5k"}
EXPERIMENTS = {name: (f"experiment={name}", *(SHALLOW if name.endswith("_x4") else ()),
                      *(SHALLOW[1:] if name.startswith("cyclegan") else ()),
                      *(MOVES_ALWAYS if name.startswith("gan3d") else ()),
                      *(EVERY_STEP if name.startswith("stylegan2") else ()))
               for name in options("experiment") if name not in SAME_STEPS}


class Operations(TorchDispatchMode):
    """Counts operations, and notes those with a tensor of the host."""

    def __init__(self):
        super().__init__()
        self.number, self.of_host = Counter(), Counter()

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        result = function(*arguments, **(keywords or {}))
        self.number[str(function)] += 1
        if any(isinstance(each, Tensor) and each.device != META for each in tree_leaves((arguments, keywords, result))):
            self.of_host[str(function)] += 1
        return result


class EmptyDraws(RandomStreams):
    """Draws tensors without numbers."""

    def generator(self, purpose):
        return None

    def normal(self, purpose, shape):
        return torch.empty(shape, device=META)

    uniform = normal

    def of_player(self, player, step):
        return self


class Unread:
    """A number that the host reads later: nobody has it."""

    def __init__(self, number):
        assert number.device == META

    def wait(self):
        return 0.0


def game(*overrides: str) -> tuple[AdversarialModule, tuple]:
    """-> a module on the meta device that is ready for training_step, guarded as on a GPU, and a batch for it"""
    made = settings(*overrides, "callbacks=none", "logger=none", "trainer=cpu")
    with META:
        module = build.module(made)
        batch = batch_of(made, build.data(made).yields)
    module.budget_images = 10**9
    module._trainer = SimpleNamespace(world_size=1, global_rank=0)
    module.players_optimizers = Optimizers(*[partial(torch.optim.SGD, lr=0.1, foreach=True)] * 2)
    optimizers = module.configure_optimizers()
    wrapped = [SimpleNamespace(optimizer=each, param_groups=each.param_groups) for each in optimizers]
    module.optimizers = lambda: wrapped
    module.players_optimizers.directly = True
    for optimizer in optimizers:
        optimizer._step_supports_amp_scaling = True
    module.guard = FiniteGuard(optimizers, META, None, later=Unread)
    module.guard.norms = {"generator": [], "discriminator": []}  # a player's very first update is looked at
    for optimizer in optimizers:
        optimizer.found_inf = None
    module.random_streams = lambda player, *noted: EmptyDraws(0, 0, META, player=player)
    return module, batch


def batch_of(made, kind):
    data, count = made["data"], 4
    if kind is PointBatch:
        return kind(torch.empty(count, data["dimensions"]), torch.zeros(count, dtype=torch.long))
    if kind is VoxelBatch:
        return kind(torch.empty(count, 1, *[data["edge"]] * 3), torch.zeros(count, dtype=torch.long))
    size = data["image_size"]
    real, labels = torch.empty(count, data["channels"], size, size), torch.zeros(count, dtype=torch.long)
    if kind is ImageBatch:
        return kind(real, labels)
    if kind is PartlyLabelledBatch:
        return kind(real, labels, real, labels)
    if kind is PairedBatch:
        return kind(real, labels, real[..., ::data["scale"], ::data["scale"]], real)
    return kind(real, labels, torch.empty(count, data["source_channels"], size, size))


def operations(module: AdversarialModule, batch: tuple) -> Counter:
    """Plays at the start of training, and a round after all warm-ups -> the operations of the round"""
    begin(module, batch)
    if module.turns.discriminator_steps == 1:
        module.training_step(batch, 0)  # the first after the warm-ups, whose operations nobody counts
    with Operations() as played:
        for _ in range(module.turns.discriminator_steps):
            module.training_step(batch, 0)
    assert module.discriminator_steps_taken and module.generator_steps_taken
    assert not played.of_host
    return played.number


def begin(module: AdversarialModule, batch: tuple) -> None:
    """Plays a round at the start of training; what comes next is after all warm-ups."""
    turns = module.turns
    turns.discriminator_steps = min(turns.discriminator_steps, 2)  # the others would be the same
    for _ in range(turns.discriminator_steps):
        module.training_step(batch, 0)
    module.images_seen = max(turns.generator_warmup_images, turns.discriminator_warmup_images) + 10**6


def refusals(module: AdversarialModule, batch: tuple) -> list[str]:
    """Lets every kind of step be rehearsed -> what keeps it from being recorded (trainer.record=true)"""
    said = []
    for pool in getattr(module, "pools", {}).values():
        pool.size = len(pool.images)  # full, after which all steps are of one kind
    module.recorder = Recorder(SimpleNamespace(working=nullcontext), said.append)
    kinds = module.recorder.kinds
    for played in range(1, 10):
        module.training_step(batch, 0)
        for kind in kinds.values():
            kind.is_refused |= kind.count == 2  # it is rehearsed, and nothing is here to record it
        if played >= 2 * module.turns.discriminator_steps and all(kind.is_refused for kind in kinds.values()):
            return said
    pytest.fail(f"{[kind.is_refused for kind in kinds.values()]}: kinds of steps that were rehearsed")


@pytest.fixture(autouse=True)
def without_autocast(monkeypatch):
    monkeypatch.setattr(torch, "autocast", lambda device, enabled: nullcontext())


@pytest.fixture(autouse=True)
def one_iteration_at_first(monkeypatch):
    """Spectral norm begins with 15 power iterations, which would take longer than all steps."""
    iterate = _SpectralNorm._power_method
    monkeypatch.setattr(_SpectralNorm, "_power_method", lambda self, weight, number: iterate(self, weight, 1))


@pytest.mark.parametrize("name", [*EXPERIMENTS, *TRICKS])
def test_a_step_never_waits(name):
    module, batch = game(*(EXPERIMENTS | TRICKS)[name])
    if name in LIMITS:
        assert on_the_device(operations(module, batch)) <= LIMITS[name]
    else:
        begin(module, batch)
    assert not refusals(module, batch)


def test_no_kind_of_turns_waits():
    module, batch = game(*DIGITS)
    for setting in TURNS:
        module.turns = Turns(**setting)
        operations(module, batch)


def test_no_loss_waits():
    module, batch = game(*DIGITS, "trick=[label_smoothing]")
    for loss in classes("loss").values():
        module.loss = loss()
        operations(module, batch)


def test_what_would_wait_is_noticed():
    module, batch = game(*DIGITS)
    module.turns.generator_moves = lambda *given: int(module.real_target)  # reads a number
    with pytest.raises(RuntimeError, match="meta"):
        operations(module, batch)
    module, batch = game(*DIGITS)
    module.targets = lambda steps: [Targets(*torch.tensor([1.0, 0.0]).to(META)) for _ in steps]  # copies two
    with pytest.raises(AssertionError, match="aten"):
        operations(module, batch)
    [said] = refusals(module, batch)
    assert "copies between host and device in" in said


def on_the_device(operations: Counter) -> int:
    """The operations that a device computes: views, and memory for results, are the host's business."""
    return sum(count for name, count in operations.items() if name.split(".")[1] not in ONLY_ON_THE_HOST)


def test_a_step_asks_for_little_more_than_one_written_by_hand():
    """In each update it looks for numbers that are not finite, and keeps what the update changes."""
    module, batch = game("model=dcgan", "data=cifar10", "loss=nonsaturating")
    ours = on_the_device(operations(module, batch))
    by_hand = HandWritten(module.generator, module.discriminator, len(batch.real), module.latents.size)
    by_hand.generator_optimizer, by_hand.discriminator_optimizer = (
        torch.optim.SGD(network.parameters(), lr=0.1, foreach=True)
        for network in (module.generator, module.discriminator))
    by_hand.labels = batch.labels
    by_hand.noise = lambda: torch.empty(len(batch.real), module.latents.size, device=META)
    with META, Operations() as played:
        by_hand.step(batch.real)
    assert on_the_device(played.number) < ours <= on_the_device(played.number) + 2 * 12

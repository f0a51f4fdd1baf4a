"""The checks of gpu.py that ask whether a GPU computes what the CPU computes, and the same each time."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import torch
import torch.distributed as distributed
from _gpu_cases import Case, Machine, Outcome, numerics
from torch import Tensor

from saddlepoint import build
from saddlepoint.errors import Diverged
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.game.batches import ImageBatch
from saddlepoint.game.guard import STEPS_AHEAD
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.metrics.context import EvaluationContext
from saddlepoint.parallel import collectives
from saddlepoint.training.callbacks.health import Health
from tests.composing import settings

ROOT = Path(__file__).parent.parent
NARROW = ("model.generator.width=32", "model.discriminator.width=32")
FAMILIES = {
    "dcgan": ("model=dcgan", "data=cifar10"),
    "wgan_gp": ("experiment=wgan_gp_cifar10", *NARROW, "model.turns.discriminator_steps=1"),
    "sngan": ("experiment=sngan_cifar10", *NARROW, "model.turns.discriminator_steps=1"),
    "relativistic, r1, r2, ema": ("model=resnet", "data=cifar10", "loss=relativistic", "trick=[r1,r2,ema]", *NARROW),
    "instance noise, flipped labels": ("model=dcgan", "data=cifar10", "trick=[instance_noise,label_flip]"),
}
TERMS_MAY_DIFFER, GRADIENTS_MAY_DIFFER = 1e-3, 2e-2  # relative, in float32 without TF32


def random_numbers(machine: Machine) -> Iterator[Case]:
    """Checks that a step recorded as a CUDA graph would draw the numbers of a step that is not recorded.

    A generator registered with the graph is seeded before each replay and must draw what a fresh generator of that seed
    draws. A failure means that recording would change runs, so steps must not be recorded. The other measurement says
    whether the CPU draws the GPU's numbers: it does not, so latents differ between the two.
    """
    yield "", partial(replayed_draws, machine)


def replayed_draws(machine: Machine) -> Outcome:
    machine.require_gpu()
    generator, graph = torch.Generator(machine.device), torch.cuda.CUDAGraph()
    latents = torch.empty(64, 100, device=machine.device)
    graph.register_generator_state(generator)
    latents.normal_(generator=generator)
    machine.synchronise()
    with torch.cuda.graph(graph):
        latents.normal_(generator=generator)
    same = []
    for seed in (1, 2, 3):
        generator.manual_seed(seed)
        graph.replay()
        fresh = torch.empty_like(latents).normal_(generator=torch.Generator(machine.device).manual_seed(seed))
        same.append(torch.equal(latents, fresh))
    on_cpu, on_gpu = (torch.empty(8, device=device).normal_(generator=torch.Generator(device).manual_seed(1)).cpu()
                      for device in ("cpu", machine.device))
    return Outcome({"replay draws a fresh generator's numbers": same,
                    "the CPU draws the GPU's numbers": torch.equal(on_cpu, on_gpu)}, passed=all(same))


def found_inf(machine: Machine) -> Iterator[Case]:
    """Checks that fused Adam leaves the weights alone where its flag `found_inf`, set on the device, says so.

    The step is a CUDA graph, so the host cannot step in. A failure means that gradients that are not finite can be kept
    from the weights only by waiting for the GPU in every update, as callbacks.health does.
    """
    yield "", partial(skipped_update, machine)


def skipped_update(machine: Machine) -> Outcome:
    machine.require_gpu()
    weight = torch.nn.Parameter(torch.ones(8, device=machine.device))
    adam = torch.optim.Adam([weight], lr=0.1, fused=True, capturable=True)
    adam.found_inf, adam.grad_scale = torch.zeros((), device=machine.device), None
    weight.grad = torch.ones(8, device=machine.device)
    adam.step()  # makes Adam's state before the graph is recorded
    graph = torch.cuda.CUDAGraph()
    machine.synchronise()
    with torch.cuda.graph(graph):
        adam.found_inf.copy_((~torch.isfinite(weight.grad.norm())).float())
        adam.step()
    start = weight.detach().clone()
    graph.replay()
    after_finite = weight.detach().clone()
    weight.grad.fill_(float("nan"))
    graph.replay()
    moved, stayed = not torch.equal(start, after_finite), torch.equal(after_finite, weight.detach())
    return Outcome({"weights move with finite gradients": moved, "weights stay with gradients of NaN": stayed,
                    "flag": float(adam.found_inf)}, passed=moved and stayed)


class DrawsOnCPU(RandomStreams):
    """RandomStreams on the CPU whose numbers are moved: the same ones for every device."""

    drawn = 0  # by all of them

    def __init__(self, device: torch.device, seed: int, step: int, player: str):
        super().__init__(seed, step, "cpu", player=player)
        self.destination = device

    def _own_rows(self, whole: Tensor) -> Tensor:
        DrawsOnCPU.drawn += 1
        return whole.to(self.destination)


def game(machine: Machine, device: torch.device, overrides: Sequence[str]) -> tuple[AdversarialModule, ImageBatch]:
    """-> a module that is ready for training_step without Lightning, and a batch that is the same on every device"""
    made = settings(*overrides, f"data.batch_size={2 if machine.is_dry else 16}", *machine.narrow, *machine.quiet)
    module = build.module(made).to(device)
    module.to(memory_format=torch.channels_last)
    module.budget_images = 10**9
    module._trainer = SimpleNamespace(world_size=1, global_rank=0)
    optimizers = [SimpleNamespace(optimizer=each, param_groups=each.param_groups)
                  for each in module.configure_optimizers()]
    module.optimizers = lambda: optimizers
    module.players_optimizers.directly = True
    data, source = made["data"], torch.Generator().manual_seed(0)
    size = data["image_size"]
    real = torch.rand(data["batch_size"], data["channels"], size, size, generator=source) * 2 - 1
    labels = torch.randint(max(data["num_classes"], 1), (data["batch_size"],), generator=source)
    return module, ImageBatch(real.to(device), labels.to(device))


def parity(machine: Machine) -> Iterator[Case]:
    """Checks that one step of each family gives the CPU's loss terms and gradients on the GPU, with the same draws.

    The verdict is on float32 without TF32. A failure means that some operation computes something else on the GPU, or
    in the channels_last layout there, and that its networks learn something else. The differences with TF32, torch's
    default in convolutions, are measured only: they say how many digits TF32 costs.
    """
    for family, overrides in FAMILIES.items():
        yield family, partial(against_cpu, machine, overrides)


def against_cpu(machine: Machine, overrides: Sequence[str]) -> Outcome:
    terms, gradients = played(machine, torch.device("cpu"), overrides, tf32=False)
    measured = {}
    for tf32 in (False, True):
        terms_here, gradients_here = played(machine, machine.device, overrides, tf32)
        precision = "with TF32" if tf32 else "in float32"
        measured[f"terms {precision}"] = max(
            abs(terms_here[name] - term) / max(abs(term), 1e-3) for name, term in terms.items())
        measured[f"gradients {precision}"] = max(
            float((gradients_here[name] - gradient).norm() / gradient.norm().clamp(min=1e-6))
            for name, gradient in gradients.items())
    return Outcome(measured, passed=measured["terms in float32"] < TERMS_MAY_DIFFER
                   and measured["gradients in float32"] < GRADIENTS_MAY_DIFFER)


def played(machine: Machine, device: torch.device, overrides: Sequence[str],
           tf32: bool) -> tuple[dict[str, float], dict[str, Tensor]]:
    """-> the mean of each term, and the gradient of each parameter, after one step"""
    with numerics(tf32=tf32):
        module, batch = game(machine, device, overrides)
        module.random_streams = lambda player, *noted: DrawsOnCPU(device, module.seed, module.steps_taken(player),
                                                                   player)
        before = DrawsOnCPU.drawn
        module.training_step(batch, 0)
        if DrawsOnCPU.drawn == before:
            raise RuntimeError("the step drew other numbers than those that are the same on every device")
    terms = {name: float(term.double().mean()) for name, term in module.latest.items()}
    gradients = {name: parameter.grad.double().cpu() for name, parameter in module.named_parameters()
                 if parameter.grad is not None}
    return terms, gradients


def waits(machine: Machine) -> Iterator[Case]:
    """Checks that nothing in a step makes the host wait for the GPU, and names the lines that do.

    A failure means that the GPU stands idle while the host catches up, once a step for each line, and that the step
    cannot be recorded as a CUDA graph. The step is guarded against numbers that are not finite, as it is in a run; that
    the host looks at steps which it asked for some time ago is no part of it.
    """
    for family, overrides in FAMILIES.items():
        yield family, partial(lines_that_wait, machine, overrides)


def lines_that_wait(machine: Machine, overrides: Sequence[str]) -> Outcome:
    module, batch = game(machine, machine.device, overrides)
    watch_health(machine, module)
    for _ in range(STEPS_AHEAD + 2):  # the first steps allocate, and choose algorithms
        module.training_step(batch, 0)
    machine.require_gpu()
    module.settle()
    lines = machine.waits_in(lambda: module.training_step(batch, 0))
    return Outcome({"waits": len(lines), "lines": lines}, passed=not lines)


def watch_health(machine: Machine, module: AdversarialModule) -> Health:
    """Lets callbacks.health guard every update, as it does in a run."""
    context = EvaluationContext(None, None, None, module)
    health = Health(context, on_nonfinite="stop", roll_backs=0, roll_back_lr_factor=0.5, every_images=None,
                    num_images=64, seed=0, on_collapse="warn", collapse_below=0.05, collapse_after_images=10_000,
                    patience=3)
    trainer = SimpleNamespace(default_root_dir=machine.folder, is_global_zero=True, precision_plugin=None,
                              optimizers=[each.optimizer for each in module.optimizers()])
    health.on_train_start(trainer, module)
    return health


def divergence(machine: Machine) -> Iterator[Case]:
    """Checks that a gradient of NaN ends a run in the same update, with the same weights, whether the host looks at
    each update before it is made, or some steps later.

    A failure means that the optimizers' flag does not do on a GPU what it does on a CPU, so that numbers that are not
    finite may reach the weights.
    """
    for optimizer in ("adam", "sgd"):
        yield optimizer, partial(found_late, machine, optimizer)


def found_late(machine: Machine, optimizer: str) -> Outcome:
    found = {}
    with numerics(tf32=False, deterministic=True):
        for name, waits_first in (("looking before", True), ("looking later", False)):
            module, batch = game(machine, machine.device, (*FAMILIES["dcgan"], f"optimizer={optimizer}", "trick=[ema]"))
            module._trainer.strategy = SimpleNamespace(training_step=module.training_step)
            guard = module.guard = watch_health(machine, module).guard
            if waits_first:
                guard.flag = None
                for each in module.optimizers():
                    each.optimizer.found_inf = None
            elif not machine.is_dry and guard.flag is None:
                raise RuntimeError("the guard does not look later on a GPU")
            found[name] = end_of(module, batch)
    (update, weights), (late_update, late_weights) = found.values()
    same = all(torch.equal(weights[each], late_weights[each]) for each in weights if not each.startswith("tricks."))
    finite = all(bool(each.isfinite().all()) for each in late_weights.values())
    return Outcome({"found in the same update": update == late_update, "weights are equal": same,
                    "weights are finite": finite}, passed=update == late_update and finite and same)


def end_of(module: AdversarialModule, batch: ImageBatch) -> tuple[str, dict[str, Tensor]]:
    """Spoils the third gradient of the generator -> what the run said at its end, and its weights"""
    next(module.generator.parameters()).register_hook(
        lambda gradient: gradient * (float("nan") if module.generator_steps_taken == 2 else 1))
    try:
        for _ in range(3 + STEPS_AHEAD):
            module.training_step(batch, 0)
        module.settle()
    except Diverged as end:
        return str(end), {name: each.detach().clone() for name, each in module.named_parameters()}
    raise RuntimeError("nobody noticed a gradient of NaN")


def nccl(machine: Machine) -> Iterator[Case]:
    """Checks what processes compute together, in a group of one over NCCL (in a dry run over gloo).

    With one process every mean is the number itself. A failure means that a collective loses numbers, gradients or the
    memory layout on CUDA tensors, so training with several GPUs cannot be right. Speed and dead peers need two GPUs.
    """
    yield "gloo" if machine.is_dry else "nccl", partial(together_alone, machine)


def together_alone(machine: Machine) -> Outcome:
    meeting = machine.folder / "meeting"
    if not machine.is_dry:
        torch.cuda.set_device(machine.device)
    distributed.init_process_group("gloo" if machine.is_dry else "nccl", f"file://{meeting}", rank=0, world_size=1)
    try:
        with patch.object(collectives, "is_alone", lambda: False):  # else a process alone gets its own numbers back
            return Outcome(measured := collectives_of_one(machine.device), passed=all(measured.values()))
    finally:
        distributed.destroy_process_group()


def collectives_of_one(device: torch.device) -> dict[str, bool]:
    weights = torch.randn(8, 4, 3, 3, device=device).to(memory_format=torch.channels_last)
    tensors = [weights, torch.randn(5, device=device)]
    before = [each.clone() for each in tensors]
    collectives.average_(tensors)
    numbers = torch.randn(4, device=device, requires_grad=True)
    total = collectives.global_mean(numbers.square()).sum()
    gradient, = torch.autograd.grad(total, numbers, create_graph=True)
    gradient.sum().backward()  # the second derivative of a square is 2
    distributed.broadcast(tensors[0], 0)
    return {"averages": all(map(torch.equal, tensors, before)),
            "second derivatives": torch.allclose(numbers.grad, torch.full_like(numbers, 2.0)),
            "largest": collectives.largest(3) == 3,
            "objects": collectives.gather_objects({"a": 1}) == [{"a": 1}]}


CHECKS = {"draws": random_numbers, "found_inf": found_inf, "parity": parity, "waits": waits, "divergence": divergence,
          "nccl": nccl}

"""The two players' optimizers and the learning rate over training."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import pytorch_lightning as pl
from pytorch_lightning.core.optimizer import LightningOptimizer
from pytorch_lightning.plugins.precision import Precision
from pytorch_lightning.strategies import SingleDeviceStrategy
from torch import Tensor, nn
from torch.optim import Optimizer

from saddlepoint.game.callback_group import listens
from saddlepoint.game.schedule import Schedule, as_schedule
from saddlepoint.parallel.strategy import average_gradients

Watch = Callable[[pl.LightningModule, Optimizer, Mapping[str, Tensor]], None]
"""Looks at the terms of an update and the gradients, before the optimizer steps; an exception it raises prevents it."""

HOOKS = ("on_before_zero_grad", "on_before_backward", "on_after_backward", "on_before_optimizer_step")


class Optimizers:
    """One optimizer a network. `schedule` is a factor on both learning rates, in images seen.

    Lightning steps no scheduler under manual optimisation, so the factor is applied in the step.
    """

    def __init__(self, generator: Callable[[Iterable[nn.Parameter]], Optimizer],
                 discriminator: Callable[[Iterable[nn.Parameter]], Optimizer], schedule: Schedule | float = 1.0):
        self.make_generator, self.make_discriminator = generator, discriminator
        self.schedule = as_schedule(schedule)
        self._applied: float | None = None
        self.directly = False
        self.watch: Watch | None = None

    def build(self, generator: nn.Module, discriminator: nn.Module, states: Sequence[dict] = ()) -> list[Optimizer]:
        """-> [the generator's, the discriminator's], parameters that need no gradient left out, in the states given"""
        made = [
            make([parameter for parameter in network.parameters() if parameter.requires_grad])
            for make, network in ((self.make_generator, generator), (self.make_discriminator, discriminator))
        ]
        for optimizer in made:
            for group in optimizer.param_groups:
                group["initial_lr"] = group["lr"]
        for optimizer, state in zip(made, states, strict=False):
            optimizer.load_state_dict(state)
        self._applied = None
        return made

    def apply_schedule(self, optimizers: Iterable[Optimizer], images_seen: int) -> None:
        factor = self.schedule(images_seen)
        if factor == self._applied:
            return
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * factor
        self._applied = factor

    def listen_to(self, trainer: pl.Trainer) -> None:
        """Decide, before the first step, whether Lightning has anything to do in a step."""
        plain = type(trainer.strategy) is SingleDeviceStrategy and type(trainer.precision_plugin) is Precision
        self.directly = plain and not any(listens(callback, HOOKS) for callback in trainer.callbacks)

    def step(self, module: pl.LightningModule, optimizer: LightningOptimizer, terms: Mapping[str, Tensor]) -> Tensor:
        """One update from the sum of `terms`, which is returned. On one device, in plain precision and with nobody at
        the hooks in between, torch is called directly: the same numbers without Lightning's bookkeeping, which costs as
        much as a twentieth of a small step.
        """
        total = sum(terms.values())
        if self.directly:
            optimizer.optimizer.zero_grad()
            total.backward()
        else:
            optimizer.zero_grad()
            module.manual_backward(total)
        average_gradients(optimizer.optimizer)
        if self.watch:
            self.watch(module, optimizer.optimizer, terms)
        (optimizer.optimizer if self.directly else optimizer).step()
        return total

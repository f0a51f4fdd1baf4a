"""The two players' optimizers and the learning rate over training."""

from collections.abc import Callable, Iterable

from torch import nn
from torch.optim import Optimizer

from saddlepoint.tricks.schedule import Schedule, as_schedule


class Optimizers:
    """One optimizer a network. `schedule` is a factor on both learning rates, in images seen.

    Lightning steps no scheduler under manual optimisation, so the factor is applied in the step.
    """

    def __init__(self, generator: Callable[[Iterable[nn.Parameter]], Optimizer],
                 discriminator: Callable[[Iterable[nn.Parameter]], Optimizer], schedule: Schedule | float = 1.0):
        self.make_generator, self.make_discriminator = generator, discriminator
        self.schedule = as_schedule(schedule)
        self._applied: float | None = None

    def build(self, generator: nn.Module, discriminator: nn.Module) -> list[Optimizer]:
        """-> [the generator's, the discriminator's], parameters that need no gradient left out"""
        made = [
            make([parameter for parameter in network.parameters() if parameter.requires_grad])
            for make, network in ((self.make_generator, generator), (self.make_discriminator, discriminator))
        ]
        for optimizer in made:
            for group in optimizer.param_groups:
                group["initial_lr"] = group["lr"]
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

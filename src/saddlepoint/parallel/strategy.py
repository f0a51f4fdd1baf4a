"""Lightning's processes for a game of two networks."""

from typing import Any

import torch
import torch.distributed as distributed
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from saddlepoint.parallel.collectives import average_


class GameStrategy(DDPStrategy):
    """Processes, devices and launchers are Lightning's; the module is not wrapped in DistributedDataParallel.

    That expects one backward a step through all parameters, and a step here has one per player and update, each through
    some of them; told to look for unused parameters it sends both networks' gradients each time. Instead `Optimizers`
    averages the gradients of the one network that moves, after its backward and before its step.
    """

    def configure_ddp(self) -> None:
        """All begin from the first process's weights, though the seed made them alike already."""
        for tensor in self.model.state_dict().values():
            if isinstance(tensor, Tensor):
                distributed.broadcast(tensor, src=0)

    def training_step(self, *arguments: Any, **named: Any) -> Any:
        """Afterwards the running statistics are everyone's mean, so that a network in evaluation mode is the same
        everywhere and the first process's checkpoint is that of all."""
        result = super().training_step(*arguments, **named)
        game = self.lightning_module
        average_([*running_statistics(game.generator), *running_statistics(game.discriminator)])
        return result


def running_statistics(network: nn.Module) -> list[Tensor]:
    return [buffer for layer in network.modules() if isinstance(layer, _BatchNorm)
            for buffer in (layer.running_mean, layer.running_var) if buffer is not None]


def average_gradients(optimizer: torch.optim.Optimizer) -> None:
    """A parameter that had no gradient has none on every process: all of them run the same graph."""
    average_(parameter.grad for group in optimizer.param_groups for parameter in group["params"]
             if parameter.grad is not None)

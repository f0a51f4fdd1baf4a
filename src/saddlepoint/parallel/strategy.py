"""Adapts Lightning's strategy for several processes to a game of two networks."""

from typing import Any

import torch
import torch.distributed as distributed
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from saddlepoint.parallel.collectives import average_


class GameStrategy(DDPStrategy):
    """Lightning's strategy for several processes, without wrapping the module in DistributedDataParallel.

    That wrapper expects one backward a step through all parameters, but a step here has one per player and update,
    each through some of them; with find_unused_parameters it sends both networks' gradients each time. Instead
    `Optimizers` averages the gradients of the one network that moves, after its backward and before its step."""

    def configure_ddp(self) -> None:
        """Gives all processes the first one's weights, though the seed has made them equal already."""
        for tensor in self.model.state_dict().values():
            if isinstance(tensor, Tensor):
                distributed.broadcast(tensor, src=0)

    def training_step(self, *arguments: Any, **named: Any) -> Any:
        """Replaces the running statistics by their mean over the processes after each step, so that a network in
        evaluation mode is the same everywhere and the first process's checkpoint holds for all."""
        result = super().training_step(*arguments, **named)
        game = self.lightning_module
        average_([*running_statistics(game.generator), *running_statistics(game.discriminator)])
        return result


def running_statistics(network: nn.Module) -> list[Tensor]:
    return [buffer for layer in network.modules() if isinstance(layer, _BatchNorm)
            for buffer in (layer.running_mean, layer.running_var) if buffer is not None]


def average_gradients(optimizer: torch.optim.Optimizer) -> None:
    """Averages gradients over the processes. A parameter without a gradient has none on every process, since all run
    the same graph."""
    average_(parameter.grad for group in optimizer.param_groups for parameter in group["params"]
             if parameter.grad is not None)

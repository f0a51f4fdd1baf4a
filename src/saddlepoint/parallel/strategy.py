"""Trains a game of two networks in several processes with Lightning."""

from typing import Any

import torch
import torch.distributed as distributed
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from saddlepoint.parallel.collectives import average_


class GameStrategy(DDPStrategy):
    """A strategy for several processes that does not wrap the module in DistributedDataParallel as Lightning's does.

    That wrapper expects one backward per step, through all parameters. Here a step has one for each update of a player,
    through a part of them, and with find_unused_parameters the wrapper would send the gradients of both networks each
    time. Instead `Optimizers` averages the gradients of the network that moves, between its backward and its step."""

    def configure_ddp(self) -> None:
        """Copies the first process's weights to all processes, for safety: the seed has made them equal already."""
        for tensor in self.model.state_dict().values():
            if isinstance(tensor, Tensor):
                distributed.broadcast(tensor, src=0)

    def training_step(self, *arguments: Any, **named: Any) -> Any:
        """Runs the step, then averages the running statistics over the processes, so that networks in evaluation mode
        are the same in all of them and the first one's checkpoint is that of all."""
        result = super().training_step(*arguments, **named)
        game = self.lightning_module
        average_([*running_statistics(game.generator), *running_statistics(game.discriminator)])
        return result


def running_statistics(network: nn.Module) -> list[Tensor]:
    """Returns the statistics that training changes; those of frozen layers stay to the last bit."""
    return [buffer for layer in network.modules() if isinstance(layer, _BatchNorm) and layer.training
            for buffer in (layer.running_mean, layer.running_var) if buffer is not None]


def average_gradients(optimizer: torch.optim.Optimizer) -> None:
    """Averages gradients over the processes. A parameter without a gradient has none in any process, since all of them
    compute the same graph."""
    average_(parameter.grad for group in optimizer.param_groups for parameter in group["params"]
             if parameter.grad is not None)

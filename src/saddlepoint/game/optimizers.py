"""The optimizers of the two players, and their settings over training."""

import functools
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from pytorch_lightning.plugins.precision import Precision
from pytorch_lightning.strategies import SingleDeviceStrategy
from torch import Tensor, nn
from torch.optim import Optimizer

from saddlepoint.errors import RequestError
from saddlepoint.game.callback_group import listens
from saddlepoint.game.guard import leaves_out
from saddlepoint.game.networks import PLAYERS
from saddlepoint.game.schedule import Schedule, as_schedule
from saddlepoint.game.step import total_of
from saddlepoint.parallel.strategy import average_gradients

HOOKS = ("on_before_zero_grad", "on_before_backward", "on_after_backward", "on_before_optimizer_step")


class Maker(NamedTuple):
    """What makes a player's optimizer, and how its settings change over training."""

    make: Callable[[Iterable[nn.Parameter]], Optimizer]  # with the numbers of the beginning
    changing: Mapping[str, Callable[[int], float | tuple[float, ...]]]  # images seen -> a setting, by name


class Optimizers:
    """One optimizer for each player, with a schedule of their learning rates.

    `schedule` is a factor on both learning rates, as a function of images seen. Any other number that a maker gives its
    optimizer may be a schedule too, also one of several, such as Adam's betas. All are applied in the training step,
    because Lightning calls no scheduler under manual optimisation.

    On a GPU learning rates are tensors, as a recorded step reads them where they are. All steps there have them so,
    recorded or not, as their numbers are float32 and would else differ in the last bits.
    """

    rates_on: Container[str] = ("cuda",)  # types of devices on which learning rates are tensors

    def __init__(self, generator: Callable[[Iterable[nn.Parameter]], Optimizer],
                 discriminator: Callable[[Iterable[nn.Parameter]], Optimizer], schedule: Schedule | float = 1.0):
        self.makers = {"generator": without_schedules(generator), "discriminator": without_schedules(discriminator)}
        # Of a single number each, which say what optimizers there will be.
        self.trials = {player: _try(player, maker.make) for player, maker in self.makers.items()}
        waiting = {type(each).__name__ for each in self.trials.values() if not leaves_out(each)}
        self.waiting = sorted(waiting)  # make the host wait
        self.schedule = as_schedule(schedule)
        self.rates: list[list[float]] = []  # learning rates of each optimizer's groups, as numbers
        self._applied: tuple[float, tuple[dict[str, Any], ...]] | None = None
        self.directly = False

    @property
    def fixed_in_recordings(self) -> list[str]:
        """Settings that change over training and that a recorded step has as plain numbers, by their dotted paths."""
        return [f"optimizer.{player}.{name}" for player, maker in self.makers.items() for name in maker.changing
                if name != "lr"]

    def build(self, parameters: Mapping[str, list[nn.Parameter]], states: Sequence[dict] = ()) -> list[Optimizer]:
        """Returns [G's optimizer, D's optimizer], of these parameters of each player; loads `states` where given."""
        optimizers = [self.makers[player].make(parameters[player]) for player in PLAYERS]
        for optimizer in optimizers:
            _look_for_no_gpu(optimizer)
            for group in optimizer.param_groups:
                group["initial_lr"] = group["lr"]
        for optimizer, state in zip(optimizers, states, strict=False):
            optimizer.load_state_dict(state)
        self.rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]
        for optimizer in optimizers:
            if leaves_out(optimizer) and _device_of(optimizer).type in self.rates_on:
                _let_be_recorded(optimizer)
        self._applied = None
        return optimizers

    def apply_schedule(self, optimizers: Iterable[Optimizer], images_seen: int) -> None:
        """Sets what changes over training to its values after so many images."""
        factor, present = self.schedule(images_seen), self.present(images_seen)
        if (factor, present) == self._applied:
            return
        for player, rates, settings, optimizer in zip(PLAYERS, self.rates, present, optimizers, strict=True):
            others = {name: value for name, value in settings.items() if name != "lr"}
            of_player = settings["lr"] / self.makers[player].changing["lr"](0) if "lr" in settings else 1.0
            for index, group in enumerate(optimizer.param_groups):
                group.update(others)
                rates[index] = group["initial_lr"] * factor * of_player
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(rates[index])
                else:
                    group["lr"] = rates[index]
        self._applied = factor, present

    def present(self, images_seen: int) -> tuple[dict[str, Any], ...]:
        """Returns G's and D's settings that change over training, after so many images."""
        return tuple({name: value(images_seen) for name, value in self.makers[player].changing.items()}
                     for player in PLAYERS)

    def states(self, optimizers: Iterable[Optimizer]) -> list[dict]:
        """Returns what each optimizer saves, the same whether its learning rates are numbers or tensors."""
        states = [optimizer.state_dict() for optimizer in optimizers]
        for rates, state in zip(self.rates, states, strict=True):
            for rate, group in zip(rates, state["param_groups"], strict=True):
                group["lr"] = rate
                if "capturable" in group:
                    group["capturable"] = False
        return states

    def listen_to(self, trainer: pl.Trainer) -> None:
        """Decides, before the first step, whether steps may call torch without Lightning in between."""
        plain = type(trainer.strategy) is SingleDeviceStrategy and type(trainer.precision_plugin) is Precision
        self.directly = plain and not any(listens(callback, HOOKS) for callback in trainer.callbacks)

    def step(self, module: pl.LightningModule, player: str, terms: Mapping[str, Tensor]) -> Tensor:
        """Makes one update of a player on the sum of `terms`, and returns this sum [].

        Calls torch directly on one device, in plain precision and where no callback uses the hooks in between. The
        numbers are the same, and Lightning's bookkeeping would take up to a twentieth of a small step. Raises a
        RequestError if a term is not a single number. D makes none while it rests (Turns.rest_above_accuracy).
        """
        if player == "discriminator" and module.plan.rests:
            return total_of(terms)
        optimizer = module.optimizers()[PLAYERS.index(player)]
        total = self._gradients(module, optimizer, terms)
        module.guard.check(module, player, optimizer.optimizer, terms)
        if module.guard.lets_move():
            self._move(optimizer)
        return total

    def step_both(self, module: pl.LightningModule, terms: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """Makes one update of each player on the sum of its terms, and returns the sums [].

        Both gradients are taken at the same weights, through graphs that may be shared, and reach only the parameters
        of their player.
        """
        optimizers = {player: module.optimizers()[PLAYERS.index(player)] for player in terms}
        totals = {player: self._gradients(module, optimizers[player], terms[player], retain_graph=True,
                                          inputs=module.parameters_of[player]) for player in terms}
        for player, optimizer in optimizers.items():
            module.guard.check(module, player, optimizer.optimizer, terms[player])
        for optimizer in optimizers.values():
            if module.guard.lets_move():
                self._move(optimizer)
        return totals

    def _gradients(self, module: pl.LightningModule, optimizer: LightningOptimizer, terms: Mapping[str, Tensor],
                   **of_backward: Any) -> Tensor:
        """Computes the gradients of the sum of `terms` and returns the sum. `of_backward` are arguments of backward."""
        total = total_of(terms)
        if self.directly:
            optimizer.optimizer.zero_grad()
            total.backward(**of_backward)
        else:
            optimizer.zero_grad()
            module.manual_backward(total, **of_backward)
        average_gradients(optimizer.optimizer)
        return total

    def _move(self, optimizer: LightningOptimizer) -> None:
        (optimizer.optimizer if self.directly else optimizer).step()


def _look_for_no_gpu(optimizer: Optimizer) -> None:
    """Lets an optimizer of parameters on the CPU step without asking whether a graph of a GPU is being recorded.

    torch asks before each step, and where no driver is installed it searches for its library each time, which takes a
    tenth of a small step.
    """
    if all(parameter.is_cpu for group in optimizer.param_groups for parameter in group["params"]):
        for name in ("_accelerator_graph_capture_health_check", "_cuda_graph_capture_health_check"):  # torch's, private
            if hasattr(optimizer, name):
                setattr(optimizer, name, _nothing)


def _let_be_recorded(optimizer: Optimizer) -> None:
    """Puts learning rates where the weights are. On a CPU, which only a test lets record, they have to be float64."""
    device = _device_of(optimizer)
    for group in optimizer.param_groups:
        number = torch.float64 if device.type == "cpu" else torch.float32
        group["lr"] = torch.tensor(group["lr"], dtype=number, device=device)
        if "capturable" in group and device.type != "cpu":
            group["capturable"] = True


def _device_of(optimizer: Optimizer) -> torch.device:
    return optimizer.param_groups[0]["params"][0].device


def _nothing() -> None:
    pass


def without_schedules(maker: Callable[[Iterable[nn.Parameter]], Optimizer]) -> Maker:
    """Takes the schedules out of the arguments of a functools.partial; any other maker has none."""
    changing: dict[str, Callable[[int], float | tuple[float, ...]]] = {}
    for name, value in getattr(maker, "keywords", {}).items():
        if isinstance(value, Schedule):
            changing[name] = value
        elif isinstance(value, list | tuple) and any(isinstance(each, Schedule) for each in value):
            changing[name] = functools.partial(_of_all, [as_schedule(each) for each in value])
    beginning = {name: value(0) for name, value in changing.items()}
    return Maker(functools.partial(maker, **beginning) if beginning else maker, changing)


def _of_all(schedules: Sequence[Schedule], images_seen: int) -> tuple[float, ...]:
    return tuple(schedule(images_seen) for schedule in schedules)


def _try(player: str, maker: Callable[[Iterable[nn.Parameter]], Optimizer]) -> Optimizer:
    """Returns an optimizer of a single number. Raises a RequestError in the words of its class if its settings do not
    go together, e.g. a Nesterov step without momentum: it is made for the networks only when training has begun."""
    try:
        return maker([nn.Parameter(torch.zeros(1))])
    except ValueError as error:
        raise RequestError(f"optimizer.{player}: {error}") from error

"""Keeps numbers that are not finite from the weights, without waiting for the device in every update.

An update is refused if one of its loss terms or gradients is not finite. On a CPU that is looked at before the
optimizer steps. A GPU works off what the host has asked for some time ago, so looking would make the host wait, and
then the GPU. There the optimizer itself leaves the update out, by a flag on the device that stays set, so that all
later updates are left out as well. The host looks some steps later. If updates were left out, the host goes back to
the first of them and makes it once more, looking before each update. So both ways come to the same end.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch
import torch.distributed as distributed
from torch import Tensor, nn
from torch.optim import Optimizer

from saddlepoint.game.device_memory import Download
from saddlepoint.parallel.collectives import is_alone, sum_over_processes

if TYPE_CHECKING:
    from saddlepoint.game.adversarial import AdversarialModule

Terms = Mapping[str, Tensor]
STEPS_AHEAD = 4  # of the host, of which none has been looked at; more would not make the device busier
LEAST_SCALE = 1.0  # of losses under a scaler; what overflows even so is not finite by itself


class Confirms(Protocol):
    """Who decides that a game has diverged."""

    def confirm(self, module: "AdversarialModule", player: str, terms: Terms) -> None:
        """Raises if a number of this update, whose sum is not finite, is not finite by itself."""

    def confirm_scale(self, module: "AdversarialModule", scale: float) -> None:
        """Raises, as the scaler of losses has left out so many updates that its scale is below 1."""


class Guard:
    """A guard that lets every update pass, of a game that nobody watches."""

    batch: Any = None  # the one of the present step
    can_be_recorded = True  # False: the host decides something in the present step (recording.py)
    flag: Tensor | None = None  # [] on the device: 1 if updates are being left out; None: the host looks before each
    repeats: bool = False  # the present update has been made before; it is only computed for what follows
    index = 0  # of the present update in its step

    def __init__(self) -> None:
        self.norms: dict[str, Sequence[Tensor]] = {}  # of each player's newest gradient, by parameter

    def begin(self, module: "AdversarialModule", batch: Any) -> None:
        """Begins a step, and its first update."""

    def begin_update(self, module: "AdversarialModule") -> None:
        """Begins another update of the step, before anything of it is computed."""

    def check(self, module: "AdversarialModule", player: str, optimizer: Optimizer, terms: Terms) -> None:
        """Refuses an update, between the backward pass and the optimizer's step."""

    def lets_move(self) -> bool:
        """Returns whether the host lets the optimizer step."""
        return True

    def end(self) -> None:
        """Ends a step."""

    def settle(self, module: "AdversarialModule") -> None:
        """Returns when all steps so far are known to be finite. Whatever shows or saves the game calls this before."""


@dataclass
class _Step:
    """A step that has not been looked at, with all that is needed to make it again."""

    batch: Any
    before: "list[_Snapshot]"  # each of its updates; both players' simultaneous ones are one
    updates: int = 0
    left_out: Download | None = None  # how many of its updates were left out


class FiniteGuard(Guard):
    """A guard that refuses updates with a loss term or a gradient that is not finite.

    optimizers: those of the two players
    device: of the game
    confirms: ends the run
    scaler: of losses in precision=16-mixed. The gradients that it has multiplied overflow at times, and then it leaves
        the update out by itself; so only terms are looked at, and its scale.
    later: how a number on the device is read later; None: not at all, so that the host looks before each update
    """

    def __init__(self, optimizers: Sequence[Optimizer], device: torch.device, confirms: Confirms,
                 scaler: torch.amp.GradScaler | None = None, later: type[Download] | None = None):
        super().__init__()
        self.confirms, self.scaler = confirms, scaler
        self.steps: deque[_Step] = deque()
        self.made_before: int | None = None  # updates of the step that is made again; None: no step is
        self.again: list[_Snapshot] = []  # what was before each of them
        self.changing: _Changing | None = None
        if later and not scaler and all(map(leaves_out, optimizers)):
            self.flag, self.left_out = torch.zeros((), device=device), torch.zeros((), device=device)
            self.later = later
            for optimizer in optimizers:
                optimizer.found_inf, optimizer.grad_scale = self.flag, None

    @property
    def is_late(self) -> bool:
        """Whether the host looks at the present step later."""
        return self.flag is not None and self.made_before is None

    @property
    def can_be_recorded(self) -> bool:
        return self.is_late

    def begin(self, module: "AdversarialModule", batch: Any) -> None:
        if self.is_late:
            self.changing = self.changing or _Changing(module)
            if len(self.steps) == STEPS_AHEAD:  # the same step in every process, as they make steps again together
                self._look(module)
            self.steps.append(_Step(batch, [self._snapshot(module)]))
        self.batch, self.index = batch, 0

    def begin_update(self, module: "AdversarialModule") -> None:
        if self.index and self.is_late:
            self.steps[-1].before.append(self._snapshot(module))
        elif self.index and self.index == self.made_before:
            self._restore(module, self.again[self.index])

    @torch.no_grad()
    def check(self, module: "AdversarialModule", player: str, optimizer: Optimizer, terms: Terms) -> None:
        """Refuses the update of a player, now or by the flag.

        Only the sum of all terms and gradients is looked at, or of norms of gradients, as it is finite only if all are.
        A sum may also be too large for float32, so if it is not finite, each number is checked by itself.
        """
        numbers, is_first = list(terms.values()), player not in self.norms
        if not self.scaler:
            gradients = gradients_of(optimizer)
            if self.flag is None and gradients[0].is_cpu:  # where a sum takes half the time of a norm
                self.norms[player] = NewestNorms(optimizer)
                numbers += [gradient.sum() for gradient in gradients]
            else:
                self.norms[player] = torch._foreach_norm(gradients)
                numbers += self.norms[player]
        if self.is_late and not is_first:  # an optimizer that leaves out its first update may not set up its memory
            total = torch.stack(numbers).sum()
            if not is_alone():
                distributed.all_reduce(total)
            self.flag.logical_or_(total - total)  # NaN, which counts as true, if it is not finite
        elif self.index >= (self.made_before or 0) and not math.isfinite(sum_of(numbers)):
            self.confirms.confirm(module, player, terms)

    def lets_move(self) -> bool:
        if self.is_late:
            self.left_out.add_(self.flag)
        self.repeats = self.index < (self.made_before or 0)
        self.index += 1
        return not self.repeats

    def end(self) -> None:
        if self.is_late:
            self.steps[-1].updates = self.index
            self.steps[-1].left_out = self.later(self.left_out)

    def settle(self, module: "AdversarialModule") -> None:
        while self.steps:
            self._look(module)
        if self.scaler and (scale := self.scaler.get_scale()) < LEAST_SCALE:
            self.confirms.confirm_scale(module, scale)

    def _look(self, module: "AdversarialModule") -> None:
        """Looks at the oldest step. If updates of it were left out, these are made again, and all later steps."""
        left_out = int(self.steps[0].left_out.wait())
        steps = [self.steps.popleft() for _ in range(len(self.steps) if left_out else 1)]
        if left_out:
            self.flag.zero_()
            self.left_out.zero_()
            try:
                self._make_again(module, steps, left_out)
            finally:
                self.made_before, self.again = None, []
        self.changing.spare += [snapshot.buffers for step in steps for snapshot in step.before]

    def _make_again(self, module: "AdversarialModule", steps: Sequence[_Step], left_out: int) -> None:
        """Makes these steps once more, but not the updates of the first one that were made before the `left_out`."""
        self._restore(module, steps[0].before[0])
        self.made_before, self.again = steps[0].updates - left_out, steps[0].before
        for step in steps:
            module.trainer.strategy.training_step(step.batch, 0)
            self.made_before = 0

    def _snapshot(self, module: "AdversarialModule") -> "_Snapshot":
        return _Snapshot(dict(module.latest), dict(self.norms), self.changing.states(), self.changing.buffers())

    def _restore(self, module: "AdversarialModule", snapshot: "_Snapshot") -> None:
        module.latest, self.norms = dict(snapshot.latest), dict(snapshot.norms)
        self.changing.restore(snapshot.states, snapshot.buffers)


class NewestNorms(Sequence):
    """The norms of the newest gradients of a player, by parameter, computed when somebody wants to see them."""

    def __init__(self, optimizer: Optimizer):
        self.optimizer = optimizer

    def __len__(self) -> int:
        return len(gradients_of(self.optimizer))

    def __getitem__(self, index: int) -> Tensor:
        return gradients_of(self.optimizer)[index].norm()


def gradients_of(optimizer: Optimizer) -> list[Tensor]:
    """Returns the gradients of all parameters that have one."""
    return [parameter.grad for group in optimizer.param_groups for parameter in group["params"]
            if parameter.grad is not None]


class _Snapshot(NamedTuple):
    """A game before an update, without weights and optimizers: what was left out has not changed those."""

    latest: dict[str, Tensor]
    norms: dict[str, Sequence[Tensor]]
    states: list[Any]
    buffers: list[list[Tensor]]


class _Changing:
    """What an update changes in a game beside weights and optimizers: what parts of it save beside tensors, such as
    counters, and the buffers of networks and tricks, such as running statistics."""

    def __init__(self, module: nn.Module):
        parts = list(module.modules())
        self.with_states = [part for part in parts if type(part).get_extra_state is not nn.Module.get_extra_state]
        owners = [(part._buffers, name) for part in parts for name, buffer in part._buffers.items()
                  if buffer is not None]
        owners.sort(key=lambda each: str(each[0][each[1]].dtype))
        self.groups = [list(group) for _, group in groupby(owners, key=lambda each: each[0][each[1]].dtype)]
        self.spare: list[list[list[Tensor]]] = []  # memory for copies

    def states(self) -> list[Any]:
        return [part.get_extra_state() for part in self.with_states]

    @torch.no_grad()
    def buffers(self) -> list[list[Tensor]]:
        """Returns copies of the buffers, those of each kind of number by one operation."""
        present = [[owner[name] for owner, name in group] for group in self.groups]
        copies = self.spare.pop() if self.spare else [[torch.empty_like(each) for each in group] for group in present]
        for kept, group in zip(copies, present, strict=True):
            if any(copy.shape != buffer.shape for copy, buffer in zip(kept, group, strict=True)):  # a pool that grew
                kept[:] = [torch.empty_like(each) for each in group]
            torch._foreach_copy_(kept, group)
        return copies

    @torch.no_grad()
    def restore(self, states: Sequence[Any], copies: Sequence[Sequence[Tensor]]) -> None:
        for part, state in zip(self.with_states, states, strict=True):
            part.set_extra_state(state)
        for group, saved in zip(self.groups, copies, strict=True):
            for (owner, name), copy in zip(group, saved, strict=True):
                if owner[name].shape == copy.shape:
                    owner[name].copy_(copy)
                else:
                    owner[name] = copy.clone()


def leaves_out(optimizer: Optimizer) -> bool:
    """Returns whether the optimizer leaves an update out if its attribute `found_inf` is 1, as those of torch do that
    are fused (torch's own mark, which its GradScaler looks at)."""
    return getattr(optimizer, "_step_supports_amp_scaling", False)


def sum_of(numbers: Sequence[Tensor]) -> float:
    """Returns the sum of `numbers` over all processes, so that all decide alike. On a GPU it reads one number only, as
    each reading waits for the device; on a CPU, reading takes less time than an addition of tensors."""
    if numbers[0].is_cpu and is_alone():
        return sum(each.item() for each in numbers)
    return sum_over_processes({"number": torch.stack(numbers).sum()})["number"].item()

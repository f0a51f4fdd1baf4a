"""Means over the steps between two rows of curves. What the steps remember is kept, and added up now and then for many
steps at once, so that a step pays next to nothing and a GPU is never waited for.

S steps, N images of a batch.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from saddlepoint.game.accuracy import accuracy, pairs_of_sides
from saddlepoint.game.loss import AdversarialLoss

STEPS = 64  # that wait to be added up
NUMBERS = 2**20  # that these steps have together, at most; a step with more is added up by itself


class StepMeans:
    """The means of all curves over the steps that were added since they were taken.

    A term counts in the steps that computed it: R1 with tricks.r1.every=16 in one of 16, and G's terms in those in
    which G moved. When sums are made depends on the steps alone, so a run that goes on has the same bits.
    """

    def __init__(self):
        self.waiting: list[dict[str, Tensor]] = []  # terms and logits, of each step
        self.numbers = 0  # in them
        self.sums: dict[str, Tensor] = {}  # [] of curves
        self.counts: dict[str, int] = {}  # of steps in each sum

    def add(self, remembered: dict[str, Tensor], loss: AdversarialLoss) -> None:
        """Adds the terms and logits of a step."""
        self.waiting.append(remembered)
        self.numbers += sum(tensor.numel() for tensor in remembered.values())
        if len(self.waiting) == STEPS or self.numbers >= NUMBERS:
            self.sum_up(loss)

    def sum_up(self, loss: AdversarialLoss) -> None:
        """Adds the steps that wait to the sums."""
        for _, tensors in alike(self.waiting):
            for name, values in curves(tensors, loss):
                total = values.sum()
                self.sums[name] = self.sums[name] + total if name in self.sums else total
                self.counts[name] = self.counts.get(name, 0) + len(values)
        self.waiting, self.numbers = [], 0

    def take(self, loss: AdversarialLoss) -> dict[str, Tensor]:
        """Returns the means [] by name, and begins anew."""
        self.sum_up(loss)
        means = {name: total / self.counts[name] for name, total in self.sums.items()}
        self.sums, self.counts = {}, {}
        return means

    def to(self, device: torch.device) -> None:
        self.sums = {name: total.to(device) for name, total in self.sums.items()}
        self.waiting = [{name: tensor.to(device) for name, tensor in step.items()} for step in self.waiting]

    def state_dict(self) -> dict[str, Any]:
        """Returns the sums, and the steps that wait: of those with the same names one tensor [S, ...] each."""
        return {"sums": self.sums, "counts": self.counts,
                "waiting": [{"steps": steps, "tensors": tensors} for steps, tensors in alike(self.waiting)]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.sums, self.counts = dict(state["sums"]), dict(state["counts"])
        steps = {step: {name: tensor[row].clone() for name, tensor in group["tensors"].items()}
                 for group in state["waiting"] for row, step in enumerate(group["steps"])}
        self.waiting = [steps[step] for step in sorted(steps)]
        self.numbers = sum(tensor.numel() for step in self.waiting for tensor in step.values())


def alike(steps: list[dict[str, Tensor]]) -> list[tuple[list[int], dict[str, Tensor]]]:
    """Returns the steps in groups of those that have the same names and shapes: their places in the list, and for each
    name one tensor [S, ...]."""
    groups: dict[tuple, list[int]] = {}
    for place, step in enumerate(steps):
        kind = tuple((name, tensor.shape) for name, tensor in step.items())
        groups.setdefault(kind, []).append(place)
    return [(places, {name: torch.stack([steps[place][name] for place in places]) for name, _ in kind})
            for kind, places in groups.items()]


def curves(tensors: Mapping[str, Tensor], loss: AdversarialLoss) -> Iterator[tuple[str, Tensor]]:
    """Yields the names and values [S] of all curves, from the terms and logits [S, ...] of S steps.

    Logits are those of this process, but where only pairs of logits count, which may be of two processes."""
    logits = {}
    for name, tensor in tensors.items():
        per_step = tensor.float().reshape(len(tensor), -1)
        if name.startswith("logits/"):
            logits[name.removeprefix("logits/")] = per_step
        else:
            yield name, per_step.mean(1)
    for side, scores in logits.items():
        yield f"logits/{side}", scores.mean(1)
        probability = loss.probability(scores)
        if probability is not None:
            yield f"probability/{side}", probability.mean(1)
    for contest, real, fake in pairs_of_sides(logits):
        yield f"logits/{contest}accuracy", accuracy(real, fake, loss.boundary)

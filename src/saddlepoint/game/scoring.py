"""The ways in which D scores the reals and fakes of a batch, by their name in model.turns.scoring.

Each function yields (loss, logits of reals or None, logits of fakes or None) once for every update of D. The caller
updates D before it takes the next item, so the second update is scored by a D that has made the first one.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from saddlepoint.game.loss import AdversarialLoss
from saddlepoint.game.step import Step, Targets

Update = tuple[Tensor, Tensor | None, Tensor | None]


def separate(loss: AdversarialLoss, step: Step, targets: Targets) -> Iterator[Update]:
    """Scores reals and fakes as two batches, in one update."""
    real_logits = step.score(step.real, step.real_labels)
    fake_logits = step.score(step.fake, step.fake_labels)
    yield loss.discriminator(real_logits, fake_logits, targets), real_logits, fake_logits


def together(loss: AdversarialLoss, step: Step, targets: Targets) -> Iterator[Update]:
    """Scores reals and fakes as one batch, in one update, so that they share BatchNorm's statistics."""
    images = torch.cat([step.prepare(step.real), step.prepare(step.fake)])  # in turn: noise goes by place in a batch
    logits = step.discriminator(images, torch.cat([step.real_labels, step.fake_labels]))
    real_logits, fake_logits = logits.split([len(step.real), len(step.fake)])
    yield loss.discriminator(real_logits, fake_logits, targets), real_logits, fake_logits


def half(loss: AdversarialLoss, step: Step, targets: Targets) -> Iterator[Update]:
    """Scores reals in one update and fakes in a second one."""
    real_logits = step.score(step.real, step.real_labels)
    yield loss.real_term(real_logits, targets), real_logits, None
    fake_logits = step.score(step.fake, step.fake_labels)
    yield loss.fake_term(fake_logits, targets), None, fake_logits


BY_NAME: dict[str, Callable[[AdversarialLoss, Step, Targets], Iterator[Update]]] = {
    "separate": separate, "together": together, "half": half,
}

"""How the discriminator meets a batch, by the name in model.turns.scoring.

Each yields (loss, logits of reals or None, logits of fakes or None) once per update; the caller updates D before it
asks for the next, so a second update is scored by the discriminator the first one left.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from saddlepoint.game.loss import AdversarialLoss
from saddlepoint.game.step import Step, Targets

Update = tuple[Tensor, Tensor | None, Tensor | None]


def separate(loss: AdversarialLoss, step: Step, targets: Targets) -> Iterator[Update]:
    real_logits = step.score(step.real, step.real_labels)
    fake_logits = step.score(step.fake, step.fake_labels)
    yield loss.discriminator(real_logits, fake_logits, targets), real_logits, fake_logits


def together(loss: AdversarialLoss, step: Step, targets: Targets) -> Iterator[Update]:
    images = torch.cat([step.prepare(step.real), step.prepare(step.fake)])  # apart: noise is drawn by place in a batch
    logits = step.discriminator(images, torch.cat([step.real_labels, step.fake_labels]))
    real_logits, fake_logits = logits.split([len(step.real), len(step.fake)])
    yield loss.discriminator(real_logits, fake_logits, targets), real_logits, fake_logits


def half(loss: AdversarialLoss, step: Step, targets: Targets) -> Iterator[Update]:
    real_logits = step.score(step.real, step.real_labels)
    yield loss.real_term(real_logits, targets), real_logits, None
    fake_logits = step.score(step.fake, step.fake_labels)
    yield loss.fake_term(fake_logits, targets), None, fake_logits


BY_NAME: dict[str, Callable[[AdversarialLoss, Step, Targets], Iterator[Update]]] = {
    "separate": separate, "together": together, "half": half,
}

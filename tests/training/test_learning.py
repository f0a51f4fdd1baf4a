"""The whole of it learns: a ring of eight Gaussians is covered, and a conditional game obeys the labels it is given."""

import math

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from saddlepoint.game.batches import ImageBatch
from saddlepoint.game.latents import Latents
from saddlepoint.game.modes import evaluating
from saddlepoint.game.optimizers import Optimizers
from saddlepoint.game.synthesis import SynthesisModule
from saddlepoint.game.turns import Turns
from saddlepoint.losses.adversarial import NonSaturating
from saddlepoint.networks.conditional_mlp import ConditionalMLPDiscriminator, ConditionalMLPGenerator
from saddlepoint.networks.mlp import MLPDiscriminator, MLPGenerator
from saddlepoint.tricks.ema import ExponentialMovingAverage
from saddlepoint.tricks.gradient_penalty import R1

MODES, RADIUS, SPREAD = 8, 0.7, 0.02
CENTRES = RADIUS * torch.tensor([[math.cos(2 * math.pi * k / MODES), math.sin(2 * math.pi * k / MODES)]
                                 for k in range(MODES)])


def ring(count: int, generator: torch.Generator) -> ImageBatch:
    """Points of the plane: images [count, 2, 1, 1] of two channels and one pixel; the label is the Gaussian."""
    modes = torch.randint(MODES, (count,), generator=generator)
    points = CENTRES[modes] + SPREAD * torch.randn(count, 2, generator=generator)
    return ImageBatch(points.view(count, 2, 1, 1), modes)


def game(generator, discriminator, num_classes: int = 0) -> SynthesisModule:
    adam = lambda parameters: torch.optim.Adam(parameters, lr=1e-3, betas=(0.0, 0.9), fused=True)  # noqa: E731
    return SynthesisModule(
        Latents(2), num_classes, generator=generator, discriminator=discriminator, loss=NonSaturating(),
        tricks={"r1": R1(gamma=0.1), "ema": ExponentialMovingAverage(2000)}, optimizers=Optimizers(adam, adam),
        turns=Turns())


def train(module: SynthesisModule, steps: int, source: torch.Generator) -> None:
    if not steps:
        return
    trainer = pl.Trainer(max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False,
                         enable_progress_bar=False, enable_model_summary=False)
    trainer.fit(module, DataLoader([ring(128, source) for _ in range(steps)], batch_size=None))


def draw(module: SynthesisModule, labels: Tensor) -> tuple[Tensor, Tensor]:
    """labels [N] -> distance to the nearest centre [N], which centre that is [N]"""
    with torch.no_grad(), evaluating(module.sampling_generator) as generator:
        points = generator(module.latents.of_images(1, 0, len(labels)), labels).flatten(1)
    return torch.cdist(points, CENTRES).min(dim=1)


def test_a_ring_of_eight_gaussians_is_covered():
    torch.manual_seed(0)
    module = game(MLPGenerator(2, 2, 1, widths=[64, 64]), MLPDiscriminator(2, 1, widths=[64, 64]))
    train(module, 2500, torch.Generator().manual_seed(0))

    distance, nearest = draw(module, torch.zeros(2000, dtype=torch.long))
    close = distance < 5 * SPREAD
    shares = nearest[close].bincount(minlength=MODES) / len(nearest)
    assert close.float().mean() > 0.75, f"share of points at a mode: {close.float().mean():.2f}"
    assert shares.min() > 0.03, f"share of each mode: {shares.tolist()}"


def test_label_accuracy_rises_through_training():
    torch.manual_seed(0)
    source, labels, accuracies = torch.Generator().manual_seed(0), torch.arange(800) % MODES, []
    module = game(ConditionalMLPGenerator(2, channels=2, image_size=1, num_classes=MODES, widths=[64, 64]),
                  conditional_discriminator(), MODES)
    for steps in (0, 30, 270):
        train(module, steps, source)
        accuracies.append((draw(module, labels)[1] == labels).float().mean().item())
    before, soon, late = accuracies
    assert before < 2 / MODES, "about chance before the first step"
    assert before + 0.1 < soon < late, accuracies
    assert late > 0.95


def test_exchanged_labels_change_what_the_discriminator_says():
    """Against a generator that cannot see labels only the pairing tells real from fake where the points are alike: the
    best discriminator is log p(x | y) / p(x), log 8 for a real point under its own label and far below 0 under another
    one. A discriminator that ignores labels would say the same of both."""
    torch.manual_seed(0)
    module = game(MLPGenerator(2, 2, 1, widths=[64, 64]), conditional_discriminator(), MODES)
    train(module, 400, torch.Generator().manual_seed(0))

    points, labels = ring(800, torch.Generator().manual_seed(5))
    with torch.no_grad(), evaluating(module.discriminator) as discriminator:
        own = discriminator(points, labels)
        exchanged = discriminator(points, (labels + MODES // 2) % MODES)
    assert (own > exchanged).float().mean() > 0.95
    assert (own - exchanged).mean() > 1


def conditional_discriminator() -> ConditionalMLPDiscriminator:
    return ConditionalMLPDiscriminator(channels=2, image_size=1, num_classes=MODES, widths=[64, 64])

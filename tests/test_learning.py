"""The whole of it learns: a ring of eight Gaussians is covered."""

import math

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from saddlepoint.batches import ImageBatch
from saddlepoint.losses.adversarial import NonSaturating
from saddlepoint.modules.latents import Latents
from saddlepoint.modules.modes import evaluating
from saddlepoint.modules.optimizers import Optimizers
from saddlepoint.modules.synthesis import SynthesisModule
from saddlepoint.modules.turns import Turns
from saddlepoint.networks.mlp import MLPDiscriminator, MLPGenerator
from saddlepoint.tricks.ema import ExponentialMovingAverage
from saddlepoint.tricks.gradient_penalty import R1

MODES, RADIUS, SPREAD = 8, 0.7, 0.02
CENTRES = RADIUS * torch.tensor([[math.cos(2 * math.pi * k / MODES), math.sin(2 * math.pi * k / MODES)]
                                 for k in range(MODES)])


def ring(count: int, generator: torch.Generator) -> torch.Tensor:
    """-> [count, 2, 1, 1]: an image of two channels and one pixel is a point of the plane"""
    modes = torch.randint(MODES, (count,), generator=generator)
    return (CENTRES[modes] + SPREAD * torch.randn(count, 2, generator=generator)).view(count, 2, 1, 1)


def test_a_ring_of_eight_gaussians_is_covered():
    torch.manual_seed(0)
    source = torch.Generator().manual_seed(0)
    data = [ImageBatch(ring(128, source), torch.zeros(128, dtype=torch.long)) for _ in range(2500)]
    adam = lambda parameters: torch.optim.Adam(parameters, lr=1e-3, betas=(0.0, 0.9), fused=True)  # noqa: E731
    module = SynthesisModule(
        Latents(2), generator=MLPGenerator(2, 2, 1, widths=[64, 64], normalization="none"),
        discriminator=MLPDiscriminator(2, 1, widths=[64, 64]), loss=NonSaturating(),
        tricks={"r1": R1(gamma=0.1), "ema": ExponentialMovingAverage(2000)}, optimizers=Optimizers(adam, adam),
        turns=Turns())
    trainer = pl.Trainer(max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False,
                         enable_progress_bar=False, enable_model_summary=False)
    trainer.fit(module, DataLoader(data, batch_size=None))

    with torch.no_grad(), evaluating(module.sampling_generator) as generator:
        points = generator(module.latents.of_images(1, 0, 2000), torch.zeros(2000, dtype=torch.long)).flatten(1)
    distance, nearest = torch.cdist(points, CENTRES).min(dim=1)
    close = distance < 5 * SPREAD
    shares = nearest[close].bincount(minlength=MODES) / len(points)
    assert close.float().mean() > 0.75, f"share of points at a mode: {close.float().mean():.2f}"
    assert shares.min() > 0.03, f"share of each mode: {shares.tolist()}"

"""Sets which statistics BatchNorm uses while fakes are drawn for a metric. They change FID, so the protocol names them.

running: the averages that training computed.
standing: averages over many new batches of fakes (Brock et al. 2019, https://arxiv.org/abs/1809.11096, appendix B).
batch: the statistics of each batch.
"""

import torch
from torch import nn

from saddlepoint.game.latents import Latents, class_labels, classes_at
from saddlepoint.game.modes import device_of, in_float32
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.recipe import batch_norms
from saddlepoint.metrics.images import BLOCK

KINDS = ("running", "standing", "batch")


def kind_of_batchnorm(generator: nn.Module, kind: str = "running", standing_batches: int = 0) -> str:
    """Returns the statistics as the protocol names them: "none" for a generator without BatchNorm, else the kind, for
    standing and batch statistics with the number of images."""
    if not batch_norms(generator):
        return "none"
    details = {"standing": f" over {standing_batches} batches of {BLOCK}", "batch": f" of {BLOCK}"}
    return kind + details.get(kind, "")


@torch.no_grad()
def use_standing_statistics(generator: nn.Module, latents: Latents, class_distribution: torch.Tensor | None,
                            seed: int, batches: int) -> None:
    """Replaces the running statistics of a generator in evaluation mode by plain averages over `batches` batches of 64
    fakes. Their latents are others than those of any numbered image."""
    layers, device = batch_norms(generator), device_of(generator)
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a cumulative average
        layer.train()
    for batch in range(batches):
        random = RandomStreams(seed, batch, player="standing")
        batch_latents = latents.draw(random, BLOCK)
        labels = class_labels(None, seed, 0, BLOCK) if class_distribution is None else classes_at(
            class_distribution.cpu(), random.uniform("labels", (BLOCK,)))
        with in_float32(device):
            generator(batch_latents.to(device), labels.to(device))
    for layer in layers:
        layer.eval()


def use_batch_statistics(generator: nn.Module) -> None:
    """Makes BatchNorm use the statistics of each batch. The running statistics are kept unchanged."""
    for layer in batch_norms(generator):
        layer.train()
        layer.momentum = 0.0

"""How often D is right. S steps, N images of a batch."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from saddlepoint.parallel.collectives import gather, global_mean


def pairs_of_sides(logits: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yields for each contest with logits of both sides the beginning of its names ("" or "<contest>.") and the logits
    of reals and of fakes."""
    for side, real in logits.items():
        contest, name = side[:-len("real")], side[-len("real"):]
        if name == "real" and (fake := logits.get(f"{contest}fake")) is not None:
            yield contest, real, fake


def accuracy(real: Tensor, fake: Tensor, boundary: float | None) -> Tensor:
    """Returns D's accuracy [S], 0 to 1, from logits [S, N]; without a boundary, the share of pairs in which the real
    image has the greater logit, among all processes."""
    if boundary is None:
        real, fake = (gather(scores.T.contiguous()).T.contiguous() for scores in (real, fake))
        beaten = torch.searchsorted(fake.sort(1).values, real)  # fakes below each real
        return beaten.float().mean(1) / fake.shape[1]
    return ((real > boundary).float().mean(1) + (fake < boundary).float().mean(1)) / 2


def newest_accuracy(latest: Mapping[str, Tensor], boundary: float | None) -> float | None:
    """Returns D's accuracy on the batch that it scored last, over all processes, as a mean over contests; None before
    it has scored one. Waits for the device.

    latest: the newest terms and logits of a game (Players.latest)
    boundary: the logit at which the loss is indifferent (AdversarialLoss.boundary)
    """
    logits = {name.removeprefix("logits/"): tensor.float().reshape(1, -1) for name, tensor in latest.items()
              if name.startswith("logits/")}
    shares = [accuracy(real, fake, boundary) for _, real, fake in pairs_of_sides(logits)]
    return float(global_mean(torch.cat(shares).mean())) if shares else None

"""Describes the moment at which a run diverges: as words for the message, and as the content of diagnosis.json."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.game.batches import ImageBatch, PairedBatch

MOST_NAMED = 3  # parameters in the message; the file has them all


def not_finite(module: AdversarialModule, player: str, terms: Mapping[str, Tensor], checks_gradients: bool) -> str:
    """Returns the loss terms that are not finite, e.g. `discriminator/r1 (nan)`, else the parameters whose gradient is
    not finite, or an empty text if all are finite."""
    bad_terms = [f"{player}/{name} ({float(term)})" for name, term in terms.items() if not math.isfinite(float(term))]
    if bad_terms or not checks_gradients:
        return ", ".join(bad_terms)
    names = [name for name, parameter in module.trained_parameters(player)
             if parameter.grad is not None and not torch.isfinite(parameter.grad).all()]
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"the gradient of {', '.join(names[:MOST_NAMED])}{more}" if names else ""


@torch.no_grad()
def diagnosis(module: AdversarialModule, player: str, update: int, terms: Mapping[str, Tensor],
              batch: ImageBatch | PairedBatch) -> dict[str, Any]:
    """Returns the content of diagnosis.json: statistics of the batch, the logits, the weights and their gradients. The
    weights are those before the update, the logits those of the discriminator's newest complete step."""
    return {
        "images_seen": module.images_seen,
        "player": player,
        "update": update,
        "terms": {name: as_json(float(term)) for name, term in terms.items()},
        "batch": {name: statistics(tensor) for name, tensor in batch._asdict().items() if tensor.is_floating_point()},
        "logits": {name.removeprefix("logits/"): statistics(tensor) for name, tensor in module.latest.items()
                   if name.startswith("logits/")},
        "parameters": {name: {inner: statistics(parameter) | {"gradient": gradient_statistics(parameter)}
                              for inner, parameter in network.named_parameters()}
                       for name, network in module.networks.items()},
    }


def gradient_statistics(parameter: nn.Parameter) -> dict[str, Any] | None:
    return None if parameter.grad is None else statistics(parameter.grad)


def statistics(tensor: Tensor) -> dict[str, Any]:
    """Returns the shape, the number of entries that are not finite, and the statistics of the others; None for a
    statistic of which there are too few."""
    finite = tensor[torch.isfinite(tensor)].double()
    values = {"min": finite.min(), "max": finite.max(), "mean": finite.mean(), "norm": finite.norm()} if len(
        finite) else dict.fromkeys(("min", "max", "mean", "norm"))
    values["std"] = finite.std() if len(finite) > 1 else None
    return {"shape": list(tensor.shape), "nonfinite": tensor.numel() - len(finite)} | {
        name: None if value is None else as_json(float(value)) for name, value in values.items()}


def as_json(number: float) -> float | str:
    """Returns the number, or if it is not finite the text nan, inf or -inf, as JSON has only finite numbers."""
    return number if math.isfinite(number) else str(number)

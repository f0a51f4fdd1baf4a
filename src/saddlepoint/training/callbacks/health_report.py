"""What is known at the moment a run diverges: the sentence and diagnosis.json."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.game.batches import ImageBatch, PairedBatch

NAMED = 3  # parameters in the sentence; the file has them all


def not_finite(player: str, network: nn.Module, terms: Mapping[str, Tensor], look_at_gradients: bool) -> str:
    """`discriminator/r1 (nan)`, or the parameters whose gradient is not finite; empty if there is nothing."""
    lost = [f"{player}/{name} ({float(term)})" for name, term in terms.items() if not math.isfinite(float(term))]
    if lost or not look_at_gradients:
        return ", ".join(lost)
    lost = [name for name, parameter in network.named_parameters()
            if parameter.grad is not None and not torch.isfinite(parameter.grad).all()]
    more = f" and {len(lost) - NAMED} more" if len(lost) > NAMED else ""
    return f"the gradient of {player}.{f', {player}.'.join(lost[:NAMED])}{more}" if lost else ""


@torch.no_grad()
def diagnosis(module: AdversarialModule, player: str, update: int, terms: Mapping[str, Tensor],
              batch: ImageBatch | PairedBatch) -> dict[str, Any]:
    """Weights are those before the update; logits those of the newest step that the discriminator has finished."""
    networks = {"generator": module.generator, "discriminator": module.discriminator}
    return {
        "images_seen": module.images_seen,
        "player": player,
        "update": update,
        "terms": {name: as_json(float(term)) for name, term in terms.items()},
        "batch": {name: statistics(tensor) for name, tensor in batch._asdict().items() if tensor.is_floating_point()},
        "logits": {name.removeprefix("logits/"): statistics(tensor) for name, tensor in module.latest.items()
                   if name.startswith("logits/")},
        "parameters": {name: {inner: statistics(parameter) | {"gradient": of_gradient(parameter)}
                              for inner, parameter in network.named_parameters()}
                       for name, network in networks.items()},
    }


def of_gradient(parameter: nn.Parameter) -> dict[str, Any] | None:
    return None if parameter.grad is None else statistics(parameter.grad)


def statistics(tensor: Tensor) -> dict[str, Any]:
    """Of the finite entries, with the number of those that are not; null where there are too few"""
    finite = tensor[torch.isfinite(tensor)].double()
    values = {"min": finite.min(), "max": finite.max(), "mean": finite.mean(), "norm": finite.norm()} if len(
        finite) else dict.fromkeys(("min", "max", "mean", "norm"))
    values["std"] = finite.std() if len(finite) > 1 else None
    return {"shape": list(tensor.shape), "nonfinite": tensor.numel() - len(finite)} | {
        name: None if value is None else as_json(float(value)) for name, value in values.items()}


def as_json(number: float) -> float | str:
    """JSON has no numbers that are not finite: nan, inf and -inf as words"""
    return number if math.isfinite(number) else str(number)

"""What `train.py describe=true` prints: both networks layer by layer, as reports and lectures print them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from saddlepoint import build


class Layer(NamedTuple):
    name: str
    kind: str
    shape: str  # of what comes out, N images
    weights: int  # trainable
    statistics: int  # numbers that are kept but not trained by gradients: running means and variances


def describe(settings: Mapping[str, Any]) -> None:
    with torch.device("meta"):
        generator, discriminator = build.networks(settings)
        data, labels = settings["data"], torch.zeros(2, dtype=torch.long)
        images = torch.empty(2, data["channels"], data["image_size"], data["image_size"])
        if "latents" in settings["model"]:
            given = torch.empty(2, settings["model"]["latents"]["size"]), labels
        else:
            given = (images[..., ::data["scale"], ::data["scale"]],)
    for title, network, inputs in (("Generator", generator, given),
                                   ("Discriminator", discriminator, (images, labels))):
        print(f"{title} ({type(network).__name__}), of {' and '.join(_shape(tensor) for tensor in inputs)}\n"
              f"{table(layers(network, *inputs))}\n")


def layers(network: nn.Module, *inputs: Tensor) -> list[Layer]:
    """In the order in which they compute; those that hold weights or change a shape are all there is to see of it.

    Weights that a module holds beside its layers stand in a row of the module itself.
    """
    rows: list[Layer] = []

    def remember(name: str, module: nn.Module):
        def hook(module: nn.Module, arguments: tuple, output: Any) -> None:
            weights = sum(p.numel() for p in module.parameters(recurse=False) if p.requires_grad)
            statistics = sum(b.numel() for b in module.buffers(recurse=False) if b.is_floating_point())
            if weights or not [*module.children()]:
                rows.append(Layer(name, type(module).__name__, _shape(output), weights, statistics))
        return module.register_forward_hook(hook)

    hooks = [remember(name, module) for name, module in network.named_modules()]
    try:
        with torch.no_grad():
            network(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return rows


def table(rows: list[Layer]) -> str:
    cells = [("layer", "kind", "output", "weights")]
    cells += [(row.name or "(itself)", row.kind, row.shape, f"{row.weights:,}" if row.weights else "") for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    lines = ["  ".join((*(cell.ljust(width) for cell, width in zip(row[:3], widths, strict=False)),
                        row[3].rjust(widths[3]))).rstrip() for row in cells]
    total, kept = sum(row.weights for row in rows), sum(row.statistics for row in rows)
    also = f", {kept:,} running statistics" if kept else ""
    return "\n".join([*lines, f"{total:,} trainable weights{also}"])


def _shape(output: Any) -> str:
    """Without the number of images: [N, 256, 32, 32]"""
    return f"[{', '.join(['N', *map(str, output.shape[1:])])}]" if isinstance(output, Tensor) else type(output).__name__

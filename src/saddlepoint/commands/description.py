"""Prints the networks layer by layer, as reports and lectures do, for `train.py describe=true`."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from saddlepoint.commands.recipe_refusals import read_recipe
from saddlepoint.errors import RequestError


class Layer(NamedTuple):
    """A row of the table: one layer of a network."""

    name: str
    kind: str
    shape: str  # of its output for N images
    weights: int  # trainable
    statistics: int  # numbers that are stored but not trained by gradients: running means and variances


def describe(settings: Mapping[str, Any]) -> None:
    """Prints a table of layers for each network, without memory for their weights."""
    recipe, problems = read_recipe(settings)
    if recipe is None:
        raise RequestError("\n".join(problem.reason for problem in problems))
    inputs = recipe.module.example_inputs(recipe)
    for name, network in recipe.networks.items():
        title, shapes = name.replace("_", " ").capitalize(), " and ".join(_shape(tensor) for tensor in inputs[name])
        print(f"{title} ({type(network).__name__}), of {shapes}\n{table(layers(network, *inputs[name]))}\n")


def layers(network: nn.Module, *inputs: Tensor) -> list[Layer]:
    """Returns the layers in the order in which they compute, with the shapes of their outputs for `inputs`.

    A module that has weights of its own beside its layers gets a row too. So does one whose weights another layer reads
    without calling it, at the end. The weights of a layer that computes twice are in its first row.
    """
    rows: list[Layer] = []
    counted: set[nn.Module] = set()

    def add(name: str, module: nn.Module, shape: str) -> None:
        first = module not in counted
        weights = first * sum(p.numel() for p in module.parameters(recurse=False) if p.requires_grad)
        statistics = first * sum(b.numel() for b in module.buffers(recurse=False) if b.is_floating_point())
        counted.add(module)
        rows.append(Layer(name, type(module).__name__, shape, weights, statistics))

    def is_a_row(module: nn.Module) -> bool:
        has_weights = any(p.requires_grad for p in module.parameters(recurse=False))
        is_empty = isinstance(module, nn.Sequential)  # if it has no layers
        return has_weights or not [*module.children()] and not is_empty

    def remember(name: str, module: nn.Module):
        def hook(module: nn.Module, arguments: tuple, output: Any) -> None:
            if is_a_row(module):
                add(name, module, _shape(output))
        return module.register_forward_hook(hook)

    hooks = [remember(name, module) for name, module in network.named_modules()]
    try:
        with torch.no_grad():
            network(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    for name, module in network.named_modules():
        if module not in counted and any(p.requires_grad for p in module.parameters(recurse=False)):
            add(name, module, "read")
    return rows


def table(rows: list[Layer]) -> str:
    """Formats the layers as a table in plain text, with the sums of weights and statistics below it."""
    cells = [("layer", "kind", "output", "weights")]
    cells += [(row.name or "(itself)", row.kind, row.shape, f"{row.weights:,}" if row.weights else "") for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    lines = ["  ".join((*(cell.ljust(width) for cell, width in zip(row[:3], widths, strict=False)),
                        row[3].rjust(widths[3]))).rstrip() for row in cells]
    total, statistics = sum(row.weights for row in rows), sum(row.statistics for row in rows)
    also = f", {statistics:,} running statistics" if statistics else ""
    return "\n".join([*lines, f"{total:,} trainable weights{also}"])


def _shape(output: Any) -> str:
    """Writes a tensor's shape with N for the number of images: [N, 256, 32, 32]; of other outputs, their type."""
    return f"[{', '.join(['N', *map(str, output.shape[1:])])}]" if isinstance(output, Tensor) else type(output).__name__

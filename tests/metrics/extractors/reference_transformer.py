"""A vision transformer as its papers describe it, from weights by the names of DINOv2's authors."""

import math

import numpy
import torch
import torch.nn.functional as functional
from torch import Tensor

WIDTH, DEPTH, HEADS, GRID = 32, 2, 4, 37  # the genuine network was trained on 37 x 37 patches


def random_weights(width: int = WIDTH, depth: int = DEPTH, seed: int = 0) -> dict[str, Tensor]:
    """In the layout of the authors' files"""
    shapes = {"cls_token": (1, 1, width), "pos_embed": (1, 1 + GRID**2, width), "mask_token": (1, width),
              "patch_embed.proj.weight": (width, 3, 14, 14), "patch_embed.proj.bias": (width,),
              "norm.weight": (width,), "norm.bias": (width,)}
    for block in (f"blocks.{number}." for number in range(depth)):
        for name, outputs, inputs in (("attn.qkv", 3 * width, width), ("attn.proj", width, width),
                                      ("mlp.fc1", 4 * width, width), ("mlp.fc2", width, 4 * width)):
            shapes |= {f"{block}{name}.weight": (outputs, inputs), f"{block}{name}.bias": (outputs,)}
        for name in ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias", "ls1.gamma", "ls2.gamma"):
            shapes[block + name] = (width,)
    draws = torch.Generator().manual_seed(seed)
    weights = {name: torch.randn(shape, generator=draws) / math.sqrt(math.prod(shape[1:]) or 1)
               for name, shape in shapes.items()}
    weights |= {name: 1 + 0.1 * weight for name, weight in weights.items() if name.endswith(("gamma", "norm.weight"))}
    return weights


def class_token(weights: dict[str, Tensor], pixels: Tensor, heads: int = HEADS) -> Tensor:
    """pixels [N, 3, 224, 224], normalised -> [N, D]"""
    width = weights["cls_token"].shape[-1]

    def linear(name: str, values: Tensor) -> Tensor:
        return values @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(name: str, values: Tensor) -> Tensor:
        centred = values - values.mean(-1, keepdim=True)
        scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    patches = functional.unfold(pixels, 14, stride=14).transpose(1, 2)
    tokens = patches @ weights["patch_embed.proj.weight"].flatten(1).T + weights["patch_embed.proj.bias"]
    tokens = torch.cat([weights["cls_token"].expand(len(pixels), 1, width), tokens], 1) + places_of(weights)
    number = 0
    while (block := f"blocks.{number}.") + "attn.qkv.weight" in weights:
        query, key, value = (each.unflatten(-1, (heads, -1)).transpose(1, 2) for each in
                             linear(block + "attn.qkv", norm(block + "norm1", tokens)).chunk(3, -1))
        attention = (query @ key.transpose(-1, -2) / math.sqrt(width / heads)).softmax(-1)
        looked_at = (attention @ value).transpose(1, 2).flatten(2)
        tokens = tokens + weights[block + "ls1.gamma"] * linear(block + "attn.proj", looked_at)
        hidden = linear(block + "mlp.fc1", norm(block + "norm2", tokens))
        hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
        tokens, number = tokens + weights[block + "ls2.gamma"] * linear(block + "mlp.fc2", hidden), number + 1
    return norm("norm", tokens)[:, 0]


def places_of(weights: dict[str, Tensor]) -> Tensor:
    """For 16 x 16 patches: those of training, read at places (i + 1/2) 37 / 16.1 - 1/2 by the cubic kernel with a =
    -0.75"""
    matrix = numpy.zeros((16, GRID))
    for row in range(16):
        place = (row + 0.5) * GRID / 16.1 - 0.5
        for column in range(math.floor(place) - 1, math.floor(place) + 3):
            d, a = abs(place - column), -0.75
            weight = (a + 2) * d**3 - (a + 3) * d**2 + 1 if d <= 1 else a * (d**3 - 5 * d**2 + 8 * d - 4)
            matrix[row, min(max(column, 0), GRID - 1)] += weight
    maps = weights["pos_embed"][0, 1:].view(GRID, GRID, -1).double().numpy()
    fitted = numpy.einsum("iy,jx,yxd->ijd", matrix, matrix, maps)
    return torch.cat([weights["pos_embed"][:, :1], torch.from_numpy(fitted).float().reshape(1, 256, -1)], 1)

"""Translates images with the generators of a trained run: N images of K channels (the source) or C (the target).

Images are float32 in [-1, 1].
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from saddlepoint.config.rules import ImageSize
from saddlepoint.config.spelling import command
from saddlepoint.errors import RequestError
from saddlepoint.game.modes import device_of, evaluating
from saddlepoint.game.recipe import batch_norms
from saddlepoint.runs import saved_settings
from saddlepoint.sampling.loading import checkpoint_of, draw_from, load_module, translates

BLOCK = 16  # images translated at once
LEAST = 8  # pixels of a side: networks that mirror their maps, a quarter as large, at the borders need two of them
NETWORKS = {"forward": "generator", "back": "inverse_generator"}  # by direction


def load_translator(run: Path, direction: str = "forward", weights: str | None = None) -> tuple[nn.Module, ImageSize]:
    """Loads the network that translates in a direction; returns it and the size of the images it was trained on. Raises
    a RequestError if the run does not translate, not in this direction, or keeps no such weights.

    run: a run directory, whose newest undamaged checkpoint is taken, or a checkpoint
    direction: forward, from source to target, or back
    weights: ema, raw or a further average's name; None: the average when the run kept one
    """
    path = checkpoint_of(run)
    module, saved = load_module(path)
    if not translates(module):
        drawing = "latents" in saved["settings"]["model"]
        what = "makes images from noise" if drawing else "enlarges images"
        instead = command("sample", f"run={run}") if drawing else command("upscale", f"weights={run}", "input=IMAGES")
        raise RequestError(f"run={run} is of a model that {what}, and translates none: type {instead}")
    settings = saved_settings.require_parts(saved, path, saved_settings.OF_DATA)
    draw_from(module, weights)
    networks = module.sampling_networks
    if NETWORKS[direction] not in networks:
        raise RequestError(f"direction={direction}: the model of run={run} translates from source to target alone: "
                           "leave direction= out, or name a run of model=cyclegan")
    return networks[NETWORKS[direction]], settings["data"]["image_size"]


@contextmanager
def as_in_training(network: nn.Module) -> Iterator[nn.Module]:
    """Yields the network in training mode, in which it draws dropout and BatchNorm uses each batch's own statistics,
    but with running statistics that stay as they are. Other processes are not asked for theirs: they may not be
    looking. Then each layer has its mode back."""
    modes = [(layer, layer.training) for layer in network.modules()]
    tracked = [(norm, norm.track_running_stats) for norm in batch_norms(network)]
    network.train()
    for norm, _ in tracked:
        norm.track_running_stats = norm.synchronises = False
    try:
        yield network
    finally:
        for layer, training in modes:
            layer.training = training
        for norm, tracks in tracked:
            norm.track_running_stats, norm.synchronises = tracks, True


@torch.no_grad()
def translate(network: nn.Module, source: Tensor, dropout: bool = False, seed: int = 0) -> Tensor:
    """Returns the translations [N, C, H, W] of source [N, K, H, W], on the CPU. Images of sides that the network does
    not take are mirrored at the right and below, and cut again.

    With `dropout` each image is translated by itself, with dropout and its own statistics in BatchNorm, as pix2pix's
    authors do (Isola et al. 2017, section 3.3, https://arxiv.org/abs/1611.07004); image i draws the same of a seed
    whatever the others are. Without, the network is in evaluation mode. Neither changes torch's random numbers.
    """
    device, height, width = device_of(network), *source.shape[-2:]
    padded, translated = mirror_to_multiple(source, getattr(network, "multiple", 1)), []
    with as_in_training(network) if dropout else evaluating(network), torch.random.fork_rng(enabled=dropout):
        for first in range(0, len(padded), 1 if dropout else BLOCK):
            if dropout:
                torch.manual_seed(seed + first)
            block = padded[first:first + (1 if dropout else BLOCK)].to(device)
            labels = torch.zeros(len(block), dtype=torch.long, device=device)
            translated.append(network(block, labels)[..., :height, :width].float().cpu())
    return torch.cat(translated)


def mirror_to_multiple(images: Tensor, multiple: int) -> Tensor:
    """Extends images [N, C, H, W] to the next multiple of `multiple`, and at least LEAST pixels, in both directions, by
    mirroring them as often as that takes."""
    for axis in (-1, -2):
        side = math.ceil(max(images.shape[axis], LEAST) / multiple) * multiple
        while missing := side - images.shape[axis]:
            length = images.shape[axis]
            border = images.narrow(axis, max(length - missing, 0), min(missing, length))
            images = torch.cat([images, border.flip(axis)], dim=axis)
    return images

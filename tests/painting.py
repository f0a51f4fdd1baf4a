"""Generators whose images can be read: what went in stands in the pixels."""

import numpy
import torch
from omegaconf import OmegaConf
from PIL import Image
from torch import Tensor, nn

from saddlepoint.commands import drawing
from saddlepoint.config.check import checked_settings
from saddlepoint.config.setting_rules import OF_COMMANDS
from saddlepoint.data import pixels
from saddlepoint.game.latents import Latents
from saddlepoint.runs import checkpoint
from saddlepoint.sampling import pictures
from saddlepoint.sampling.generator import SamplingGenerator
from tests.composing import composed

LATENTS = 3
NAMES = ("cat", "dog", "eel", "fox")
LEVEL = 40  # bytes from one class to the next


class Painter(nn.Module):
    """Images of 2 x 2 pixels: the class, as a byte of 40 times its number, then the three latents / 8.

    `num_classes` 0: it ignores labels, and the first pixel is black.
    """

    latent_dim = LATENTS

    def __init__(self, num_classes: int = len(NAMES)):
        super().__init__()
        self.num_classes = num_classes
        self.colour = nn.Embedding(max(num_classes, 1), 1)
        with torch.no_grad():
            self.colour.weight.copy_(torch.arange(max(num_classes, 1.0)).view(-1, 1) * LEVEL / 127.5 - 1)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        labels = labels if self.num_classes else torch.zeros(len(latents), dtype=torch.long)
        return torch.cat([self.colour(labels), latents / 8], 1).view(-1, 1, 2, 2)


def painting_generator(num_classes: int = len(NAMES), distribution: str = "normal",
                       names: tuple[str, ...] = NAMES) -> SamplingGenerator:
    """Classes as often as 1, 2, 3, ..."""
    counts = torch.arange(1.0, num_classes + 1)
    return SamplingGenerator(Painter(num_classes), Latents(LATENTS, distribution),
                             (counts.cumsum(0) / counts.sum()) if num_classes else None, names if num_classes else ())


class Studio:
    """sample.py with a generator at hand, in a run that has nothing but a name."""

    def __init__(self, directory, monkeypatch):
        self.run, self.monkeypatch = directory, monkeypatch
        (directory / "checkpoints").mkdir()
        checkpoint.save(directory / "checkpoints" / "last.ckpt", {})

    def draw(self, generator: SamplingGenerator, *overrides: str) -> None:
        self.monkeypatch.setattr(drawing, "load_generator", lambda run, weights=None: generator)
        config, _ = composed(f"run='{self.run}'", *overrides, config="sample")
        drawing.draw(checked_settings(OmegaConf.create(config), OF_COMMANDS["sample"]))

    def cells(self, name: str) -> Tensor:
        """A grid in the run's folder drawn/ -> its images' bytes [rows, columns, 4]"""
        pixels = torch.from_numpy(numpy.array(Image.open(self.run / "drawn" / f"{name}.png"))).int()
        return cells_of(pixels)


def cells_of(grid: Tensor) -> Tensor:
    """[H, W] -> [rows, columns, 4]"""
    pitch = 2 + pictures.GAP
    return grid.unfold(0, 2, pitch).unfold(1, 2, pitch).flatten(2)


def colours(images: Tensor) -> list[int]:
    """[N, 1, 2, 2] in [-1, 1] -> the bytes of their classes"""
    return pixels.to_bytes(images)[:, 0, 0, 0].tolist()

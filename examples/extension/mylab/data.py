"""A data set that is made, so that it needs no files."""

import torch

from saddlepoint.data.memory import InMemoryImages, LabelledImages


class Rings(InMemoryImages):
    """Bright rings of random places, radii and widths on black; grey, 32 x 32 pixels. Its classes are thin and thick.

    `count` images, 2 or more; the set is the same wherever it is made, as its seed is fixed.
    """

    splits = ("train",)

    def __init__(self, count: int = 2000, **settings):
        super().__init__(**settings)
        self.count = count

    def read(self, split: str) -> LabelledImages:
        random = torch.Generator().manual_seed(2026)
        x, y, radius, width = torch.rand(4, self.count, 1, 1, generator=random)
        x, y, radius = 0.6 * x - 0.3, 0.6 * y - 0.3, 0.3 + 0.3 * radius
        thick = (width.flatten() > 0.5).long()
        line = torch.linspace(-1, 1, 32)
        distance = ((line - x).square() + (line.unsqueeze(1) - y).square()).sqrt()  # [count, 32, 32]
        brightness = (-((distance - radius) / (0.05 + 0.15 * width)).square()).exp()
        return LabelledImages((255 * brightness).round().to(torch.uint8).unsqueeze(1), thick, ("thin", "thick"))

"""Shows what an encoder and a generator make of images, and where a code of two numbers puts each of them."""

import colorsys
from collections.abc import Sequence

import numpy
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn

from saddlepoint.config.rules import Count, WholeNumber
from saddlepoint.data import pixels
from saddlepoint.data.images import ImageDataModule
from saddlepoint.game.encoding import EncodingModule
from saddlepoint.game.latents import Latents
from saddlepoint.game.modes import evaluating
from saddlepoint.sampling import pictures
from saddlepoint.training.callbacks.pace import Pace
from saddlepoint.training.callbacks.representation import BLOCK, Measured, Representation

COLUMNS = 10  # of the picture of reconstructions
SIDE = 512  # pixels of the map
DOT = 2  # pixels from the middle of a point of the map to its edge


class Reconstructions(Representation):
    """A callback that draws images x above G(E(x)) and measures `reconstruction_error`, their mean squared difference.

    Pixels are from 0 to 1. The baseline is the error of the mean of these images in place of G(E(x)), as good as an
    encoder that says nothing could do. Latents of two numbers are drawn as maps as well: samples/map_<images seen>.png
    has a point for each image that is measured, in the colour of its class, and samples/plane_<images seen>.png has G's
    image at each place of the same square.

    shown: images in the picture of reconstructions
    plane: images in a row of the second map; 0: neither map
    The other settings are those of Representation.
    """

    uses_average = True

    def __init__(self, data: ImageDataModule, every_images: Pace, moments: Sequence[WholeNumber],
                 num_images: Count, shown: Count = 40, plane: WholeNumber = 15):
        super().__init__(data, every_images, moments, num_images)
        self.shown, self.plane = shown, plane

    def measure(self, module: EncodingModule) -> dict[str, Measured]:
        encoder, generator = (module.sampling_networks[name] for name in ("encoder", "generator"))
        codes, errors, made, count = [], [], [], 0
        with evaluating(encoder), evaluating(generator):
            for images, labels in self.blocks(module.device):
                codes.append(encoder(images, labels))
                reconstructed = generator(codes[-1], labels)
                errors.append((reconstructed - images).square().flatten(1).mean(1) / 4)  # of pixels from 0 to 1
                made.append(pixels.to_bytes(reconstructed[:self.shown - count]).cpu())
                count += len(made[-1])
        self.codes, self.made = torch.cat(codes).cpu(), torch.cat(made)
        return {"reconstruction_error": Measured(torch.cat(errors).mean().item(), mean_variance(self.images))}

    def draw(self, module: EncodingModule) -> dict[str, Tensor]:
        rows = zip(self.images[:self.shown].split(COLUMNS), self.made.split(COLUMNS), strict=True)
        shown = torch.cat([_filled(row) for pair in rows for row in pair])
        drawn = {"reconstructions": pictures.grid(shown, COLUMNS)}
        if self.plane and module.latents.size == 2:
            reach = reach_of(module.sampling_latents)
            drawn["map"] = map_of(self.codes, self.labels, self.data.class_names, reach)
            with evaluating(module.sampling_networks["generator"]) as generator:
                drawn["plane"] = self.images_of_plane(generator, reach, module.device)
        return drawn

    def images_of_plane(self, generator: nn.Module, reach: float, device: torch.device) -> Tensor:
        """Returns G's images at equal distances, the first latent from left to right, the second from bottom to top."""
        places = torch.linspace(-reach, reach, self.plane)
        second, first = torch.meshgrid(places.flip(0), places, indexing="ij")
        images = [pixels.to_bytes(generator(part.to(device), torch.zeros(len(part), dtype=torch.long, device=device)))
                  for part in torch.stack([first.flatten(), second.flatten()], 1).split(BLOCK)]
        return pictures.grid(torch.cat(images).cpu(), self.plane)


def _filled(row: Tensor) -> Tensor:
    """Returns the images of a row of the grid, filled up with black ones."""
    return torch.cat([row, row.new_zeros(COLUMNS - len(row), *row.shape[1:])])


def mean_variance(images: Tensor) -> float:
    """Returns the mean over pixels of their variance over images, uint8 [N, C, S, S], in units of 255 squared."""
    return sum((channel / 255).var(0, unbiased=False).mean().item()
               for channel in images.unbind(1)) / images.shape[1]


def reach_of(latents: Latents) -> float:
    """Returns the number up to which a map of latents shows each of them: three standard deviations, or the range."""
    limits = latents.limits()
    return 3.0 if limits is None else max(limit.abs().max().item() for limit in limits)


def map_of(codes: Tensor, labels: Tensor, class_names: Sequence[str], reach: float) -> Tensor:
    """Draws a point for each of the codes [N, 2] in a square from -reach to reach, as uint8 [3, SIDE, SIDE].

    labels [N] choose the colours, which a column of names on the left explains; codes outside the square are left out
    """
    picture = Image.new("RGB", (SIDE, SIDE), "white")
    draw = ImageDraw.Draw(picture)
    draw.line([(0, SIDE // 2), (SIDE, SIDE // 2)], "lightgrey")
    draw.line([(SIDE // 2, 0), (SIDE // 2, SIDE)], "lightgrey")
    num_classes = max(int(labels.max()) + 1, 1)
    colours = [tuple(round(255 * part) for part in colorsys.hsv_to_rgb(each / num_classes, 1, 0.5 + 0.4 * (each % 2)))
               for each in range(num_classes)]
    places = (SIDE / 2 * (1 + codes / reach * torch.tensor([1.0, -1.0]))).tolist()
    for (x, y), label in zip(places, labels.tolist(), strict=True):
        if 0 <= x < SIDE and 0 <= y < SIDE:
            draw.rectangle([x - DOT, y - DOT, x + DOT, y + DOT], colours[label])
    for label, name in enumerate(class_names[:num_classes]):
        draw.text((4, 4 + 12 * label), str(name), colours[label])
    draw.text((SIDE - 60, SIDE - 14), f"+-{reach:g}", "black")
    return torch.from_numpy(numpy.array(picture)).permute(2, 0, 1)

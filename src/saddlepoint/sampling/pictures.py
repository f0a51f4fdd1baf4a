"""Turns a generator's output into picture files. N images of C channels and H x W pixels."""

import io
import math
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from saddlepoint.files.atomic import write_atomically

GAP = 2  # pixels between the images of a grid


def grid(images: Tensor, columns: int | None = None) -> Tensor:
    """Arranges images, uint8 [N, C, H, W], in a grid, uint8 [C, rows, columns], with a gap between them; as square
    as possible by default."""
    count, channels, height, width = images.shape
    columns = min(columns or math.ceil(math.sqrt(count)), count)
    rows = math.ceil(count / columns)
    canvas = torch.zeros(channels, rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, dtype=torch.uint8)
    for index, image in enumerate(images):
        top, left = index // columns * (height + GAP), index % columns * (width + GAP)
        canvas[:, top:top + height, left:left + width] = image
    return canvas


def visible(images: Tensor) -> Tensor:
    """Returns images [N, C, H, W] as pictures can show them: of those that are neither grey nor RGB (several frames,
    say), the last channel."""
    return images if images.shape[1] in (1, 3) else images[:, -1:]


def as_colours(images: Tensor) -> Tensor:
    """Returns what a generator makes, [N, C, H, W], as pictures can show it: of latents, which are neither grey nor
    RGB, the first three channels as red, green and blue, or of two the first as grey."""
    channels = images.shape[1]
    return images if channels in (1, 3) else images[:, :3 if channels > 3 else 1]


def png(image: Tensor) -> bytes:
    """Returns the content of a PNG file of an image, uint8 [C, H, W], with C 1 (grey) or 3 (RGB)."""
    content = io.BytesIO()
    as_pillow(image).save(content, format="PNG", compress_level=1)
    return content.getvalue()


def as_pillow(image: Tensor) -> Image.Image:
    pixels = image[0] if image.shape[0] == 1 else image.permute(1, 2, 0)
    return Image.fromarray(pixels.contiguous().numpy())


def write_png(path: Path, image: Tensor) -> None:
    content = png(image)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda temporary: temporary.write_bytes(content), durably=False)

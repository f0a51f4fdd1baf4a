"""Makes small data sets of folders, and reads their batches, for the tests."""

from itertools import islice

import torch
from PIL import Image

from saddlepoint.data.folders import ImageFolder
from saddlepoint.game.batches import ImageBatch

RANDOM = {"crop": "random", "horizontal_flip": True}


def folder(root, **changes) -> ImageFolder:
    settings = {"channels": 3, "image_size": 16, "batch_size": 4, "seed": 5, "extensions": ["png", "jpg"]} | changes
    data = ImageFolder(name="image_folder", root=str(root) if root else None, **settings)
    data.prepare_data()
    data.setup("fit")
    return data


def batches(data: ImageFolder, count: int) -> list[ImageBatch]:
    return [data.on_after_batch_transfer(batch, 0) for batch in islice(data.train_dataloader(), count)]


def stream(data: ImageFolder, count: int) -> torch.Tensor:
    return torch.cat([batch.real for batch in batches(data, count)])


def as_bytes(images: torch.Tensor) -> torch.Tensor:
    return ((images + 1) * 127.5).round().to(torch.uint8)


def write_grey_levels(root, levels, size: int = 16) -> None:
    """Writes an image for each grey level, filled with it, so that a batch tells which files it has."""
    root.mkdir(parents=True, exist_ok=True)
    for level in levels:
        Image.new("L", (size, size), level).save(root / f"{level:03}.png")


def levels(images: torch.Tensor) -> list[int]:
    return as_bytes(images)[:, 0, 0, 0].tolist()

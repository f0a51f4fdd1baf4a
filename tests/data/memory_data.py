"""Makes small data sets in memory, and reads their batches, for the tests."""

from itertools import islice

import torch

from saddlepoint.data.memory import InMemoryImages, LabelledImages
from saddlepoint.game.batches import ImageBatch


class Numbered(InMemoryImages):
    """Image i is filled with i on its left half and with 255 - i on its right; its label is i % 10."""

    count, shape = 90, (1, 6, 6)

    def read(self, split: str) -> LabelledImages:
        number = torch.arange(self.count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, *self.shape)
        images = torch.cat([number[..., :3], 255 - number[..., 3:]], dim=-1)
        return LabelledImages(images, torch.arange(self.count) % 10, tuple("0123456789"))


class Large(InMemoryImages):
    def read(self, split: str) -> LabelledImages:
        images = torch.zeros(3500, 1, 28, 28, dtype=torch.uint8)
        return LabelledImages(images, torch.arange(3500) % 10, tuple("0123456789"))


def numbered(**changes) -> Numbered:
    settings = {"channels": 1, "image_size": 6, "num_classes": 10, "batch_size": 8, "seed": 5} | changes
    data = Numbered(name="numbered", **settings)
    data.setup("fit")
    return data


def batches(data: InMemoryImages, count: int) -> list[ImageBatch]:
    return [data.on_after_batch_transfer(batch, 0) for batch in islice(data.train_dataloader(), count)]


def stream(data: InMemoryImages, count: int) -> torch.Tensor:
    return torch.cat([batch.real for batch in batches(data, count)])

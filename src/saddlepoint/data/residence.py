"""Keeps whole data sets in the memory of the device that trains, so that a step copies nothing to it.

The loader then gives the positions of a batch alone, and its images are gathered where they lie.
"""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.utils.data import Dataset

from saddlepoint.data.pixels import mirrored
from saddlepoint.data.sampling import EndlessOrder
from saddlepoint.errors import RequestError
from saddlepoint.game.device_memory import free_bytes

AUTO = "auto"
SMALL = 1 << 30  # bytes, which a machine that trains has to spare
SHARE = 4  # auto: a set is kept if it takes at most one part in so many of the memory that is free


class Residents(Protocol):
    """A data set whose images are in memory, on some device."""

    num_bytes: int

    def to(self, device: torch.device) -> "Residents":
        """Returns the same data set on another device. What it gives is the same to the bit."""

    def __getitems__(self, positions: range) -> tuple:
        """Returns the batch at these positions, on the device of the images."""


class PositionsOfBatch(NamedTuple):
    """The positions of the stream that make up a batch, from `start` to the one before `stop`."""

    start: int
    stop: int


class OnlyPositions(Dataset):
    """A data set that loads no images: a range of the stream's positions -> these positions."""

    def __init__(self, num_images: int):
        self.num_images = num_images

    def __len__(self) -> int:
        return self.num_images

    def __getitems__(self, positions: range) -> PositionsOfBatch:
        return PositionsOfBatch(positions.start, positions.stop)


class GatheredBatches(Dataset):
    """A data set that gathers whole batches: a range of the stream's positions -> (images [len, C, H, W] uint8, labels
    [len] int64), on the device where its images are."""

    def __init__(self, images: Tensor, labels: Tensor, order: EndlessOrder, horizontal_flip: bool):
        self.images, self.labels, self.order, self.horizontal_flip = images, labels, order, horizontal_flip

    def __len__(self) -> int:
        return len(self.images)

    @property
    def num_bytes(self) -> int:
        """How much memory the images take."""
        return self.images.nbytes

    def to(self, device: torch.device) -> "GatheredBatches":
        """Returns the same data set with its images, labels and order on another device."""
        return type(self)(self.images.to(device), self.labels.to(device), self.order.on(device), self.horizontal_flip)

    def __getitems__(self, positions: range) -> tuple[Tensor, Tensor]:
        chosen = self.order.images(positions)
        images = self.images.index_select(0, chosen)  # a tenth of the time of images[chosen]
        if self.horizontal_flip:
            images = mirrored(images, self.order.coins("flip", positions))
        return images, self.labels.index_select(0, chosen)


def is_kept(on_device: bool | str, num_bytes: int, device: torch.device) -> bool:
    """Decides whether a set of so many bytes is kept on a device. With `auto` it is if the device is a GPU and has four
    times as much memory free; with True a set that does not fit is refused. On the CPU it lies there already."""
    if on_device == AUTO:
        return device.type == "cuda" and num_bytes * SHARE <= free_bytes(device)
    if on_device and device.type != "cpu":
        require_room(num_bytes, device)
    return on_device


def is_small(num_bytes: int, devices: Iterable[torch.device]) -> bool:
    """Returns whether images of so many bytes are kept without being asked: at most 1 GB, and a quarter of what is free
    on each device."""
    free = [bytes_ for device in devices if (bytes_ := free_bytes(device)) is not None]
    return num_bytes <= SMALL and all(num_bytes * SHARE <= bytes_ for bytes_ in free)


def require_room(num_bytes: int, device: torch.device) -> None:
    """Refuses a set that needs more memory than a device has free."""
    free = free_bytes(device)
    if free is not None and num_bytes > free:
        raise RequestError(f"data.on_device=true keeps all images in memory, {in_words(num_bytes)}, and "
                           f"{'this machine' if device.type == 'cpu' else device} has {in_words(free)} free: type "
                           "data.on_device=false, or a smaller data.image_size or data.subset_size")


def in_words(num_bytes: int) -> str:
    """Returns a number of bytes as people read it, e.g. 1.5 GB."""
    for unit, size in (("GB", 10**9), ("MB", 10**6)):
        if num_bytes >= size:
            return f"{num_bytes / size:.1f} {unit}"
    return f"{num_bytes / 1000:.1f} kB"

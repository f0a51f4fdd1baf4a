"""The images of a data set as metrics use them: each once, in a fixed order, neither mirrored nor cropped at random.

N images of C channels and H x W pixels.
"""

import hashlib
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy
import torch
import torch.nn.functional as functional
from torch import Tensor

from saddlepoint.config.image_sizes import Sides
from saddlepoint.data import describing
from saddlepoint.data.decoding import Unreadable
from saddlepoint.data.loading import ImageLoader
from saddlepoint.data.sampling import fixed_subset
from saddlepoint.errors import RequestError
from saddlepoint.image_files.packed import Packed, Place

log = logging.getLogger(__name__)


class Block(NamedTuple):
    """Some images of a set, with those files that could not be decoded; or some points."""

    images: Tensor  # [N, C, H, W] uint8; points [N, D] float32
    labels: Tensor  # [N] int64
    unreadable: dict[str, str]  # file -> why it could not be decoded; its image and label are missing


class EvaluationImages(ABC):
    """Images with their labels, which metrics read in blocks.

    A subclass says how a block is read, how a subset is taken and what identifies the images.

    name: the data set's
    split: `train` or `test`
    labels: [N] int64, of all images
    """

    channels: int
    dimensions: int | None = None  # D, coordinates of a point; None: these are images
    image_size: int | Sides  # pixels of a side of squares, or H and W
    framing: str  # how the images were brought to this size, in words
    is_stored = from_file = False  # not statistics of images, but images
    has_spatial = True  # any features can be computed of them

    def __init__(self, name: str, split: str, labels: Tensor):
        self.name, self.split, self.labels = name, split, labels

    def __len__(self) -> int:
        return len(self.labels)

    def limited(self, count: int | None) -> "EvaluationImages":
        """Returns these images or, if there are more, `count` of them, always the same ones; None: all."""
        if count is None or count >= len(self):
            return self
        return self.subset(fixed_subset(len(self), count).sort().values)

    @abstractmethod
    def subset(self, indices: Tensor) -> "EvaluationImages":
        """Returns the images of these indices [count] int64 as a set of their own."""

    @abstractmethod
    def block(self, indices: range) -> Block:
        """Reads the images of these indices."""

    def for_validation(self) -> Tensor:
        """Returns all images [N, C, H, W] uint8, without those that cannot be read, of which it warns. Raises a
        RequestError if none is left."""
        block = self.block(range(len(self)))
        if block.unreadable:
            reasons = describing.listed([f"{file} ({why})" for file, why in block.unreadable.items()])
            message = (f"{len(block.unreadable)} of {len(self)} validation images of data={self.name} cannot be read: "
                       f"{reasons}")
            if not len(block.images):
                raise RequestError(f"{message}. None is left to validate with: mend these files, or replace them")
            log.warning("%s. They are left out.", message)
        return block.images

    @abstractmethod
    def identity(self) -> str:
        """Returns a text that identifies the images: if it is the same for two sets, their statistics are the same."""


class EvaluationTensor(EvaluationImages):
    """Images in memory.

    name, split: of the data set, and `train` or `test`
    images: [N, C, H, W] uint8, before padding
    labels: [N] int64
    padding: black pixels to add left, right, above and below, as D sees the images
    framing: how the images were brought to their size, in words
    """

    def __init__(self, name: str, split: str, images: Tensor, labels: Tensor, padding: Sequence[int] = (0, 0, 0, 0),
                 framing: str = "none"):
        super().__init__(name, split, labels)
        self.images, self.padding, self.framing = images, tuple(padding), framing
        self.channels, (height, width) = images.shape[1], images.shape[-2:]
        left, right, above, below = padding
        self.image_size = Sides(height + above + below, width + left + right).image_size

    def subset(self, indices: Tensor) -> "EvaluationTensor":
        return EvaluationTensor(self.name, self.split, self.images[indices], self.labels[indices], self.padding,
                                self.framing)

    def block(self, indices: range) -> Block:
        images = functional.pad(self.images[indices.start:indices.stop], self.padding)
        return Block(images, self.labels[indices.start:indices.stop], {})

    def identity(self) -> str:
        content = hashlib.sha256(self.images.contiguous().numpy().data)
        content.update(self.labels.contiguous().numpy().data)
        return f"{content.hexdigest()} {tuple(self.images.shape)} {self.padding}"


class EvaluationFiles(EvaluationImages):
    """Images in files, which are decoded each time they are read.

    name, split: of the data set, and `train` or `test`
    labels: [N] int64, one for each file
    load: decodes, scales and crops; its crop must not be random
    """

    def __init__(self, name: str, split: str, files: Sequence[Place], labels: Tensor, load: ImageLoader):
        super().__init__(name, split, labels)
        self.files, self.load = files, load
        self.channels, self.image_size = load.channels, load.framing.image_size
        self.framing = f"{load.framing.resize}, {load.framing.crop}"

    def subset(self, indices: Tensor) -> "EvaluationFiles":
        files = [self.files[index] for index in indices.tolist()]
        return EvaluationFiles(self.name, self.split, files, self.labels[indices], self.load)

    def block(self, indices: range) -> Block:
        images, unreadable = {}, {}
        for index in indices:
            try:
                images[index] = self.load.framing.cropped(self.load.pixels(self.files[index]))
            except Unreadable as error:
                unreadable[str(self.files[index])] = str(error)
        size = (0, *self.load.framing.sides, self.channels)
        pixels = numpy.stack([*images.values()]) if images else numpy.empty(size, numpy.uint8)
        return Block(torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), self.labels[list(images)], unreadable)

    def identity(self) -> str:
        framing, white = self.load.framing, self.load.limits.white
        content = hashlib.sha256(repr((self.channels, framing.image_size, framing.resize, white)).encode())
        content.update(self.load.part.encode())
        real_folder = cache(os.path.realpath)  # once for each folder, not for each of 100,000 files: it is slow
        for path, label in zip(self.files, self.labels.tolist(), strict=True):
            if isinstance(path, Packed):
                content.update(repr((path.state(), label)).encode(errors="surrogateescape"))
                continue
            try:
                status = path.stat()
                state = status.st_ino, status.st_size, status.st_mtime_ns
            except OSError:  # deleted since the folder was listed
                state = None
            file = repr((real_folder(path.parent), path.name, state, label))
            content.update(file.encode(errors="surrogateescape"))
        return content.hexdigest()

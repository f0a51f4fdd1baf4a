"""Points drawn from a mixture as a data set: a fixed set of them, or fresh ones without end.

N points of D coordinates, K modes.
"""

import hashlib
from typing import Annotated, ClassVar

import torch
from torch import Tensor
from torch.utils.data import Dataset

from saddlepoint.checks import at_least, require
from saddlepoint.config.rules import Count, Seed, WholeNumber, one_of
from saddlepoint.data import describing
from saddlepoint.data.evaluation_points import EvaluationPoints
from saddlepoint.data.images import ImageDataModule
from saddlepoint.data.mixtures import Mixture
from saddlepoint.data.residence import GatheredBatches
from saddlepoint.data.sampling import OrderOfPacks
from saddlepoint.errors import RequestError
from saddlepoint.game.batches import PointBatch
from saddlepoint.game.random_streams import seed_of

EVALUATED = 20_000  # points that metrics compare with where training has fresh ones without end
NUMBERS_AT_ONCE = 1 << 17  # that fresh points are drawn in; another number would draw others
SPLITS = ("train", "test")


class PointDataModule(ImageDataModule):
    """Points of a mixture, as `PointBatch` on the device that trains: points [N, D] and labels [N], the modes if
    num_classes says so, else 0.

    What ImageDataModule knows of shapes it knows of points as images of one pixel, whose channels are the coordinates.

    name: what the data set is called in folders and tables
    mixture: what points are drawn from (mixtures.py)
    dimensions: D, that of the mixture
    batch_size: points per step over all processes, 1 or more
    num_points: of the fixed set that each epoch shows in another order, 1 or more; None: fresh points without end
    fixed_packs: m, 1 or more, by which num_points can be divided: points that follow each other in the set are packs of
        m, which stay together in every order (PacGAN, https://arxiv.org/abs/1712.04086)
    num_classes: 0: labels are not used; K, the modes of the mixture: a point's label is its mode
    points_seed: of the fixed set, of its split `test` and of the points for metrics; the same in every run, so that
        runs whose seeds differ have the same points
    seed: of the order, and of fresh points
    """

    yields: ClassVar[type] = PointBatch
    things: ClassVar[str] = "points"

    def __init__(self, name: str, mixture: Mixture, dimensions: Count, batch_size: Count,
                 num_points: Count | None = None, fixed_packs: Count = 1, num_classes: WholeNumber = 0,
                 on_device: Annotated[bool | str, one_of("auto", True, False)] = "auto", points_seed: Seed = 0,
                 seed: Seed = 0):
        require(dimensions == mixture.dimensions, "data.dimensions", dimensions,
                f"{mixture.dimensions}, the coordinates of data.mixture: type data.dimensions={mixture.dimensions}")
        super().__init__(name=name, channels=dimensions, image_size=1, batch_size=batch_size, num_classes=num_classes,
                         seed=seed)
        at_least(1, num_points=num_points, fixed_packs=fixed_packs)
        require(num_classes in (0, mixture.modes), "data.num_classes", num_classes,
                f"0 (no labels) or {mixture.modes}, the modes of data.mixture")
        if num_points is None:
            require(fixed_packs == 1, "data.fixed_packs", fixed_packs,
                    "1, as fresh points are in packs of their own whatever it says: type data.fixed_packs=1, or "
                    "data.num_points=N for a fixed set")
        elif num_points % fixed_packs:
            whole = -(-num_points // fixed_packs) * fixed_packs
            raise ValueError(f"data.num_points={num_points} must be a multiple of data.fixed_packs={fixed_packs}: type "
                             f"data.num_points={whole}")
        self.mixture, self.dimensions, self.num_points, self.fixed_packs = mixture, dimensions, num_points, fixed_packs
        self.points_seed = points_seed
        self.on_device = on_device if num_points else False

    def automatic_workers(self) -> int:
        return 0  # gathering or drawing points is faster than sending them from another process

    def open(self) -> Dataset:
        if self.num_classes:
            self.class_names = tuple(map(str, range(self.mixture.modes)))
        if self.num_points is None:
            self.num_images = 0
            self.contents = {"contents": digest_of(self.mixture), "kind": "fresh points"}
            return FreshPoints(self.mixture, self.num_classes > 0, self.seed)
        points, labels = self._drawn("train", self.num_points)
        self.num_images = self.num_points
        self.contents = {"contents": digest_of(self.mixture, points), "kind": "points"}
        if self.fixed_packs > 1:
            self.contents["packs_of"] = self.fixed_packs
        order = OrderOfPacks(len(points), self.seed, self.fixed_packs)
        return GatheredBatches(points, labels, order, horizontal_flip=False)

    def evaluation_images(self, split: str = "train") -> EvaluationPoints:
        """Returns the points of the fixed set; else, and of `test`, points that no training sees."""
        if split not in SPLITS:
            raise RequestError(f"data={self.name} has no {split} points, only {' and '.join(SPLITS)}: name one of "
                               "these")
        if split == "train" and self.num_points and self._dataset is not None:
            points, labels = (each.cpu() for each in (self._dataset.images, self._dataset.labels))
        else:
            points, labels = self._drawn(split, self.num_points or EVALUATED)
        return EvaluationPoints(self.name, split, points, labels)

    def on_after_batch_transfer(self, batch: tuple[Tensor, Tensor], dataloader_idx: int) -> PointBatch:
        return PointBatch(*batch)

    def describe(self) -> list[str]:
        self.setup()
        counted = describing.counted
        points = counted(self.num_points, "point") if self.num_points else "fresh points"
        packs = f", in packs of {self.fixed_packs}" if self.fixed_packs > 1 else ""
        return [f"data: {points} of {self.place}, {counted(self.dimensions, 'coordinate')}, "
                f"{counted(self.mixture.modes, 'mode')}{packs}"]

    def _drawn(self, split: str, count: int) -> tuple[Tensor, Tensor]:
        """Returns points [count, D] of a split and their labels [count]."""
        generator = torch.Generator().manual_seed(seed_of(self.points_seed, 0, f"data/{split} points"))
        points, modes = self.mixture.draw(count, generator)
        return points, modes if self.num_classes else torch.zeros_like(modes)


class FreshPoints(Dataset):
    """A data set of points without end: a range of the stream's positions -> (points [len, D], labels [len]).

    Points are drawn some thousands at once, each of these blocks by the seed and its number, so that the point at a
    position depends on nothing else: neither on batches nor on where the stream begins.
    """

    def __init__(self, mixture: Mixture, labelled: bool, seed: int):
        self.mixture, self.labelled, self.seed = mixture, labelled, seed
        self.block_size = max(NUMBERS_AT_ONCE // mixture.dimensions, 64)
        self.labels = torch.arange(mixture.modes) if labelled else torch.zeros(1, dtype=torch.long)  # all equally often
        self._newest: tuple[int, Tensor, Tensor] | None = None  # number of a block, points, labels

    def __len__(self) -> int:
        return self.block_size  # torch's loader asks; the stream has no end

    def __getitems__(self, positions: range) -> tuple[Tensor, Tensor]:
        size, pieces = self.block_size, []
        for number in range(positions.start // size, (positions.stop - 1) // size + 1):
            before = number * size
            rows = slice(max(positions.start - before, 0), positions.stop - before)
            pieces.append([each[rows] for each in self._block(number)])
        return tuple(pieces[0]) if len(pieces) == 1 else tuple(map(torch.cat, zip(*pieces, strict=True)))

    def _block(self, number: int) -> tuple[Tensor, Tensor]:
        if self._newest is None or self._newest[0] != number:
            generator = torch.Generator().manual_seed(seed_of(self.seed, number, "data/fresh points"))
            points, modes = self.mixture.draw(self.block_size, generator)
            self._newest = number, points, modes if self.labelled else torch.zeros_like(modes)
        return self._newest[1:]


def digest_of(mixture: Mixture, *points: Tensor) -> str:
    """Returns the SHA-256 of the points, or of the mixture that fresh ones are drawn from, hexadecimal."""
    content = hashlib.sha256(f"{type(mixture).__name__} {mixture.standard_deviation}".encode())
    for tensor in points or mixture.buffers():
        content.update(repr(tuple(tensor.shape)).encode() + tensor.contiguous().numpy().tobytes())
    return content.hexdigest()

"""Shapes of voxels as a data set: made ones, or those in files.

N shapes as cubes of S x S x S voxels.
"""

import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated, ClassVar, NoReturn

import torch
from torch import Tensor
from torch.utils.data import Dataset

from saddlepoint.checks import at_least, require
from saddlepoint.config.rules import Count, Seed, WholeNumber, list_of, one_of, optional, path, text
from saddlepoint.config.typed_paths import expanded
from saddlepoint.data import describing
from saddlepoint.data.images import ImageDataModule
from saddlepoint.data.made_shapes import KINDS, ROTATIONS, draw_shapes
from saddlepoint.data.residence import GatheredBatches
from saddlepoint.data.sampling import EndlessOrder, fixed_subset, left_out_by_subset
from saddlepoint.data.voxel_files import files_in, read_voxels
from saddlepoint.errors import RequestError
from saddlepoint.game.batches import VoxelBatch

OnDevice = Annotated[bool | str, one_of("auto", True, False)]


class VoxelDataModule(ImageDataModule):
    """A fixed set of shapes in memory, which each epoch shows in another order, as `VoxelBatch` on the device that
    trains: shapes float32 [N, 1, S, S, S] from 0 (empty) to 1 (full) and labels [N].

    What ImageDataModule knows of shapes it knows of images of one channel; there are no metrics of voxels.

    edge: S, voxels along each edge, 1 or more
    on_device: whether all shapes are kept in the memory of the device that trains: `auto` (on a GPU with four times as
        much free), True or False
    """

    yields: ClassVar[type] = VoxelBatch
    things: ClassVar[str] = "voxels"

    def __init__(self, name: str, edge: Count, on_device: OnDevice = "auto", **more):
        at_least(1, edge=edge)
        super().__init__(name=name, channels=1, image_size=edge, **more)
        self.edge, self.on_device = edge, on_device

    @abstractmethod
    def read(self) -> tuple[Tensor, Tensor, tuple[str, ...]]:
        """Returns shapes uint8 [N, 1, S, S, S] from 0 to 255, classes [N] int64 and the classes' names."""

    def automatic_workers(self) -> int:
        return 0  # gathering shapes is faster than sending them from another process

    def open(self) -> Dataset:
        shapes, labels, names = self.read()
        if self.subset_size is not None:
            self.left_out = left_out_by_subset(len(shapes), self.subset_size)
            chosen = fixed_subset(len(shapes), self.subset_size)
            shapes, labels = shapes[chosen], labels[chosen]
        self.num_images, self.class_names = len(shapes), names if self.num_classes else ()
        self.contents = {"contents": hashlib.sha256(repr([*shapes.shape]).encode() + shapes.numpy().tobytes()
                                                    ).hexdigest(), "kind": "shapes"}
        labels = labels if self.num_classes else torch.zeros_like(labels)
        return GatheredBatches(shapes, labels, EndlessOrder(len(shapes), self.seed), horizontal_flip=False)

    def shapes(self, count: int) -> Tensor:
        """Returns the first `count` shapes that are trained on, float32 [N, 1, S, S, S] from 0 to 1, on the CPU."""
        return self._dataset.images[:count].cpu().float() / 255

    def evaluation_images(self, split: str = "train") -> NoReturn:
        raise RequestError(f"data={self.name} has shapes of voxels, and metrics look at images or points: leave them "
                           "out, e.g. with callbacks=voxels, whose pictures show the shapes")

    def on_after_batch_transfer(self, batch: tuple[Tensor, Tensor], dataloader_idx: int) -> VoxelBatch:
        shapes, labels = batch
        return VoxelBatch(shapes.float() / 255, labels)

    def describe(self) -> list[str]:
        identity = self.identity()
        lines = [f"data: {describing.counted(identity['images'], 'shape')} of {self.place}"
                 f"{describing.classes(identity['classes'])}, {self.edge} x {self.edge} x {self.edge} voxels"]
        return lines + ([f"left out: {'; '.join(self.left_out)}"] if self.left_out else [])


class MadeVoxels(VoxelDataModule):
    """Solid shapes of random kind, size, place and orientation (made_shapes.py), each a function of seed and number.

    num_shapes: in the set, 1 or more
    kinds: of shapes, some of box, ball, torus, cross and cylinder, each as often as the others
    rotation: none: along the axes | vertical: turned about the height | any
    num_classes: 0: labels are not used; K, the number of kinds: a shape's label is its kind
    shapes_seed: of the shapes; the same in every run, so that runs whose seeds differ have the same shapes
    seed: of the order
    """

    def __init__(self, name: str, edge: Count, batch_size: Count, num_shapes: Count = 2000,
                 kinds: Annotated[Sequence[str], list_of(one_of(*KINDS))] = tuple(KINDS),
                 rotation: Annotated[str, one_of(*ROTATIONS)] = "vertical", num_classes: WholeNumber = 0,
                 on_device: OnDevice = "auto", subset_size: Count | None = None,
                 shapes_seed: Seed = 0, seed: Seed = 0):
        super().__init__(name, edge, on_device, batch_size=batch_size, num_classes=num_classes,
                         subset_size=subset_size, seed=seed)
        at_least(1, num_shapes=num_shapes)
        self.kinds = tuple(dict.fromkeys(kinds))
        require(self.kinds and {*self.kinds} <= {*KINDS}, "data.kinds", kinds, "a list of some of " + ", ".join(KINDS))
        require(rotation in ROTATIONS, "data.rotation", rotation, "one of " + ", ".join(ROTATIONS))
        require(num_classes in (0, len(self.kinds)), "data.num_classes", num_classes,
                f"0 (no labels) or {len(self.kinds)}, the number of data.kinds")
        self.num_shapes, self.rotation, self.shapes_seed = num_shapes, rotation, shapes_seed

    def read(self) -> tuple[Tensor, Tensor, tuple[str, ...]]:
        return *draw_shapes(self.edge, self.kinds, self.rotation, self.shapes_seed, self.num_shapes), self.kinds


class VoxelFiles(VoxelDataModule):
    """Shapes from .npy and .npz files: arrays [N, D, H, W], [N, 1, D, H, W], or [D, H, W] of one shape, bool, uint8 or
    floats from 0 to 1 (voxel_files.py).

    root: FILE.npy, FILE.npz, or a folder of such files
    array: name of the array in .npz files; None: the only one that can be voxels
    edge: S, voxels along each edge; smaller shapes get empty voxels around them, larger ones are refused
    """

    def __init__(self, name: str, root: Annotated[str | None, optional(path)], edge: Count, batch_size: Count,
                 array: Annotated[str | None, optional(text)] = None, num_classes: Annotated[int, one_of(0)] = 0,
                 on_device: OnDevice = "auto", subset_size: Count | None = None,
                 seed: Seed = 0):
        super().__init__(name, edge, on_device, batch_size=batch_size, num_classes=num_classes,
                         subset_size=subset_size, seed=seed)
        require(num_classes == 0, "data.num_classes", num_classes, "0: files of voxels have no labels")
        self.root, self.array = None if root is None else expanded(root, "data.root"), array

    @property
    def place(self) -> str:
        return f"data.root={self.root}"

    def read(self) -> tuple[Tensor, Tensor, tuple[str, ...]]:
        if self.root is None:
            raise RequestError(f"data={self.name} needs to know the files: type data.root=FILE.npy, FILE.npz or a "
                               "folder of such files; data=made_voxels needs none")
        shapes = read_voxels(files_in(self.root, "data.root"), self.array, self.edge)
        return shapes, torch.zeros(len(shapes), dtype=torch.long), ()

"""The base class of all data sets, which yields an endless stream of batches of images.

N images of C channels and H x W pixels. They stay uint8 until they are on the device that trains.
"""

import logging
from abc import ABC, abstractmethod
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from saddlepoint.checks import at_least
from saddlepoint.config import rules
from saddlepoint.config.image_sizes import sides_of
from saddlepoint.config.rules import Count, ImageSize, Seed, WholeNumber
from saddlepoint.data import describing
from saddlepoint.data.pixels import to_unit_range
from saddlepoint.data.residence import AUTO, OnlyPositions, PositionsOfBatch, Residents, in_words, is_kept
from saddlepoint.data.sampling import Batches
from saddlepoint.data.workers import leave_signals_to_the_main_process, usable_cores
from saddlepoint.errors import RequestError
from saddlepoint.game.batches import ImageBatch
from saddlepoint.parallel.first import is_first
from saddlepoint.parallel.launching import count_here
from saddlepoint.runs.data_identity import refuse_other_classes

if TYPE_CHECKING:
    from saddlepoint.data.evaluation_images import EvaluationImages

log = logging.getLogger(__name__)
WHOLE = "whole"
PARTS = ("train", WHOLE, "test")  # with which fakes may be compared
Workers = Annotated[int | str, rules.either(rules.integer(0), rules.one_of("auto"))]


class ImageDataModule(LightningDataModule, ABC):
    """A data set that yields batches of real images without end, as `ImageBatch` on the device that trains: images
    float32 [N, C, H, W] in [-1, 1] and labels int64 [N].

    Its shape is known from its settings, before any file is read. `setup` reads or lists the images, once.

    A new data set should rather be an `InMemoryImages`, which needs one method. A direct subclass provides `open` and
    `evaluation_images`, takes the settings of its own and hands the rest to this constructor, which takes what every
    data set needs.

    name: what the data set is called in folders and tables
    channels: of an image, 1 or more
    image_size: pixels of a side, 1 or more, or [H, W] of images that are not square
    batch_size: images per step over all processes, 1 or more
    num_classes: classes that the labels number from 0; 0: labels are not used
    num_workers: processes that load batches; 0: the training process does; `auto`: one for each core that this process
        may use, shared by the processes of a run on one machine; 0 for images in memory
    horizontal_flip: whether every second image, on average, is mirrored left to right
    subset_size: images that are used, 1 or more, always the same ones; None: all
    seed: of the order, the crops and the flips
    """

    yields: ClassVar[type] = ImageBatch  # the kind of its batches, by which a task knows whether it can play with them
    things: ClassVar[str] = "images"  # what it has: images, points or voxels
    of_characters: ClassVar[bool] = False  # digits or letters: mirrored or turned, they are others or none
    bounded: ClassVar[bool] = True  # numbers are colours in [-1, 1]
    dimensions: int | None = None  # D, coordinates of a point; None: these are images or voxels
    on_device: bool | str = False  # whether all images are kept on the device that trains (residence.py)

    def __init__(self, name: str, channels: Count, image_size: ImageSize, batch_size: Count,
                 num_classes: WholeNumber = 0, num_workers: Workers = 0, horizontal_flip: bool = False,
                 subset_size: Count | None = None, seed: Seed = 0):
        super().__init__()
        at_least(1, channels=channels, batch_size=batch_size, subset_size=subset_size)
        at_least(0, num_classes=num_classes, num_workers=0 if num_workers == AUTO else num_workers)
        self.sides = sides_of(image_size)
        self.image_size = self.sides.image_size
        self.name, self.channels, self.num_classes = name, channels, num_classes
        self.batch_size, self.seed = batch_size, seed
        self.typed_workers = num_workers  # as typed: a number or `auto`
        self.horizontal_flip, self.subset_size = horizontal_flip, subset_size
        self.real_images_per_step: int | None = None  # over all processes; None: batch_size
        self.class_names: tuple[str, ...] = ()
        self.num_images = 0
        self.skipped: list[str] = []  # names of files that cannot be read
        self.class_counts = torch.zeros(max(num_classes, 1), dtype=torch.long)  # [K] images of each class
        self.expected_classes: tuple[str, ...] = ()  # those of the run that is resumed with this set; empty: any
        self.left_out: list[str] = []  # phrases for what is not trained on, e.g. "3 images by data.subset_size=5"
        self.losses: Counter[str] = Counter()  # what decoding loses -> in how many files
        self.contents: dict[str, Any] = {}  # digests of files or pixels: identity.py says which
        self._first_position = 0
        self._dataset: Dataset | None = None
        self._residents: Residents | None = None  # where all images are kept on the device

    @abstractmethod
    def open(self) -> Dataset:
        """Reads or lists the images and returns them as a torch data set. Called once, in every process.

        If it sets `on_device`, `training_dataset` returns `Residents`.

        Its `__getitems__(range)` takes positions of the endless stream (sampling.py) and returns (images [N, C, H, W]
        uint8, labels [N] int64). Its attribute `labels` has the labels of all images. Sets `num_images`, `contents`
        and, where there are any, `class_names` and `left_out`. Refuses damaged or missing files with a RequestError.
        """

    @abstractmethod
    def evaluation_images(self, split: str = "train") -> "EvaluationImages":
        """Returns the images of `train` (those that are trained on) or `test` for metrics, in the shape D sees them.
        Refuses a split that the data set does not have."""

    def images_to_compare_with(self, part: str = "train") -> "EvaluationImages":
        """Returns real images for metrics of fakes.

        part: `train` and `test` as for `evaluation_images`; `whole`: all images of the training part, those that
            `subset_size` leaves out too, so that runs on few images and on many are measured alike
        """
        return self.evaluation_images(part) if part != WHOLE else self.whole_training_part()

    def whole_training_part(self) -> "EvaluationImages":
        """Returns the images that are trained on and those that `subset_size` leaves out. Refuses where these cannot be
        had."""
        if self.subset_size is None:
            return self.evaluation_images("train")
        raise RequestError(f"data={self.name} cannot be measured against more images than data.subset_size="
                           f"{self.subset_size}: type split=train or split=test")

    def validation_files(self) -> list:
        """Returns the whole images with which upscaling is measured. Only sets of pairs have them; others refuse."""
        raise RequestError(f"data={self.name} has no pairs of small and large images, which callbacks=super_resolution "
                           "measures: type callbacks=default, or data=sr_folder with e.g. model=srgan")

    def setup(self, stage: str | None = None) -> None:
        if self._dataset is None:
            self._dataset = self.open()
            self.class_counts = torch.bincount(self.usable_labels(), minlength=len(self.class_counts))
            self.contents = {"images": self.num_images, "classes": self._images_of_classes(), **self.contents}
            self.expect_classes(self.class_names)
            if missing := describing.empty(self.contents["classes"]):
                log.warning("%s without an image that can be used, neither shown to the networks nor drawn: %s",
                            describing.counted(len(missing), "class", "classes"), describing.listed(missing))

    def usable_labels(self) -> Tensor:
        """Returns the labels [num_images] int64 of the images that can be trained on."""
        return self._dataset.labels

    def expect_classes(self, class_names: tuple[str, ...]) -> None:
        """Refuses other classes than those of the run that is resumed."""
        refuse_other_classes(self.expected_classes, class_names, self.place)

    def require_squares(self) -> None:
        """Refuses images that are not square, for sets that can only make squares."""
        if not self.sides.is_square:
            raise ValueError(f"data.image_size={self.sides} must be one number for data={self.name}, whose images are "
                             f"square: type data.image_size={min(self.sides)}")

    @property
    def place(self) -> str:
        """Where the images come from, as it is typed, e.g. `data.root=photos`."""
        return f"data={self.name}"

    def identity(self) -> dict[str, Any]:
        """Returns what the images are, wherever their files are: name, number, classes and digests (identity.py)."""
        self.setup()
        return {"name": self.name, **self.contents}

    @property
    def num_workers(self) -> int:
        """How many processes load batches of each process that trains."""
        return self.automatic_workers() if self.typed_workers == AUTO else self.typed_workers

    def automatic_workers(self) -> int:
        """Returns the number of `data.num_workers=auto`: this process's share of the cores, at least 1."""
        return max(1, usable_cores() // count_here())

    def describe(self) -> list[str]:
        """Returns lines that tell the user what is trained on and what was left out."""
        identity = self.identity()
        lines = [f"data: {describing.counted(identity['images'], 'image')} of {self.place}"
                 f"{describing.classes(identity['classes'])}"]
        lines += [f"left out: {'; '.join(self.left_out)}"] if self.left_out else []
        lines += [f"read otherwise than stored: {describing.losses(self.losses)}"] if self.losses else []
        return lines + self.lines_of_loading()

    def lines_of_loading(self) -> list[str]:
        """Returns a line about the processes that load, where their number was not typed."""
        count = self.num_workers
        counted = describing.counted(count, "process", "processes")
        return [f"loading: {counted} (data.num_workers=auto)"] if self.typed_workers == AUTO and count else []

    def _images_of_classes(self) -> dict[str, int]:
        return dict(zip(self.class_names, self.class_counts.tolist(), strict=True)) if self.class_names else {}

    def start_at(self, images_seen: int) -> None:
        """Lets the next train_dataloader begin at this position of the stream."""
        self._first_position = images_seen

    def training_dataset(self) -> Dataset:
        """Returns what batches are loaded from: the data set that `open` returned, or one around it."""
        return self._dataset

    def train_dataloader(self) -> DataLoader:
        dataset, num_workers = self.training_dataset(), self.num_workers
        self._residents = self._kept(dataset) if self.on_device else None
        if self._residents is not None:
            dataset, num_workers = OnlyPositions(len(dataset)), 0
        return DataLoader(
            dataset, batch_sampler=self._batches(), collate_fn=_unchanged, num_workers=num_workers,
            persistent_workers=num_workers > 0, worker_init_fn=leave_signals_to_the_main_process,
            pin_memory=torch.cuda.is_available() and self._residents is None,
            generator=torch.Generator())  # its own: by default, starting to iterate draws from the global one

    @property
    def training_device(self) -> torch.device:
        """The device that trains; the CPU while no trainer has the set."""
        return self.trainer.strategy.root_device if self.trainer else torch.device("cpu")

    def _kept(self, dataset: Residents) -> Residents | None:
        """Moves a data set to the device that trains; None if it is not to be kept there."""
        device = self.training_device
        if not is_kept(self.on_device, dataset.num_bytes, device):
            return None
        if is_first():
            print(f"images: all {in_words(dataset.num_bytes)} are kept on {device} "
                  f"(data.on_device={str(self.on_device).lower()})")
        return dataset.to(device)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        if isinstance(batch, PositionsOfBatch):
            return self._residents.__getitems__(range(*batch))
        if device.type == "cpu":  # where every batch is loaded; Lightning looks through all of it for its tensors
            return batch
        return super().transfer_batch_to_device(batch, device, dataloader_idx)

    def on_after_batch_transfer(self, batch: tuple[Tensor, Tensor], dataloader_idx: int) -> ImageBatch:
        images, labels = batch
        return ImageBatch(to_unit_range(images), labels)

    def _batches(self) -> Batches:
        rank, num_processes = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        return Batches(self._first_position, self.real_images_per_step or self.batch_size, rank, num_processes)

    def refuse_unequal_shares(self, num_processes: int, images_of_a_pack: int = 1) -> None:
        """Refuses a batch size that these processes cannot share equally, in whole packs of images that D judges as
        one."""
        batch_size = self.real_images_per_step or self.batch_size
        if batch_size % (num_processes * images_of_a_pack):
            packs = f", in packs of {images_of_a_pack}" if images_of_a_pack > 1 else ""
            raise RequestError(
                f"data.batch_size={self.batch_size} makes steps of {batch_size} real images, which {num_processes} "
                f"processes cannot share equally{packs}: type data.batch_size={self.batch_size * num_processes}, or "
                f"another multiple")


def _unchanged(batch: tuple) -> tuple:
    return batch

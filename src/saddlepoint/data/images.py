"""What every set of images is to the rest: its shape known before a file is read, then an endless stream of batches.

N images of C channels and H x W pixels. They stay uint8 until they are on the device that trains.
"""

import logging
import signal
from abc import ABC, abstractmethod
from collections import Counter
from typing import TYPE_CHECKING, Any

import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from saddlepoint.checks import at_least
from saddlepoint.config.rules import Count, Seed, WholeNumber
from saddlepoint.data import describing
from saddlepoint.data.pixels import to_unit_range
from saddlepoint.data.sampling import Batches
from saddlepoint.errors import RequestError
from saddlepoint.game.batches import ImageBatch
from saddlepoint.runs.data_identity import refuse_other_classes

if TYPE_CHECKING:
    from saddlepoint.data.evaluation_images import EvaluationImages

log = logging.getLogger(__name__)


class ImageDataModule(LightningDataModule, ABC):
    """Batches of `batch_size` real images over all processes, as `ImageBatch` on the device.

    The constructor takes what every set needs, so that the sets' own constructors need not repeat it.

    name: what the set is called in folders and tables
    channels: of an image, 1 or more
    image_size: pixels of each side, 1 or more
    batch_size: images per step over all processes, 1 or more
    num_classes: 0: labels are not used
    num_workers: processes that load, 0: the training process does
    horizontal_flip: whether every second image, on average, is mirrored
    subset_size: images, 1 or more, always the same ones; None: all
    seed: of the order and the flips
    """

    def __init__(self, name: str, channels: Count, image_size: Count, batch_size: Count, num_classes: WholeNumber = 0,
                 num_workers: WholeNumber = 0, horizontal_flip: bool = False, subset_size: Count | None = None,
                 seed: Seed = 0):
        super().__init__()
        at_least(1, channels=channels, image_size=image_size, batch_size=batch_size, subset_size=subset_size)
        at_least(0, num_classes=num_classes, num_workers=num_workers)
        self.name, self.channels, self.image_size, self.num_classes = name, channels, image_size, num_classes
        self.batch_size, self.num_workers, self.seed = batch_size, num_workers, seed
        self.horizontal_flip, self.subset_size = horizontal_flip, subset_size
        self.real_images_per_step: int | None = None  # over all processes; None: batch_size
        self.class_names: tuple[str, ...] = ()
        self.num_images = 0
        self.skipped: list[str] = []  # files that could not be read
        self.class_counts = torch.zeros(max(num_classes, 1), dtype=torch.long)  # [K] images of each class
        self.expected_classes: tuple[str, ...] = ()  # of the run that goes on with this set; empty: any
        self.left_out: list[str] = []  # what there is and is not trained on, each with its number
        self.losses: Counter[str] = Counter()  # what of a file is not used, in how many files
        self.contents: dict[str, Any] = {}  # digests of files or pixels: identity.py says which
        self._first_position = 0
        self._dataset: Dataset | None = None

    @abstractmethod
    def open(self) -> Dataset:
        """Finds and verifies the files and sets class_names, num_images, left_out and contents. The data set is asked
        for a range of the stream's positions and answers (images [N, C, H, W] uint8, labels [N] int64); its `labels`
        are those of all."""

    @abstractmethod
    def evaluation_images(self, split: str = "train") -> "EvaluationImages":
        """The images of `train` (what is trained on) or `test`, in the shape D sees them, for metrics."""

    def validation_files(self) -> list:
        """Whole images to measure an enlargement with: only sets of pairs have them."""
        raise RequestError(f"data={self.name} has no pairs of small and large images, which callbacks=super_resolution "
                           "measures: type callbacks=default, or data=sr_folder with e.g. model=srgan")

    def setup(self, stage: str | None = None) -> None:
        if self._dataset is None:
            self._dataset = self.open()
            self.class_counts = torch.bincount(self.usable_labels(), minlength=len(self.class_counts))
            self.contents = {"images": self.num_images, "classes": self._counted_classes(), **self.contents}
            self.expect_classes(self.class_names)
            if missing := describing.empty(self.contents["classes"]):
                log.warning("%s without an image that can be used, neither shown to the networks nor drawn: %s",
                            describing.counted(len(missing), "class", "classes"), describing.listed(missing))

    def usable_labels(self) -> Tensor:
        """[N] int64: of the images that there are to train on"""
        return self._dataset.labels

    def expect_classes(self, found: tuple[str, ...]) -> None:
        refuse_other_classes(self.expected_classes, found, self.place)

    @property
    def place(self) -> str:
        """As it is typed: where the images come from"""
        return f"data={self.name}"

    def identity(self) -> dict[str, Any]:
        """What the images are, wherever they lie, as plain containers: data/identity.py"""
        self.setup()
        return {"name": self.name, **self.contents}

    def described(self) -> list[str]:
        """Lines that say what is trained on, and what of it was left out"""
        known = self.identity()
        lines = [f"data: {describing.counted(known['images'], 'image')} of {self.place}"
                 f"{describing.classes(known['classes'])}"]
        lines += [f"left out: {'; '.join(self.left_out)}"] if self.left_out else []
        return lines + ([f"read otherwise than stored: {describing.losses(self.losses)}"] if self.losses else [])

    def _counted_classes(self) -> dict[str, int]:
        return dict(zip(self.class_names, self.class_counts.tolist(), strict=True)) if self.class_names else {}

    def start_at(self, images_seen: int) -> None:
        """The next train_dataloader begins at this position of the stream."""
        self._first_position = images_seen

    def train_dataloader(self) -> DataLoader:
        return DataLoader(
            self._dataset, batch_sampler=self._batches(), collate_fn=_as_it_is, num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0, worker_init_fn=_leave_signals_to_the_main_process,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator())  # its own: by default, starting to iterate draws from the global one

    def on_after_batch_transfer(self, batch: tuple[Tensor, Tensor], dataloader_idx: int) -> ImageBatch:
        images, labels = batch
        return ImageBatch(to_unit_range(images), labels)

    def _batches(self) -> Batches:
        rank, num_processes = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        return Batches(self._first_position, self.real_images_per_step or self.batch_size, rank, num_processes)

    def refuse_unequal_shares(self, num_processes: int) -> None:
        batch_size = self.real_images_per_step or self.batch_size
        if batch_size % num_processes:
            raise RequestError(
                f"data.batch_size={self.batch_size} makes steps of {batch_size} real images, which {num_processes} "
                f"processes cannot share equally: type data.batch_size={self.batch_size * num_processes}, or another "
                f"multiple")


def _leave_signals_to_the_main_process(worker: int) -> None:
    """Ctrl-C and a scheduler's signals reach workers too, and a worker that dies of one takes the main process's step
    with it. That finishes the step and then ends them; what they inherited from it would only set a flag nobody
    reads."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(each, signal.SIG_IGN)


def _as_it_is(batch: tuple) -> tuple:
    return batch

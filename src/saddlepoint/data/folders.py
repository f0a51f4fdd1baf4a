"""A data set of the image files in a folder."""

import hashlib
import logging
import os
from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Annotated, ClassVar

import numpy
import torch
from torch import Tensor
from torch.utils.data import Dataset

from saddlepoint.checks import one_of
from saddlepoint.config import rules
from saddlepoint.config.rules import Positive, Seed, TypedPath
from saddlepoint.config.typed_paths import expanded
from saddlepoint.data import class_folders, describing
from saddlepoint.data.decoding import MODES, MOST_PIXELS, Limits, Unreadable
from saddlepoint.data.evaluation_images import EvaluationFiles
from saddlepoint.data.identity import Fingerprint, fingerprint
from saddlepoint.data.images import WHOLE, ImageDataModule
from saddlepoint.data.listing import ImageFile, by_digest, class_of_each, listing, split_in_two
from saddlepoint.data.loading import DecodedBatches, ImageLoader
from saddlepoint.data.progress import with_progress
from saddlepoint.data.random_access import RandomAccessFile
from saddlepoint.data.residence import AUTO, is_small, require_room
from saddlepoint.data.resizing import CROPS, RESIZINGS, ResizeAndCrop
from saddlepoint.data.sampling import EndlessOrder, left_out_by_subset, require_enough
from saddlepoint.errors import RequestError
from saddlepoint.game.batches import ImageBatch
from saddlepoint.image_files.endings import ENDINGS

log = logging.getLogger(__name__)
CORRUPT = ("skip", "fail")
MOST_NAMED = 10  # files in one message; `skipped` has all


class ImageFolder(ImageDataModule):
    """The image files in a folder and all folders below it, of any size, mode and format that is read.

    The images are decoded to 8 bits of grey (`channels` 1) or RGB (3), scaled and cropped to `image_size`
    pixels. Batches are `ImageBatch`: images float32 [N, C, H, W] in [-1, 1] and labels int64 [N]. With `num_classes`,
    which must be the number of folders directly in `root`, an image's label is its folder, numbered by name from 0;
    with num_classes 0 all labels are 0.

    The split `train` has the files that training sees, as `train_fraction` and `subset_size` leave them; `test` has
    the rest of train_fraction. Set-up reads the header of each file of `train` and so finds files that are empty, no
    images, too large or too small; damage behind the header is found when a file is decoded. Both are dealt with as
    `corrupt` says, and `skipped` has the names.

    root: the folder
    extensions: endings of the files that are read, e.g. ["png"]; None: those of every kind of image file
    train_fraction: share of the files that are trained on, above 0 to 1; None: all
    split_seed: decides, together with the files' names alone, which files these are
    resize: short_side (in proportion, until the image just covers image_size), stretch (to image_size) or none
    crop: center, random (another place each time) or none (images have image_size already, or are stretched)
    corrupt: skip (files that cannot be read are reported, and other images take their places) or fail
    cache: a folder for decoded images; None: each is decoded every time
    max_pixels: the largest width times height of a file, 1 to Pillow's limit of 89,478,485
    white: the number that is white in files of floating-point or 32-bit numbers, above 0; None: they are left out
    draft: whether JPEG files of at least four times the size they get, or more, are decoded at a half, a quarter or an
        eighth of their size: several times as fast, and pixels differ by half a grey level on average. Metrics decode
        whole images
    on_device: whether all images are decoded once, at the start, and kept as uint8 in the memory of the device that
        trains; not with random crops. The batches are the same to the bit. `auto`: True for images that take at most
        1 GB then, and a quarter of the free memory. A set as small as CIFAR-10 is decoded in seconds, and then trains
        as fast as one in memory

    See ImageDataModule for the other settings.
    """

    root_setting: ClassVar[str] = "data.root"  # as the folder is typed, for messages
    corrupt_things: ClassVar[str] = "image files"  # what cannot be used, in a message
    remedy: ClassVar[str] = "Mend or remove them, or type data.corrupt=skip to train on the others."
    way_to_fixed_crops: ClassVar[str] = ", or data.crop=center"  # what else can be typed, in a message
    labels_come_beside: ClassVar[bool] = False  # labels may change while the names of all files stay as they are

    def __init__(self, root: TypedPath | None,
                 extensions: Annotated[Sequence[str] | None, rules.optional(rules.list_of(rules.text))] = None,
                 train_fraction: Annotated[float | None, rules.optional(rules.number(0, 1, above=True))] = None,
                 split_seed: Seed = 42, resize: Annotated[str, rules.one_of(*RESIZINGS)] = "short_side",
                 crop: Annotated[str, rules.one_of(*CROPS)] = "center",
                 corrupt: Annotated[str, rules.one_of(*CORRUPT)] = "skip", cache: TypedPath | None = None,
                 max_pixels: Annotated[int, rules.integer(1, 89_478_485)] = 50_000_000,
                 white: Positive | None = None, draft: bool = False,
                 on_device: Annotated[bool | str, rules.one_of(AUTO, True, False)] = False, **more):
        super().__init__(**more)
        if self.channels not in MODES:
            raise ValueError(f"data.channels={self.channels} must be 1 (grey) or 3 (RGB)")
        if train_fraction is not None and not 0 < train_fraction <= 1:
            raise ValueError(f"data.train_fraction={train_fraction} must be above 0 and at most 1; null takes all")
        if not 1 <= max_pixels <= MOST_PIXELS:
            raise ValueError(f"data.max_pixels={max_pixels} must be from 1 to {MOST_PIXELS}")
        if white is not None and not 0 < white < inf:
            raise ValueError(f"data.white={white} must be above 0, the number that is white in files of floating-point "
                             "or 32-bit numbers; null refuses such files")
        self.root = expanded(root, self.root_setting) if root is not None else None
        self.extensions, self.train_fraction, self.split_seed = extensions or ENDINGS, train_fraction or 1.0, split_seed
        self.corrupt = one_of("corrupt", corrupt, CORRUPT)
        self.framing = ResizeAndCrop(self.image_size, resize, crop, draft)
        self.on_device = one_of("on_device", on_device, (AUTO, True, False))
        self.cache = expanded(cache, "data.cache") if cache is not None else None
        self.limits = Limits(max_pixels, white)
        self.containers: list[RandomAccessFile] = []  # files in which the images lie, of a set in archives or arrays
        self._parts: dict[str, list[ImageFile]] = {}

    def files(self, split: str = "train") -> list[Path]:
        """Returns the image files of a split, `train` or `test`, unreadable ones included."""
        self.setup()
        return [file.path for file in self._parts[split]]

    def evaluation_images(self, split: str = "train") -> EvaluationFiles:
        """Returns the images of a split without the files that are known to be unreadable; a random crop becomes a
        central one."""
        self.setup()
        skipped = set(self.skipped)
        files = [file for file in self._parts[split] if file.name not in skipped]
        if not files:
            raise RequestError(f"data.train_fraction={self.train_fraction:g} leaves no image of {self.place} "
                               f"to the {split} part: type a smaller one")
        return self._evaluated(split, files)

    def whole_training_part(self) -> EvaluationFiles:
        if self.subset_size is None:
            return self.evaluation_images("train")
        self.setup()
        skipped = set(self.skipped)
        return self._evaluated("train", [file for file in self._parts[WHOLE] if file.name not in skipped])

    def _evaluated(self, split: str, files: Sequence[ImageFile]) -> EvaluationFiles:
        labels = torch.tensor([self._class_of[file.name] for file in files])
        load = self.loader(self.evaluation_framing())
        return EvaluationFiles(self.name, split, [file.path for file in files], labels, load)

    def evaluation_framing(self) -> ResizeAndCrop:
        """Returns how images are resized and cropped for metrics: as for training, but never at random."""
        crop = "center" if self.framing.is_random else self.framing.crop
        return ResizeAndCrop(self.image_size, self.framing.resize, crop)

    def loader(self, framing: ResizeAndCrop) -> ImageLoader:
        """Returns what reads images."""
        return ImageLoader(self.channels, framing, self.limits, self.cache)

    def training_loader(self) -> ImageLoader:
        """Returns what reads the files for training; a subclass may read more of a file than its image."""
        return self.loader(self.framing)

    def open(self) -> Dataset:
        self._require_fixed_crops()
        files = self._list_files()
        classes, self.class_names = [0] * len(files), ()
        if self.num_classes:
            classes, self.class_names = self.classes_of(files)
        train, test = self.split_of(files)
        whole = train
        if self.subset_size is not None:
            require_enough(len(train), self.subset_size)
            self.left_out += left_out_by_subset(len(train), self.subset_size)
            train = sorted(by_digest(train, "subset")[:self.subset_size])
        self._parts = {"train": train, WHOLE: whole, "test": test}
        self._class_of = dict(zip((file.name for file in files), classes, strict=True))
        load = self.training_loader()
        labels = [self._class_of[file.name] for file in train]
        unreadable = self._check_files(train, labels, load)
        self.num_images = len(train)
        self._report(unreadable)
        if unreadable:
            self.left_out.append(f"{describing.counted(len(unreadable), 'file')} that cannot be used")
        return self.dataset(train, torch.tensor(labels), load, unreadable)

    def _require_fixed_crops(self) -> None:
        if self.on_device is True and self.framing.is_random:
            raise RequestError("data.on_device=true keeps each image as it is cropped, and here it is cropped at "
                               "another place each time: type data.on_device=false, and data.cache=FOLDER to decode "
                               f"each image once{self.way_to_fixed_crops}")

    def classes_of(self, files: list[ImageFile]) -> tuple[list[int], tuple[str, ...]]:
        """Returns the class of each file, from 0, and the names of the classes, of which there are `num_classes`."""
        if self.expected_classes:
            self.expect_classes(class_folders.names([file.name for file in files]))
        return class_of_each(files, self.root, self.num_classes)

    def split_of(self, files: list[ImageFile]) -> tuple[list[ImageFile], list[ImageFile]]:
        """Returns the files that are trained on, and those of the split `test`, both sorted."""
        train, test = split_in_two(files, self.train_fraction, self.split_seed)
        if test:
            self.left_out.append(f"{len(test):,} images by data.train_fraction={self.train_fraction:g}")
        return train, test

    def training_dataset(self) -> Dataset:
        dataset, devices = super().training_dataset(), {torch.device("cpu"), self.training_device}
        if self.on_device == AUTO:
            self.on_device = not self.framing.is_random and is_small(dataset.num_bytes, devices)
        if not self.on_device:
            return dataset
        for device in devices:
            require_room(dataset.num_bytes, device)
        return dataset.resident(self.num_workers, self._report)

    def usable_labels(self) -> Tensor:
        usable = torch.ones(len(self._dataset.labels), dtype=torch.bool)
        usable[list(self._dataset.unreadable)] = False
        return self._dataset.labels[usable]

    @property
    def place(self) -> str:
        return f"{self.root_setting}={self.root}"

    def other_files(self) -> dict[str, list[ImageFile]]:
        """Returns the files that a run depends on besides those it trains on, by their role (data/identity.py)."""
        return {"held_out": self._parts["test"]}

    def dataset(self, train: list[ImageFile], labels: Tensor, load: ImageLoader, unreadable: dict[int, str]) -> Dataset:
        """Returns the data set of training batches. labels [N]; `unreadable`: index of a file -> why."""
        order = EndlessOrder(len(train), self.seed)
        return DecodedBatches(train, labels, order, load, self.horizontal_flip, unreadable)

    def on_after_batch_transfer(self, batch: tuple[Tensor, Tensor, dict[int, str]], dataloader_idx: int) -> ImageBatch:
        images, labels, unreadable = batch
        if unreadable:
            self._report(unreadable)
        return super().on_after_batch_transfer((images, labels), dataloader_idx)

    def _list_files(self) -> list[ImageFile]:
        if self.root is None:
            raise RequestError(f"data={self.name} needs to know the folder: type {self.root_setting}=FOLDER")
        if not os.path.isdir(self.root):  # noqa: PTH112  Path.is_dir raises for a name that is too long
            problem = "is not a folder" if os.path.exists(self.root) else "does not exist"  # noqa: PTH110
            if other := {".zip": "zip", ".npz": "array", ".npy": "array"}.get(self.root.suffix.lower()):
                problem = f"is not a folder, and data={other} reads such files"
            raise RequestError(f"{self.place} {problem}: type {self.root_setting}=FOLDER for the folder with the "
                               "images")
        content = listing(self.root, self.extensions)
        if not content.files:
            raise RequestError(f"{self.place} has no file that ends in {', '.join(self.extensions)}: type "
                               f"{self.root_setting}=FOLDER for another folder, or name the ending in data.extensions")
        parts = class_folders.names([file.name for file in content.files])
        if not self.num_classes and len(parts) > 1 and class_folders.are_parts(parts):
            log.warning("%s has the parts %s, and all of them are trained on: %s=%s is one", self.place,
                        ", ".join(parts), self.root_setting, self.root / class_folders.first_part(parts))
        self.left_out = describing.left_out(content)
        return content.files

    def _check_files(self, files: list[ImageFile], labels: list[int], load: ImageLoader) -> dict[int, str]:
        """Reads all headers and returns why some files cannot be used, by their index. Takes their fingerprint too.

        Decodes files of each class until one of them can be decoded, since a class without images must not be drawn.
        """
        unreadable, broken, fingerprint_of_all = {}, {}, Fingerprint()
        unproven = set(range(self.num_classes))  # classes of which no file was decoded yet
        for index, file in enumerate(with_progress(files, "image files")):
            fingerprint_of_all.add(file)
            try:
                self.losses.update(load.check(file.path).losses)
            except Unreadable as error:
                unreadable[index] = str(error)
                continue
            if labels[index] in unproven:
                try:
                    load.pixels(file.path)
                    unproven.remove(labels[index])
                except Unreadable as error:
                    broken[index] = str(error)
        unreadable |= {index: why for index, why in broken.items() if labels[index] in unproven}
        digests = fingerprint_of_all.as_plain()
        others = {role: fingerprint(group) for role, group in self.other_files().items() if group}
        self.contents = {key: value for key, value in digests.items() if key != "images"} | others
        if self.labels_come_beside and self.num_classes:
            self.contents["labels"] = hashlib.sha256(numpy.array(labels, "<i8").tobytes()).hexdigest()
        return unreadable

    def _report(self, unreadable: dict[int, str]) -> None:
        """Records unreadable files and warns of those that are new, as several workers may meet the same one.

        Refuses if no image is left to train on, if `corrupt` is fail, or if a file that holds many images has changed.
        """
        if unreadable:
            self._require_unchanged_containers()
        train = self._parts["train"]
        reasons = {train[index].name: why for index, why in unreadable.items() if train[index].name not in self.skipped}
        if not reasons:
            return
        self.skipped += reasons
        self.num_images = len(train) - len(self.skipped)
        message = (f"{len(self.skipped)} of {len(train)} {self.corrupt_things} in {self.place} cannot be used: "
                   + "; ".join(f"{names}: {why}" for why, names in _by_reason(reasons).items())
                   + ("; and more" if len(reasons) > MOST_NAMED else ""))
        if not self.num_images:
            raise RequestError(f"{message}. None is left to train on.")
        if self.corrupt == "fail":
            raise RequestError(f"{message}. {self.remedy}")
        log.warning("%s. Others are shown in their place.", message)

    def _require_unchanged_containers(self) -> None:
        for file in self.containers:
            try:
                file.require_unchanged()
            except Unreadable as error:
                raise RequestError(f"{self.place}: {error}. Put it back as it was when the run began, and resume the "
                                   "run, or start another one") from error


def _by_reason(reasons: Mapping[str, str]) -> dict[str, str]:
    """Returns the names of the first files for each reason. `reasons`: file -> why it cannot be used."""
    named: dict[str, list[str]] = {}
    for name, why in list(reasons.items())[:MOST_NAMED]:
        named.setdefault(why, []).append(name)
    return {why: ", ".join(names) for why, names in named.items()}

"""Folders of image files as a data set."""

import logging
import os
from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import Annotated

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
from saddlepoint.data.images import ImageDataModule
from saddlepoint.data.listing import ImageFile, by_digest, class_of_each, listing, split_in_two
from saddlepoint.data.loading import DecodedBatches, ImageLoader
from saddlepoint.data.progress import counted
from saddlepoint.data.resizing import CROPS, RESIZINGS, ResizeAndCrop
from saddlepoint.data.sampling import EndlessOrder, at_most, of_subset
from saddlepoint.errors import RequestError
from saddlepoint.game.batches import ImageBatch
from saddlepoint.image_files.endings import ENDINGS

log = logging.getLogger(__name__)
CORRUPT = ("skip", "fail")
MOST_NAMED = 10  # files in one message; `skipped` has all


class ImageFolder(ImageDataModule):
    """Class folders or any others, files of any mode, sides and format that Pillow reads.

    Headers are read in set-up, which finds what is empty, no image, too large or too small; a file that breaks off
    later is found when it is decoded. `corrupt` says what to do then: skip (name it, count it, show another) or fail.

    root: the folder
    extensions: endings of the files that are read, e.g. ["png"]; None: of every kind of image file
    train_fraction: above 0 to 1, the share of files that are trained on; None: all
    split_seed: which share; a function of it and the files' names
    resize: short_side, stretch or none
    crop: center, random or none
    corrupt: what is done with files that cannot be read, skip or fail
    cache: a folder for decoded images; None: each is decoded every time
    max_pixels: of a file, width times height, 1 to Pillow's own limit
    white: above 0, what is white in files of floating-point or 32-bit numbers; None: they are left out
    """

    def __init__(self, root: TypedPath | None,
                 extensions: Annotated[Sequence[str] | None, rules.optional(rules.list_of(rules.text))] = None,
                 train_fraction: Annotated[float | None, rules.optional(rules.number(0, 1, above=True))] = None,
                 split_seed: Seed = 42, resize: Annotated[str, rules.one_of(*RESIZINGS)] = "short_side",
                 crop: Annotated[str, rules.one_of(*CROPS)] = "center",
                 corrupt: Annotated[str, rules.one_of(*CORRUPT)] = "skip", cache: TypedPath | None = None,
                 max_pixels: Annotated[int, rules.integer(1, 89_478_485)] = 50_000_000,
                 white: Positive | None = None, **more):
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
        self.root = expanded(root, "data.root") if root is not None else None
        self.extensions, self.train_fraction, self.split_seed = extensions or ENDINGS, train_fraction or 1.0, split_seed
        self.corrupt = one_of("corrupt", corrupt, CORRUPT)
        self.framing = ResizeAndCrop(self.image_size, resize, crop)
        self.cache = expanded(cache, "data.cache") if cache is not None else None
        self.limits = Limits(max_pixels, white)
        self._parts: dict[str, list[ImageFile]] = {}

    def files(self, split: str = "train") -> list[Path]:
        """The image files of `train` (those that data.subset_size leaves) or `test` (the rest of train_fraction)."""
        self.setup()
        return [file.path for file in self._parts[split]]

    def evaluation_images(self, split: str = "train") -> EvaluationFiles:
        """Without the files that set-up found unreadable."""
        self.setup()
        skipped = set(self.skipped)
        files = [file for file in self._parts[split] if file.name not in skipped]
        if not files:
            raise RequestError(f"data.train_fraction={self.train_fraction:g} leaves no image of data.root={self.root} "
                               f"to the {split} part: type a smaller one")
        labels = torch.tensor([self._class_of[file.name] for file in files])
        crop = "center" if self.framing.is_random else self.framing.crop
        framing = ResizeAndCrop(self.image_size, self.framing.resize, crop)
        load = ImageLoader(self.channels, framing, self.limits, self.cache)
        return EvaluationFiles(self.name, split, [file.path for file in files], labels, load)

    def open(self) -> Dataset:
        everything = self._listed()
        classes, self.class_names = [0] * len(everything), ()
        if self.num_classes:
            if self.expected_classes:
                self.expect_classes(class_folders.names([file.name for file in everything]))
            classes, self.class_names = class_of_each(everything, self.root, self.num_classes)
        train, test = split_in_two(everything, self.train_fraction, self.split_seed)
        if test:
            self.left_out.append(f"{len(test):,} images by data.train_fraction={self.train_fraction:g}")
        if self.subset_size is not None:
            self.left_out += of_subset(len(train), self.subset_size)
            train = sorted(by_digest(train, "subset")[:at_most(len(train), self.subset_size)])
        self._parts = {"train": train, "test": test}
        self._class_of = dict(zip((file.name for file in everything), classes, strict=True))
        load = ImageLoader(self.channels, self.framing, self.limits, self.cache)
        labels = [self._class_of[file.name] for file in train]
        unreadable = self._checked(train, labels, load)
        self.num_images = len(train)
        self._report(unreadable)
        if unreadable:
            self.left_out.append(f"{describing.counted(len(unreadable), 'file')} that cannot be used")
        return self.dataset(train, torch.tensor(labels), load, unreadable)

    def usable_labels(self) -> Tensor:
        usable = torch.ones(len(self._dataset.labels), dtype=torch.bool)
        usable[list(self._dataset.unreadable)] = False
        return self._dataset.labels[usable]

    @property
    def place(self) -> str:
        return f"data.root={self.root}"

    def other_files(self) -> dict[str, list[ImageFile]]:
        """Of what a run depends on beside its training images; names as in data/identity.py"""
        return {"held_out": self._parts["test"]}

    def dataset(self, train: list[ImageFile], labels: Tensor, load: ImageLoader, unreadable: dict[int, str]) -> Dataset:
        order = EndlessOrder(len(train), self.seed)
        return DecodedBatches(train, labels, order, load, self.horizontal_flip, unreadable)

    def on_after_batch_transfer(self, batch: tuple[Tensor, Tensor, dict[int, str]], dataloader_idx: int) -> ImageBatch:
        images, labels, unreadable = batch
        if unreadable:
            self._report(unreadable)
        return super().on_after_batch_transfer((images, labels), dataloader_idx)

    def _listed(self) -> list[ImageFile]:
        if self.root is None:
            raise RequestError("data=image_folder needs to know the folder: type data.root=FOLDER")
        if not os.path.isdir(self.root):  # noqa: PTH112  Path.is_dir raises for a name that is too long
            what = "is not a folder" if os.path.exists(self.root) else "does not exist"  # noqa: PTH110
            raise RequestError(f"data.root={self.root} {what}: type data.root=FOLDER for the folder with the images")
        found = listing(self.root, self.extensions)
        if not found.files:
            raise RequestError(f"data.root={self.root} has no file that ends in {', '.join(self.extensions)}: type "
                               f"data.root=FOLDER for another folder, or name the ending in data.extensions")
        parts = class_folders.names([file.name for file in found.files])
        if not self.num_classes and len(parts) > 1 and class_folders.are_parts(parts):
            log.warning("data.root=%s has the parts %s, and all of them are trained on: data.root=%s is one",
                        self.root, ", ".join(parts), self.root / class_folders.first_part(parts))
        self.left_out = describing.passed_over(found)
        return found.files

    def _checked(self, files: list[ImageFile], labels: list[int], load: ImageLoader) -> dict[int, str]:
        """Why some cannot be used, by their headers; of each class, files are decoded until one can be, as a class
        without any must not be drawn. The first look at all files, in which their fingerprint is taken too."""
        unreadable, broken, of_all, waiting = {}, {}, Fingerprint(), set(range(self.num_classes))
        for index, file in enumerate(counted(files, "image files")):
            of_all.add(file)
            try:
                self.losses.update(load.check(file.path).losses)
            except Unreadable as error:
                unreadable[index] = str(error)
                continue
            if labels[index] in waiting:
                try:
                    load.pixels(file.path)
                    waiting.remove(labels[index])
                except Unreadable as error:
                    broken[index] = str(error)
        unreadable |= {index: why for index, why in broken.items() if labels[index] in waiting}
        found = of_all.as_plain()
        others = {part: fingerprint(those) for part, those in self.other_files().items() if those}
        self.contents = {"names": found["names"], "contents": found["contents"], **others}
        return unreadable

    def _report(self, unreadable: dict[int, str]) -> None:
        """Names and counts files, each once: several workers may meet the same one."""
        train = self._parts["train"]
        reasons = {train[index].name: why for index, why in unreadable.items() if train[index].name not in self.skipped}
        if not reasons:
            return
        self.skipped += reasons
        self.num_images = len(train) - len(self.skipped)
        what = (f"{len(self.skipped)} of {len(train)} image files in data.root={self.root} cannot be used: "
                + "; ".join(f"{name}: {why}" for name, why in list(reasons.items())[:MOST_NAMED])
                + ("; and more" if len(reasons) > MOST_NAMED else ""))
        if not self.num_images:
            raise RequestError(f"{what}. None is left to train on.")
        if self.corrupt == "fail":
            raise RequestError(f"{what}. Mend or remove them, or type data.corrupt=skip to train on the others.")
        log.warning("%s. Others are shown in their place.", what)

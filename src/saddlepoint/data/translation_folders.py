"""What the data sets for translation have in common whose images are files (paired_files.py, unpaired_folders.py).

N images of C channels (the target) or K channels (the source), H x W pixels.
"""

from abc import abstractmethod
from pathlib import Path
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from saddlepoint.config import rules
from saddlepoint.config.rules import ImageSize, TypedPath
from saddlepoint.config.typed_paths import expanded
from saddlepoint.data import describing
from saddlepoint.data.decoding import MODES
from saddlepoint.data.evaluation_images import EvaluationFiles
from saddlepoint.data.folders import ImageFolder
from saddlepoint.data.listing import ImageFile, image_files
from saddlepoint.data.loading import ImageLoader
from saddlepoint.data.matching import folder_beside
from saddlepoint.data.resizing import ResizeAndCrop, ResizeLarger
from saddlepoint.errors import RequestError
from saddlepoint.game.batches import TranslationBatch


class TranslationFolder(ImageFolder):
    """What the sets of files for translation have in common: crops at another place each time, from images that were
    resized to a little more, and images for validation.

    These are those of `validation_root`, else those of the folder beside `root` that is called val or test where root
    is called train (testA beside trainA), else those that train_fraction leaves, else, if there are no others, those
    that are trained on.

    load_size: pixels, as image_size, to which images are resized before image_size are cropped; None: image_size
    validation_root: a folder of images for validation; None: as above

    See ImageFolder and ImageDataModule for the other settings.
    """

    validation_setting: ClassVar[str] = "data.validation_root"
    way_to_fixed_crops = ", or data.resize=stretch data.load_size=null"

    def __init__(self, load_size: ImageSize | None = None, validation_root: TypedPath | None = None, **more):
        super().__init__(crop="random", **more)
        if load_size is not None:
            self.framing = ResizeLarger(self.image_size, load_size, self.framing.resize, self.framing.draft)
        self.load_size = load_size
        self.validation_root = None
        if validation_root is not None:
            self.validation_root = expanded(validation_root, self.validation_setting)

    @abstractmethod
    def joined_loader(self, framing: ResizeAndCrop) -> ImageLoader:
        """Returns what reads all that is needed of one file for a pair."""

    def training_loader(self) -> ImageLoader:
        return self.joined_loader(self.framing)

    def evaluation_framing(self) -> ResizeAndCrop:
        """Returns the middle of an image that is resized to image_size at once, as pix2pix is tested."""
        resize = self.framing.larger.resize if self.load_size is not None else self.framing.resize
        return ResizeAndCrop(self.image_size, resize, "center")

    @property
    def validation_folder(self) -> Path | None:
        """The folder of images for validation, chosen or beside that of training; None if there is none."""
        return self.validation_root or (folder_beside(self.root) if self.root else None)

    def validation_images_of(self, folder: Path) -> list[ImageFile]:
        """Returns the files of a folder of validation images. Refuses one without."""
        return self._images_of(folder, self.validation_setting, "name a folder that has, or type "
                               f"{self.validation_setting}=null")

    def training_files(self) -> list[ImageFile]:
        """Returns the files of the training part, once they are listed."""
        return self._parts["train"]

    def held_out_files(self) -> list[ImageFile]:
        """Returns the files that validation pairs are made of."""
        self.setup()
        folder = self.validation_folder
        return self.validation_images_of(folder) if folder else self._parts["test"] or self._parts["train"]

    def held_out_images(self) -> EvaluationFiles:
        """Returns the images of which validation pairs are made, with all that is joined to each."""
        files = self.held_out_files()
        load = self.joined_loader(self.evaluation_framing())
        return EvaluationFiles(self.name, "validation", [file.path for file in files],
                               torch.zeros(len(files), dtype=torch.long), load)

    def other_files(self) -> dict[str, list[ImageFile]]:
        folder = self.validation_folder
        return super().other_files() | ({"validation": self.validation_images_of(folder)} if folder else {})

    def describe(self) -> list[str]:
        return [*super().describe(), f"validation: {self.validation_place}"]

    @property
    def validation_place(self) -> str:
        """Where images for validation come from, in words."""
        if folder := self.validation_folder:
            return f"images of {folder}"
        if count := len(self._parts["test"]):
            return f"{describing.counted(count, 'image')} that data.train_fraction={self.train_fraction:g} leaves"
        return ("images that are trained on, as there are no others: name a folder in "
                f"{self.validation_setting}")

    def _images_of(self, folder: Path, setting: str, instead: str) -> list[ImageFile]:
        if not folder.is_dir():
            raise RequestError(f"{setting}={folder} is not a folder: {instead}")
        if not (files := image_files(folder, self.extensions)):
            raise RequestError(f"{setting}={folder} has no images: {instead}")
        return files


class FilePairs(TranslationFolder):
    """Pairs of images in files. Batches are `TranslationBatch`, both images cropped and mirrored alike.

    source_channels: K, 1 (grey) or 3 (RGB)
    """

    yields = TranslationBatch

    def __init__(self, source_channels: Annotated[int, rules.one_of(*MODES)] = 3, **more):
        super().__init__(**more)
        self.source_channels = grey_or_colour(source_channels)

    def validation_pairs(self, count: int) -> tuple[Tensor, Tensor]:
        """Returns at most `count` sources [n, K, H, W] and targets [n, C, H, W], uint8 on the CPU, always the same.

        They are none that is trained on, unless there is neither a validation folder nor a held-out part.
        """
        joined = self.held_out_images().limited(count).for_validation()
        return joined[:, self.channels:].contiguous(), joined[:, :self.channels].contiguous()

    def on_after_batch_transfer(self, batch: tuple, dataloader_idx: int) -> TranslationBatch:
        joined, labels = super().on_after_batch_transfer(batch, dataloader_idx)
        target, source = joined.split([self.channels, self.source_channels], dim=1)
        return TranslationBatch(target.contiguous(), labels, source.contiguous())


def grey_or_colour(source_channels: int) -> int:
    if source_channels not in MODES:
        raise ValueError(f"data.source_channels={source_channels} must be 1 (grey) or 3 (RGB)")
    return source_channels

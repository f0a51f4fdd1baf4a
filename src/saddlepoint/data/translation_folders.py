"""Data sets for translation whose images are files: pairs in two folders or in one file each, pairs that are made of
images, and two folders that show different things.

N images of C channels (the target) or K channels (the source), S x S pixels.
"""

from abc import abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import Annotated, ClassVar

import torch
from torch import Tensor
from torch.utils.data import Dataset

from saddlepoint.checks import one_of
from saddlepoint.config import rules
from saddlepoint.config.rules import Count, TypedPath
from saddlepoint.config.typed_paths import expanded
from saddlepoint.data import describing
from saddlepoint.data.decoding import MODES, Unreadable, header_of
from saddlepoint.data.evaluation_images import EvaluationFiles
from saddlepoint.data.folders import ImageFolder
from saddlepoint.data.joined_files import FirstChannels, HalvesLoader, PairLoader, SequenceLoader
from saddlepoint.data.listing import ImageFile, by_digest, image_files
from saddlepoint.data.loading import ImageLoader
from saddlepoint.data.made_pairs import MadePairs
from saddlepoint.data.matching import folder_beside, sequences, sources_of
from saddlepoint.data.resizing import ResizeAndCrop, ResizeLarger
from saddlepoint.data.two_streams import TwoStreams, source_seed
from saddlepoint.errors import RequestError
from saddlepoint.game.batches import TranslationBatch, UnpairedBatch

SIDES = ("left", "right")
LOOKED_AT = 50  # files of each of two folders whose headers tell whether they are grey


class TranslationFolder(ImageFolder):
    """What the sets of files for translation have in common: crops at another place each time, from images that were
    resized to a little more, and images for validation.

    These are those of `validation_root`, else those of the folder beside `root` that is called val or test where root
    is called train (testA beside trainA), else those that train_fraction leaves, else, if there are no others, those
    that are trained on.

    load_size: pixels to which images are resized before image_size are cropped, at least image_size; None: image_size
    validation_root: a folder of images for validation; None: as above

    See ImageFolder and ImageDataModule for the other settings.
    """

    validation_setting: ClassVar[str] = "data.validation_root"

    def __init__(self, load_size: Count | None = None, validation_root: TypedPath | None = None, **more):
        super().__init__(crop="random", **more)
        if load_size is not None:
            self.framing = ResizeLarger(self.image_size, load_size, self.framing.resize)
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
        self.source_channels = _grey_or_colour(source_channels)

    def validation_pairs(self, count: int) -> tuple[Tensor, Tensor]:
        """Returns at most `count` sources [n, K, S, S] and targets [n, C, S, S], uint8 on the CPU, always the same.

        They are none that is trained on, unless there is neither a validation folder nor a held-out part. Files that
        cannot be read are left out.
        """
        images = self.held_out_images().limited(count)
        joined = images.block(range(len(images))).images
        return joined[:, self.channels:].contiguous(), joined[:, :self.channels].contiguous()

    def on_after_batch_transfer(self, batch: tuple, dataloader_idx: int) -> TranslationBatch:
        joined, labels = super().on_after_batch_transfer(batch, dataloader_idx)
        target, source = joined.split([self.channels, self.source_channels], dim=1)
        return TranslationBatch(target.contiguous(), labels, source.contiguous())


class PairedFolders(FilePairs):
    """Pairs in two folders, whose images have the same names (matching.py) and the same size.

    Names without a partner, and pairs of two sizes, are refused.

    source_root: the folder of the sources; `root` is that of the targets
    validation_source_root: the sources of validation_root; None: the folder beside source_root, as for validation_root

    See TranslationFolder, FilePairs and ImageFolder for the other settings.
    """

    def __init__(self, source_root: TypedPath | None, validation_source_root: TypedPath | None = None, **more):
        super().__init__(**more)
        self.source_root, self.validation_source_root = (
            expanded(folder, f"data.{setting}") if folder is not None else None
            for setting, folder in (("source_root", source_root), ("validation_source_root", validation_source_root)))
        if (self.validation_root is None) != (self.validation_source_root is None):
            raise ValueError("data.validation_root and data.validation_source_root are the targets and the sources of "
                             "validation: type both, or neither")
        self.source_of: dict[Path, Path] = {}  # path of a target -> that of its source
        self._sources: list[ImageFile] = []

    def joined_loader(self, framing: ResizeAndCrop) -> ImageLoader:
        source = ImageLoader(self.source_channels, framing, self.limits, self.cache)
        return PairLoader(self.loader(framing), source, self.source_of)

    @property
    def validation_folder(self) -> Path | None:
        folder = super().validation_folder
        return folder if folder and self._validation_sources else None

    @property
    def _validation_sources(self) -> Path | None:
        return self.validation_source_root or (folder_beside(self.source_root) if self.source_root else None)

    def validation_images_of(self, folder: Path) -> list[ImageFile]:
        targets, source_folder = super().validation_images_of(folder), self._validation_sources
        sources = self._images_of(source_folder, "data.validation_source_root", "name the folder with the sources of "
                                  "data.validation_root")
        self._match(targets, sources, f"data.validation_root={folder}", f"data.validation_source_root={source_folder}")
        return targets

    def _list_files(self) -> list[ImageFile]:
        targets = super()._list_files()
        if self.source_root is None:
            raise RequestError(f"data={self.name} needs to know the folder of the sources: type "
                               "data.source_root=FOLDER")
        if self.source_root.resolve() == self.root.resolve():
            raise RequestError(f"data.source_root={self.source_root} and data.root are one folder: name that of the "
                               "sources and that of the targets. If one file holds both, type data=paired_halves")
        self._sources = self._images_of(self.source_root, "data.source_root", "name the folder with the source of each "
                                        "image of data.root, under the same name")
        self._match(targets, self._sources, self.place, f"data.source_root={self.source_root}")
        return targets

    def _match(self, targets: list[ImageFile], sources: list[ImageFile], place: str, source_place: str) -> None:
        found = sources_of(targets, sources, place, source_place)
        self.source_of |= {path: source.path for path, source in found.items()}

    def other_files(self) -> dict[str, list[ImageFile]]:
        others = super().other_files() | {"source": self._sources}
        if "validation" in others:
            sources = [ImageFile(file.name, self.source_of[file.path]) for file in others["validation"]]
            others["validation"] = others["validation"] + sources
        return others

    def describe(self) -> list[str]:
        return [*super().describe(), f"source of a pair: the image of its name in data.source_root={self.source_root}"]


class PairedHalves(FilePairs):
    """Pairs of which each is one file, with the two images side by side, as the sets of pix2pix's authors are.

    source_side: left or right; the other half is the target

    See TranslationFolder, FilePairs and ImageFolder for the other settings.
    """

    def __init__(self, source_side: Annotated[str, rules.one_of(*SIDES)] = "right", **more):
        super().__init__(**more)
        self.source_side = one_of("source_side", source_side, SIDES)

    def joined_loader(self, framing: ResizeAndCrop) -> ImageLoader:
        return HalvesLoader(self.channels, self.source_channels, self.source_side == "left", framing, self.limits,
                            self.cache)

    def loader(self, framing: ResizeAndCrop) -> ImageLoader:
        return FirstChannels(self.joined_loader(framing), self.channels, f"beside the {self.source_side} half")

    def describe(self) -> list[str]:
        return [*super().describe(), f"source of a pair: the {self.source_side} half of its file"]


class PairsFromFolder(MadePairs, TranslationFolder):
    """Pairs that are made of the images in a folder.

    data.pair=next_frame takes images of one folder, in the order of their names, for the frames of a film; folders
    below `root` are films of their own.

    See MadePairs, TranslationFolder and ImageFolder for the settings.
    """

    has_sequences = True
    held_out_images = TranslationFolder.held_out_images

    def __init__(self, **more):
        super().__init__(**more)
        if self.pair.length > 1 and self.train_fraction < 1:
            raise ValueError(f"data.train_fraction={self.train_fraction:g} sets single frames aside, whose neighbours "
                             "would be trained on: type data.train_fraction=null, and data.validation_root=FOLDER for "
                             "other films")
        self.frames_of: dict[Path, tuple[Path, ...]] = {}  # path of a target -> the frames of which its pair is made

    def joined_loader(self, framing: ResizeAndCrop) -> ImageLoader:
        return self.loader(framing) if self.pair.length == 1 else SequenceLoader(self.loader(framing), self.frames_of)

    def validation_images_of(self, folder: Path) -> list[ImageFile]:
        return self._with_enough_before(super().validation_images_of(folder), f"data.validation_root={folder}")

    def _list_files(self) -> list[ImageFile]:
        return self._with_enough_before(super()._list_files(), self.place)

    def _with_enough_before(self, files: list[ImageFile], place: str) -> list[ImageFile]:
        length = self.pair.length
        if length == 1:
            return files
        self.frames_of |= (found := sequences(files, length))
        if not found:
            raise RequestError(f"{place} has no folder of at least {length} images, of which data.pair=next_frame "
                               "makes a pair: name a folder with the frames of films, or type e.g. data.pair.frames=1")
        return [file for file in files if file.path in found]


class _SourceFolder(TranslationFolder):
    """The folder of the sources, as UnpairedFolders has one beside its own."""

    root_setting, validation_setting = "data.source_root", "data.validation_source_root"

    def joined_loader(self, framing: ResizeAndCrop) -> ImageLoader:
        return self.loader(framing)


class UnpairedFolders(TranslationFolder):
    """Two folders that show different things, e.g. horses and zebras. Batches are `UnpairedBatch`: the images of each
    come in an order of their own, and the smaller folder begins again sooner.

    Folders of which one holds grey images alone and the other coloured ones are refused, unless the channels say so.

    source_root: the folder of the sources; `root` is that of the targets
    source_channels: K, 1 (grey) or 3 (RGB)
    validation_source_root: source images for validation; None: the folder beside source_root, as for validation_root

    See TranslationFolder and ImageFolder for the other settings, which hold for both folders.
    """

    yields = UnpairedBatch

    def __init__(self, source_root: TypedPath | None, source_channels: Annotated[int, rules.one_of(*MODES)] = 3,
                 validation_source_root: TypedPath | None = None, **more):
        super().__init__(**more)
        self.source_channels = _grey_or_colour(source_channels)
        if source_root is not None and self.root == expanded(source_root, "data.source_root"):
            raise ValueError(f"data.source_root={source_root} and data.root are one folder: name that of the sources "
                             "and that of the targets")
        of_source = {"name": self.name, "root": source_root, "channels": source_channels,
                     "validation_root": validation_source_root, "seed": source_seed(self.seed), "num_classes": 0}
        self.source = _SourceFolder(**more | of_source)

    def joined_loader(self, framing: ResizeAndCrop) -> ImageLoader:
        return self.loader(framing)

    def open(self) -> Dataset:
        self.source.setup()
        dataset = super().open()
        self._refuse_grey_beside_colour()
        return dataset

    def training_dataset(self) -> Dataset:
        return TwoStreams(super().training_dataset(), self.source.training_dataset())

    def on_after_batch_transfer(self, batch: tuple, dataloader_idx: int) -> UnpairedBatch:
        of_target, of_source = batch
        target, labels = super().on_after_batch_transfer(of_target, dataloader_idx)
        source, _ = self.source.on_after_batch_transfer(of_source, dataloader_idx)
        return UnpairedBatch(target, labels, source)

    def validation_images(self, count: int) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Returns at most `count` sources [n, K, S, S] and targets [m, C, S, S], uint8 on the CPU, always the same, and
        None: the true translations are not known.

        They are none that is trained on, unless a folder has neither one for validation nor a held-out part.
        """
        sources, targets = (images.limited(count) for images in (self.source.held_out_images(), self.held_out_images()))
        return sources.block(range(len(sources))).images, targets.block(range(len(targets))).images, None

    def other_files(self) -> dict[str, list[ImageFile]]:
        validation = [file for each in (self, self.source) if (folder := each.validation_folder)
                      for file in each.validation_images_of(folder)]
        return super().other_files() | {"source": self.source.training_files()} | (
            {"validation": validation} if validation else {})

    def describe(self) -> list[str]:
        return [*super().describe(), *(f"source {line}" for line in self.source.describe())]

    def _refuse_grey_beside_colour(self) -> None:
        if self.channels == 1 or self.source_channels == 1:
            return
        greys = {each.place: _is_grey(each) for each in (self, self.source)}
        if len({*greys.values()}) == 1:
            return
        grey, coloured = sorted(greys, key=greys.get, reverse=True)
        one_way = ("data.source_channels=1" if greys[self.source.place] else "data.channels=1")
        raise RequestError(f"{grey} holds grey images and {coloured} coloured ones, which differ in channels: type "
                           "data.channels=1 data.source_channels=1 to make all of them grey, or "
                           f"{one_way} model.module.identity_weight=0 to translate between grey and colour")


def _is_grey(data: TranslationFolder) -> bool:
    """Returns whether the first files in an order of chance, as far as they can be read, are all grey."""
    channels = set()
    for file in by_digest(data.training_files(), "grey")[:LOOKED_AT]:
        with suppress(Unreadable):  # reported elsewhere
            channels.add(header_of(file.path, data.limits).channels)
    return channels == {1}


def _grey_or_colour(source_channels: int) -> int:
    if source_channels not in MODES:
        raise ValueError(f"data.source_channels={source_channels} must be 1 (grey) or 3 (RGB)")
    return source_channels

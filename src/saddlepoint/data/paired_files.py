"""Data sets of pairs for translation whose images are files: in two folders, in one file each, or made of images.

N images of C channels (the target) or K channels (the source), H x W pixels.
"""

from pathlib import Path
from typing import Annotated

from saddlepoint.checks import one_of
from saddlepoint.config import rules
from saddlepoint.config.rules import TypedPath
from saddlepoint.config.typed_paths import expanded
from saddlepoint.data.joined_files import FirstChannels, HalvesLoader, PairLoader, SequenceLoader
from saddlepoint.data.listing import ImageFile
from saddlepoint.data.loading import ImageLoader
from saddlepoint.data.made_pairs import MadePairs
from saddlepoint.data.matching import folder_beside, sequences, sources_of
from saddlepoint.data.resizing import ResizeAndCrop
from saddlepoint.data.translation_folders import FilePairs, TranslationFolder
from saddlepoint.errors import RequestError

SIDES = ("left", "right")


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
        super().__init__(draft=False, **more)  # at a fraction of a file's size, its halves may meet within a pixel
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

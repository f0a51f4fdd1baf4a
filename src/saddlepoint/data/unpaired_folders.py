"""A data set of two folders that show different things, for translation without pairs.

N images of C channels (the target) or K channels (the source), H x W pixels.
"""

from contextlib import suppress
from typing import Annotated

from torch import Tensor
from torch.utils.data import Dataset

from saddlepoint.config import rules
from saddlepoint.config.rules import TypedPath
from saddlepoint.config.typed_paths import expanded
from saddlepoint.data.decoding import MODES, Unreadable, header_of
from saddlepoint.data.listing import ImageFile, by_digest
from saddlepoint.data.loading import ImageLoader
from saddlepoint.data.resizing import ResizeAndCrop
from saddlepoint.data.translation_folders import TranslationFolder, grey_or_colour
from saddlepoint.data.two_streams import TwoStreams, source_seed
from saddlepoint.errors import RequestError
from saddlepoint.game.batches import UnpairedBatch

LOOKED_AT = 50  # files of each of two folders whose headers tell whether they are grey


class _SourceFolder(TranslationFolder):
    """The folder of the sources, as UnpairedFolders has one beside its own."""

    root_setting, validation_setting = "data.source_root", "data.validation_source_root"

    def lines_of_loading(self) -> list[str]:
        return []  # the same processes load both folders

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
        self.source_channels = grey_or_colour(source_channels)
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
        """Returns at most `count` sources [n, K, H, W] and targets [m, C, H, W], uint8 on the CPU, always the same, and
        None: the true translations are not known.

        They are none that is trained on, unless a folder has neither one for validation nor a held-out part.
        """
        sources, targets = (data.held_out_images().limited(count).for_validation() for data in (self.source, self))
        return sources, targets, None

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

"""EMNIST (Cohen, Afshar, Tapson and van Schaik 2017, https://arxiv.org/abs/1702.05373): handwritten letters and digits
of 1 x 28 x 28, in six choices of images and classes.
"""

import string
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

from torch import Tensor
from torchvision import datasets

from saddlepoint.checks import one_of
from saddlepoint.config import rules
from saddlepoint.config.rules import TypedPath
from saddlepoint.config.typed_paths import expanded
from saddlepoint.data.memory import InMemoryImages, LabelledImages
from saddlepoint.data.sources.class_numbers import counted_from_one, require_number_of_classes
from saddlepoint.data.sources.downloading import Remote, download, missing_error
from saddlepoint.data.sources.idx import read_idx, read_idx_stream
from saddlepoint.data.sources.opening import Damage, find, name_in_errors, unzipped_stream
from saddlepoint.errors import RequestError

CHARACTERS = ("balanced", "byclass", "bymerge", "letters", "digits", "mnist")
_UPPER_AND_DIGITS = string.digits + string.ascii_uppercase
_MERGED = _UPPER_AND_DIGITS + "abdefghnqrt"  # the other lower-case letters look like their capitals
CLASS_NAMES = {"balanced": _MERGED, "byclass": _UPPER_AND_DIGITS + string.ascii_lowercase, "bymerge": _MERGED,
               "letters": string.ascii_lowercase, "digits": string.digits, "mnist": string.digits}
ARCHIVE = "gzip.zip"


class EMNIST(InMemoryImages):
    """EMNIST. The files, gzipped or not, are in `root` or below it where the archive and torchvision put them; or the
    archive gzip.zip is there, from which they are read. `prepare_data` downloads it (560 MB) if they are missing.

    root: the folder
    characters: which images and classes: balanced (47 classes, 131,600 images), byclass (62, 814,255), bymerge (47, as
        many), letters (26, capital or not, 145,600), digits (10, 280,000) or mnist (10, 70,000)
    """

    of_characters = True

    def __init__(self, root: TypedPath, characters: Annotated[str, rules.one_of(*CHARACTERS)] = "balanced", **more):
        super().__init__(**more)
        self.root = expanded(root, "data.root")
        self.characters = one_of("characters", characters, CHARACTERS)
        require_number_of_classes(self.num_classes, len(CLASS_NAMES[characters]), f"data.characters={characters}")

    def prepare_data(self) -> None:
        if not self._archive() and not any(self._files("train")):
            download(self._remote_files(), self.root, self.name)

    def read(self, split: str) -> LabelledImages:
        class_names = tuple(CLASS_NAMES[self.characters])
        (images, image_file), (labels, label_file) = self._arrays(split)
        if len(images) != len(labels):
            raise RequestError(f"{image_file} has {len(images)} images, but {label_file} has {len(labels)} labels: "
                               "they do not belong together.")
        with name_in_errors(label_file):
            if self.characters == "letters":
                labels = counted_from_one(labels, len(class_names))
            elif labels.max() >= len(class_names):
                raise Damage(f"it has the label {labels.max()}, and those of data.characters={self.characters} are 0 "
                             f"to {len(class_names) - 1}")
        images = images.transpose(1, 2).unsqueeze(1).contiguous()  # the files have each image column by column
        return LabelledImages(images, labels.long(), class_names)

    def _arrays(self, split: str) -> list[tuple[Tensor, Path]]:
        """Reads the images [N, 28, 28] and the labels [N] of a split, each with the place that they are from."""
        files, archive = self._files(split), self._archive()
        if all(files):
            return [(read_idx(file, dimensions), file) for file, dimensions in zip(files, (3, 1), strict=True)]
        if not archive:
            why = "no file there has one of these names"
            if any(files):
                missing = [name for name, file in zip(self._names(split), files, strict=True) if not file]
                why = f"{', '.join(missing)} is missing beside {next(filter(None, files))}"
            raise missing_error(self._remote_files(), self.root, self.name, why)
        arrays = []
        for name, dimensions in zip(self._names(split), (3, 1), strict=True):
            with name_in_errors(archive / name), _member(archive, name) as (stream, stored_bytes):
                arrays.append((read_idx_stream(stream, dimensions, stored_bytes), archive / name))
        return arrays

    def _names(self, split: str) -> list[str]:
        return [f"emnist-{self.characters}-{split}-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1")]

    def _files(self, split: str) -> list[Path | None]:
        """Returns the files of images and of labels, None for one that is missing."""
        folders = [folder / below for folder in self._folders() for below in (".", "gzip")]
        return [find(folders, [name]) for name in self._names(split)]

    def _archive(self) -> Path | None:
        return next((folder / ARCHIVE for folder in self._folders() if (folder / ARCHIVE).is_file()), None)

    def _folders(self) -> tuple[Path, Path]:
        return self.root, self.root / "EMNIST" / "raw"

    def _remote_files(self) -> list[Remote]:
        return [Remote(ARCHIVE, [datasets.EMNIST.url], datasets.EMNIST.md5)]


@contextmanager
def _member(archive: Path, name: str) -> Iterator[tuple[BinaryIO, int]]:
    """Yields a file of the archive, gzipped there or not, as unzipped bytes, and how many bytes it takes there."""
    with zipfile.ZipFile(archive) as opened:
        member = next((each for each in opened.infolist()
                       if Path(each.filename).name.removesuffix(".gz") == name), None)
        if member is None:
            raise Damage("the archive has no such file")
        if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Damage("it is encrypted, or compressed in another way than by deflate")
        with opened.open(member) as stored, unzipped_stream(stored) as stream:
            yield stream, member.compress_size

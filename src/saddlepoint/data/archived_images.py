"""A data set in a zip archive, or in a folder with a dataset.json, as StyleGAN's tools make it."""

import os
import unicodedata
from pathlib import Path
from typing import ClassVar

from saddlepoint.data import describing, labels
from saddlepoint.data.archives import LABELS, Archive, is_archive, open_archive
from saddlepoint.data.array_files import ENDINGS as ARRAY_ENDINGS
from saddlepoint.data.folders import ImageFolder
from saddlepoint.data.listing import ImageFile, listing
from saddlepoint.errors import RequestError
from saddlepoint.image_files.errors import Unreadable


class ArchivedImages(ImageFolder):
    """The image files in a zip archive, or in a folder, with labels in a dataset.json, as StyleGAN2-ADA, StyleGAN3, EDM
    and R3GAN read them.

    `dataset.json` is {"labels": [["00000/img00000000.png", 6], ...]}: with `num_classes`, an image's label is its
    number there, or the place of the one in its vector; archives that saddlepoint made say what the classes are called.
    Where there is no such file, or its labels are null, the folder at the top of the archive is the class, as for
    ImageFolder. With num_classes 0 all labels are 0.

    Images are read where they lie in the archive, stored or deflated, and their checksums are verified. Images that are
    damaged are dealt with as `corrupt` says; an archive that is itself damaged, or hostile, is refused.

    root: the archive, or the folder

    See ImageFolder for the other settings.
    """

    labels_come_beside: ClassVar[bool] = True

    def _list_files(self) -> list[ImageFile]:
        if self.root is None:
            raise RequestError(f"data={self.name} needs to know the archive: type {self.root_setting}=FILE.zip, or "
                               f"{self.root_setting}=FOLDER for a folder with a {LABELS}")
        self._archive = self._open()
        self.containers = [self._archive.file] if self._archive.file else []
        content = self._archive.listing
        if not content.files:
            others = "; ".join(describing.left_out(content))
            raise RequestError(f"{self.place} has no file that ends in {', '.join(self.extensions)}"
                               f"{f' (there are {others})' if others else ''}: type {self.root_setting}=FILE.zip for "
                               "another archive, or name the ending in data.extensions")
        self.left_out = describing.left_out(content)
        return content.files

    def classes_of(self, files: list[ImageFile]) -> tuple[list[int], tuple[str, ...]]:
        where, names = f"{self.place}/{self._archive.folder}{LABELS}", [file.name for file in files]
        typed = self._labels(where)
        if typed is None:
            why = f"{where} has no labels" if self._archive.labels else f"{self.place} has no {LABELS}"
            return labels.classes_of_folders(names, self.num_classes, self.place, why)
        content, folder = self._archive.listing, self._archive.folder
        present = [*names, *content.others, *content.hidden]
        found = {unicodedata.normalize("NFC", folder + name.replace("\\", "/")): label for name, label in typed.items()}
        numbers, known = labels.classes_of(labels.labels_of(names, found, present, where), self.num_classes, where)
        return numbers, self._names_in_record() or known

    def _names_in_record(self) -> tuple[str, ...] | None:
        record = self._archive.record
        if record is None or record.size > labels.MOST_BYTES:
            return None
        try:
            return labels.class_names(record.read_bytes(), self.num_classes)
        except (OSError, Unreadable):  # names only
            return None

    def _open(self) -> Archive:
        if is_archive(self.root):
            return open_archive(self.root, self.extensions, self.place)
        if not os.path.isdir(self.root):  # noqa: PTH112  Path.is_dir raises for a name that is too long
            problem = "is not a zip archive" if os.path.exists(self.root) else "does not exist"  # noqa: PTH110
            if self.root.suffix.lower() in ARRAY_ENDINGS:
                problem = f"is not a zip archive of image files, and data=array reads {self.root.suffix} files"
            raise RequestError(f"{self.place} {problem}: type {self.root_setting}=FILE.zip, or {self.root_setting}="
                               f"FOLDER for a folder with a {LABELS}")
        content, path = listing(self.root, self.extensions), self.root / LABELS
        others = [name for name in content.others if name != LABELS]
        return Archive(None, content._replace(others=others), path if path.is_file() else None, "")

    def _labels(self, where: str) -> dict | None:
        file = self._archive.labels
        if file is None:
            return None
        size = file.stat().st_size if isinstance(file, Path) else file.size
        if size > labels.MOST_BYTES:
            raise RequestError(f"{where} has {size:,} bytes, more than the labels of ten million images take: mend "
                               f"it, or {labels.WITHOUT}")
        try:
            return labels.read_labels(file.read_bytes(), where)
        except (OSError, Unreadable) as error:
            raise RequestError(f"{where} cannot be read ({error}): mend it, or {labels.WITHOUT}") from error

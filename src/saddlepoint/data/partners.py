"""Finds the low-resolution file of each photograph by their names alone.

In this order: the same name, the same name with another ending, the same in another case, and the names of data sets:
DIV2K and Flickr2K 0001x4, RealSR NAME_LR4 (and NAME_HR), DRealSR NAME_x4 (and NAME_x1), RCAN's test sets NAME_LRBI_x4
(and NAME_HR_x4), SelfExSR NAME_SRF_4_LR (and NAME_SRF_4_HR).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from saddlepoint.data.decoding import Unreadable
from saddlepoint.data.listing import ImageFile, image_files
from saddlepoint.errors import RequestError

SEPARATORS = ("", "_", "-")
LOW, HIGH = ("lr", "lq", "low"), ("hr", "gt", "hq", "high", "x1")  # after a separator


class Partners:
    """Photographs with their low-resolution files. Two photographs that share one are refused.

    files: the photographs
    root: the folder of the low-resolution files, with the same folders below it as that of the photographs
    scale: how many times smaller they are
    extensions: endings of the files that are read
    """

    def __init__(self, files: Sequence[ImageFile], root: Path, scale: int, extensions: Iterable[str]):
        if not root.is_dir():
            raise RequestError(f"data.low_root={root} is not a folder: name the folder with the low-resolution images, "
                               "or type data.low_root=null to make them")
        self.root, self.low_endings, self.high_endings = root, _low_endings(scale), _high_endings(scale)
        self.scale, self.images = scale, image_files(root, extensions)
        self.by_key: dict[tuple[str, str], list[ImageFile]] = defaultdict(list)  # folder and stem, in lower case
        for image in self.images:
            self.by_key[_folder(image.name), _stem(image.name).lower()].append(image)
        self.owners: dict[Path, str] = {}  # low-resolution file -> name of its photograph
        self._refuse_shared(files)

    def of(self, file: ImageFile) -> Path:
        """Returns the low-resolution file of a photograph. Raises Unreadable if there is none, and RequestError if two
        fit equally well."""
        if (low := self._find(file, _folder(file.name))) is None:
            stem, beside = _stem(file.name), file.path.parent == self.root / _folder(file.name)
            raise Unreadable(f"data.low_root={self.root} has no image called {'' if beside else f'{stem}, '}"
                             f"{stem}x{self.scale}, {stem}_x{self.scale} or "
                             f"{self._without_ending(file)}_LR{self.scale} for it")
        if (owner := self.owners.get(low.path, file.name)) != file.name:
            raise Unreadable(f"the only low-resolution image that fits its name, {low.path}, is that of {owner}")
        return low.path

    def has(self, file: ImageFile) -> bool:
        """Tells whether a photograph has a low-resolution file."""
        try:
            return bool(self.of(file))
        except Unreadable:
            return False

    def require_any(self, files: Sequence[ImageFile], typed: str) -> None:
        """Refuses a folder without a low-resolution file for any of the photographs, and says what it holds instead.

        `typed`: the setting of the photographs' folder, for the message.
        """
        if not files or any(map(self.has, files)):
            return
        examples = f": it holds {self.images[0].name}" + (f" and {len(self.images) - 1} others" * (len(self.images) > 1)
                                                         ) if self.images else ", and no image at all"
        folder = next((folder for folder, _ in self.by_key if self._find(files[0], folder)), None)
        instead = f"data.low_root={self.root / folder}" if folder else "data.low_root=FOLDER"
        raise RequestError(f"data.low_root={self.root} has no low-resolution image for any of the {len(files)} images "
                           f"of {typed} ({files[0].name}, ...){examples}. Type {instead} for a folder that has them "
                           f"under the same names, or as NAMEx{self.scale}, NAME_x{self.scale}, NAME_LR{self.scale}")

    def _find(self, file: ImageFile, folder: str, besides: ImageFile | None = None) -> ImageFile | None:
        """Returns the file in a folder that fits a photograph best, other than `besides`; None if none fits. Raises a
        RequestError if two fit equally well."""
        for fitting in self._by_rank(file, folder):
            others = [image for image in fitting if image.path != file.path and image != besides]
            if len(others) > 1:
                raise RequestError(f"{others[0].path} and {others[1].path} both fit data.root's {file.name} as its "
                                   "low-resolution image: keep one of them in data.low_root, or name it "
                                   f"{PurePosixPath(file.name).name}")
            if others:
                return others[0]
        return None

    def _by_rank(self, file: ImageFile, folder: str) -> Iterator[list[ImageFile]]:
        """Yields the files in a folder that fit a photograph, those that fit best first; files of one list fit equally
        well."""
        name, stem = PurePosixPath(file.name).name, _stem(file.name)
        alike = [image for image in self.by_key.get((folder, stem.lower()), [])
                 if image.path.parent != file.path.parent]  # in one folder, either of a.png and a.jpg could be low
        yield [image for image in alike if PurePosixPath(image.name).name == name]
        yield [image for image in alike if _stem(image.name) == stem]
        yield alike
        bare = self._without_ending(file).lower()
        stems = {beginning + ending for beginning in {stem.lower(), bare} for ending in self.low_endings}
        stems |= {bare} - {stem.lower()}
        yield [image for each in sorted(stems) for image in self.by_key.get((folder, each), [])]

    def _without_ending(self, file: ImageFile) -> str:
        """Removes a high-resolution ending from the name of a photograph: Canon_001_HR -> Canon_001."""
        stem = _stem(file.name)
        ending = next((each for each in self.high_endings if stem.lower().endswith(each) and len(stem) > len(each)), "")
        return stem[:len(stem) - len(ending)]

    def _refuse_shared(self, files: Sequence[ImageFile]) -> None:
        """Decides which photograph each low-resolution file belongs to, and refuses one that fits several.

        A file that fits several belongs to the one photograph whose name it has, unless that has another file too: if
        cat.png and catx4.png are photographs and catx4.png and catx4x4.png low-resolution files, catx4.png may be of
        either.
        """
        fitting: dict[ImageFile, list[ImageFile]] = defaultdict(list)  # low-resolution file -> photographs it fits
        for file in files:
            if low := self._find(file, _folder(file.name)):
                fitting[low].append(file)
        paired = {file.path for photographs in fitting.values() for file in photographs}
        for low, photographs in fitting.items():
            best = ([file for file in photographs if file.name == low.name]
                    or [file for file in photographs if _stem(file.name) == _stem(low.name)] or photographs)
            if len(best) > 1:
                raise RequestError(f"{best[0].name} and {best[1].name} of data.root both fit {low.path} as their "
                                   "low-resolution image: give each one of its own, called as it is")
            other = self._find(best[0], _folder(best[0].name), besides=low) if len(photographs) > 1 else None
            if other:
                second = next(file for file in photographs if file != best[0])
                raise RequestError(f"{low.path} fits {best[0].name} and {second.name} of data.root as their "
                                   f"low-resolution image, and {other.path} fits {best[0].name} as well: give each one "
                                   "that is called as it is")
            if low.path in paired:
                raise RequestError(f"{low.path} fits {best[0].name} of data.root as its low-resolution image, and has "
                                   "one of its own: put the low-resolution images into another folder, each called as "
                                   "the photograph it belongs to")
            self.owners[low.path] = best[0].name


def _low_endings(scale: int) -> list[str]:
    times = f"x{scale}"
    plain = [f"{separator}{times}" for separator in SEPARATORS] + [f"_{scale}x", f"-{scale}x"]
    unknown = [f"{times}{kind}" for kind in ("m", "d", "w")]  # DIV2K's mild, difficult and wild
    marked = [f"{separator}{word}{number}" for separator in SEPARATORS[1:] for word in LOW
              for number in ("", scale, times, f"_{times}", f"-{times}")]
    return [*plain, *unknown, *marked, f"_lrbi_{times}", f"_lrbd_{times}", f"_srf_{scale}_lr", f"{times}_lr",
            f"_{times}_lr"]


def _high_endings(scale: int) -> list[str]:
    marked = [f"{separator}{word}" for separator in SEPARATORS[1:] for word in HIGH]
    return [f"_srf_{scale}_hr", f"_hr_x{scale}", *marked]


def _folder(name: str) -> str:
    return str(PurePosixPath(name).parent)


def _stem(name: str) -> str:
    return PurePosixPath(name).stem

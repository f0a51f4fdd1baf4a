"""Which low-resolution file belongs to which photograph, by their names alone.

The same name first, then the same name with another ending, then the same in another case, then what data sets add:
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
    """`files` are the photographs, `root` has the low-resolution ones, in the same folders below."""

    def __init__(self, files: Sequence[ImageFile], root: Path, scale: int, extensions: Iterable[str]):
        if not root.is_dir():
            raise RequestError(f"data.low_root={root} is not a folder: name the folder with the low-resolution images, "
                               "or type data.low_root=null to make them")
        self.root, self.lows, self.endings = root, _low_endings(scale), _high_endings(scale)
        self.scale, self.images = scale, image_files(root, extensions)
        self.by_key: dict[tuple[str, str], list[ImageFile]] = defaultdict(list)  # folder and stem, in lower case
        for image in self.images:
            self.by_key[_folder(image.name), _stem(image.name).lower()].append(image)
        self.taken: dict[Path, str] = {}  # by whom
        self._refuse_shared(files)

    def of(self, file: ImageFile) -> Path:
        """Raises Unreadable where there is none, RequestError where two fit as well."""
        if (found := self._found(file, _folder(file.name))) is None:
            stem, beside = _stem(file.name), file.path.parent == self.root / _folder(file.name)
            raise Unreadable(f"data.low_root={self.root} has no image called {'' if beside else f'{stem}, '}"
                             f"{stem}x{self.scale}, {stem}_x{self.scale} or "
                             f"{self._without_ending(file)}_LR{self.scale} for it")
        if (owner := self.taken.get(found.path, file.name)) != file.name:
            raise Unreadable(f"the only low-resolution image that fits its name, {found.path}, is that of {owner}")
        return found.path

    def are_there(self, file: ImageFile) -> bool:
        try:
            return bool(self.of(file))
        except Unreadable:
            return False

    def refuse_none(self, files: Sequence[ImageFile], typed: str) -> None:
        """Where no file has a partner, the folder is the wrong one: what is in it says which."""
        if not files or any(map(self.are_there, files)):
            return
        examples = f": it holds {self.images[0].name}" + (f" and {len(self.images) - 1} others" * (len(self.images) > 1)
                                                         ) if self.images else ", and no image at all"
        folder = next((folder for folder, _ in self.by_key if self._found(files[0], folder)), None)
        instead = f"data.low_root={self.root / folder}" if folder else "data.low_root=FOLDER"
        raise RequestError(f"data.low_root={self.root} has no low-resolution image for any of the {len(files)} images "
                           f"of {typed} ({files[0].name}, ...){examples}. Type {instead} for a folder that has them "
                           f"under the same names, or as NAMEx{self.scale}, NAME_x{self.scale}, NAME_LR{self.scale}")

    def _found(self, file: ImageFile, folder: str, besides: ImageFile | None = None) -> ImageFile | None:
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
        name, stem = PurePosixPath(file.name).name, _stem(file.name)
        alike = [image for image in self.by_key.get((folder, stem.lower()), [])
                 if image.path.parent != file.path.parent]  # of a.png and a.jpg in one, either could be low
        yield [image for image in alike if PurePosixPath(image.name).name == name]
        yield [image for image in alike if _stem(image.name) == stem]
        yield alike
        stems = {each + ending for each in {stem.lower(), self._without_ending(file).lower()} for ending in self.lows}
        stems |= {self._without_ending(file).lower()} - {stem.lower()}
        yield [image for each in sorted(stems) for image in self.by_key.get((folder, each), [])]

    def _without_ending(self, file: ImageFile) -> str:
        """Canon_001_HR -> Canon_001"""
        stem = _stem(file.name)
        ending = next((each for each in self.endings if stem.lower().endswith(each) and len(stem) > len(each)), "")
        return stem[:len(stem) - len(ending)]

    def _refuse_shared(self, files: Sequence[ImageFile]) -> None:
        """Two photographs with one low-resolution image: it belongs to the one whose name it has, if only one has, and
        if that one has no other: beside cat.png and catx4.png, catx4.png may be of either where catx4x4.png is too."""
        owners: dict[ImageFile, list[ImageFile]] = defaultdict(list)
        for file in files:
            if found := self._found(file, _folder(file.name)):
                owners[found].append(file)
        paired = {file.path for several in owners.values() for file in several}
        for low, several in owners.items():
            best = ([file for file in several if file.name == low.name]
                    or [file for file in several if _stem(file.name) == _stem(low.name)] or several)
            if len(best) > 1:
                raise RequestError(f"{best[0].name} and {best[1].name} of data.root both fit {low.path} as their "
                                   "low-resolution image: give each one of its own, called as it is")
            other = self._found(best[0], _folder(best[0].name), besides=low) if len(several) > 1 else None
            if other:
                loser = next(file for file in several if file != best[0])
                raise RequestError(f"{low.path} fits {best[0].name} and {loser.name} of data.root as their "
                                   f"low-resolution image, and {other.path} fits {best[0].name} as well: give each one "
                                   "that is called as it is")
            if low.path in paired:
                raise RequestError(f"{low.path} fits {best[0].name} of data.root as its low-resolution image, and has "
                                   "one of its own: put the low-resolution images into another folder, each called as "
                                   "the photograph it belongs to")
            self.taken[low.path] = best[0].name


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

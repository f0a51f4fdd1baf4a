"""CelebA (Liu, Luo, Wang and Tang 2015, https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html): 202,599 photographs of
faces, aligned, of 178 x 218 pixels (width x height), each with 40 attributes that it has or has not.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated

from saddlepoint.checks import one_of
from saddlepoint.config import rules
from saddlepoint.config.rules import TypedPath
from saddlepoint.data.listing import ImageFile
from saddlepoint.data.resizing import CropThenResize, ResizeAndCrop
from saddlepoint.data.sources.listed_files import ListedFiles, Split, missing_images, open_tree, read_text
from saddlepoint.data.sources.opening import Damage, name_in_errors
from saddlepoint.errors import RequestError
from saddlepoint.image_files.packed import Place

PARTS, TEST_PARTS = ("train", "train+valid", "all"), ("test", "valid")
NUMBERS = {"train": "0", "valid": "1", "test": "2"}  # in list_eval_partition.txt
IMAGES, PARTITION, ATTRIBUTES = "img_align_celeba", "list_eval_partition", "list_attr_celeba"
BELOW = (".", "celeba", "Img", "Anno", "Eval")  # where the authors' folder and torchvision put files
SOURCE = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
MOST_ATTRIBUTES = 10  # 1,024 classes


class CelebA(ListedFiles):
    """The aligned and cropped faces of CelebA: img_align_celeba.zip, of which nothing is unpacked, or the folder
    img_align_celeba, in `root`, and beside them the lists list_eval_partition and, for classes, list_attr_celeba, .txt
    or Kaggle's .csv.

    root: the folder
    part: what is trained on: train (162,770 images), train+valid (182,637) or all (202,599)
    test_part: what the split `test` has: test (19,962 images) or valid (19,867)
    attributes: names of attributes, of which each combination is a class, e.g. ["Male", "Smiling"]: 4 classes, from
        `not_Male+not_Smiling` to `Male+Smiling`; None: no classes
    center_crop: pixels, 1 to 178, of the central square that is cut out before it is resized to image_size: 178, 160,
        148, 140 or 108 in papers; None: resized until it just covers image_size, then cropped, as torchvision's Resize
        and CenterCrop do

    See ImageFolder for the other settings.
    """

    def __init__(self, root: TypedPath, part: Annotated[str, rules.one_of(*PARTS)] = "train",
                 test_part: Annotated[str, rules.one_of(*TEST_PARTS)] = "test",
                 attributes: Annotated[Sequence[str] | None, rules.optional(rules.list_of(rules.text))] = None,
                 center_crop: Annotated[int | None, rules.optional(rules.integer(1, 178))] = 178, **more):
        super().__init__(root, resize="short_side", crop="center", **more)
        self.part, self.test_part = one_of("part", part, PARTS), one_of("test_part", test_part, TEST_PARTS)
        self.attributes = tuple(attributes or ())
        if center_crop is not None:
            self.framing = CropThenResize(self.image_size, center_crop)
        self._require_classes()

    def _require_classes(self) -> None:
        typed, count = f"data.attributes=[{','.join(self.attributes)}]", 2**len(self.attributes)
        if len({*self.attributes}) < len(self.attributes) or len(self.attributes) > MOST_ATTRIBUTES:
            raise ValueError(f"{typed} must be up to {MOST_ATTRIBUTES} different attributes")
        if not self.attributes and self.num_classes:
            raise ValueError(f"data.num_classes={self.num_classes}, but data={self.name} has classes only by its "
                             "attributes: type e.g. 'data.attributes=[Male,Smiling]' data.num_classes=4, or "
                             "data.num_classes=0")
        if self.attributes and self.num_classes != count:
            raise ValueError(f"{typed} makes {count} classes, and data.num_classes={self.num_classes}: type "
                             f"data.num_classes={count}, or data.attributes=null to train without classes")

    way_to_test = "type split=train, or data.part=train for the authors' own parts"

    def evaluation_framing(self) -> ResizeAndCrop:
        return self.framing

    def read_lists(self) -> Split:
        images = self._images()
        parts = self._parts_of(images)
        train = [file for file in images if self.part == "all" or parts[file.name] in self.part.split("+")]
        test = [] if self.part == "all" else [file for file in images if parts[file.name] == self.test_part
                                              and self.test_part not in self.part.split("+")]
        self.left_out = self._left_out(len(images) - len(train))
        class_of, class_names = self._classes(images) if self.attributes else ({}, ())
        return Split(train, test, class_of, class_names)

    def _left_out(self, count: int) -> list[str]:
        return [f"{count:,} images by data.part={self.part}"] if count else []

    def _images(self) -> list[ImageFile]:
        """Returns all images, by the last part of their names: archives and folders have other paths before it."""
        candidates = [self.root / below / (IMAGES + ending) for ending in ("", ".zip") for below in BELOW]
        place = next((path for path in candidates if path.exists()), None)
        if place is None:
            raise RequestError(f"data.root={self.root} has neither the folder {IMAGES} nor {IMAGES}.zip. Its authors "
                               f"share CelebA on Google Drive, which lets programs download it on some days only: get "
                               f"{IMAGES}.zip, {PARTITION}.txt and {ATTRIBUTES}.txt from {SOURCE} and put them there.")
        tree = open_tree(place, ("jpg",), "data.root")
        images = [ImageFile(name.rpartition("/")[2], file) for name, file in tree.files.items()]
        if not images:
            raise RequestError(f"{place} has no .jpg files: unpack or copy it again.")
        return images

    def _parts_of(self, images: list[ImageFile]) -> dict[str, str]:
        """Returns the part of each image: train, valid or test."""
        if self.part == "all":
            return {}
        text, where = self._list(PARTITION, "data.part=all uses all images without it")
        names = {number: name for name, number in NUMBERS.items()}
        parts = {}
        with name_in_errors(where):
            for number, words in _rows(text):
                if words[0] == "image_id":
                    continue
                if len(words) != 2 or words[1] not in names:
                    raise Damage(f"line {number} is not an image and 0, 1 or 2, but {' '.join(words)[:60]!r}")
                parts[words[0]] = names[words[1]]
        _require_same(images, parts, where)
        return parts

    def _classes(self, images: list[ImageFile]) -> tuple[dict[str, int], tuple[str, ...]]:
        """Returns the class of each image and the names of the classes: the first attribute counts most."""
        text, where = self._list(ATTRIBUTES, "data.attributes=null data.num_classes=0 trains without it")
        with name_in_errors(where):
            classes = _read_attributes(text, self.attributes)
        _require_same(images, classes, where)
        names = ["+".join(name if has else f"not_{name}" for name, has in zip(self.attributes, each, strict=True))
                 for each in product((False, True), repeat=len(self.attributes))]
        return classes, tuple(names)

    def _list(self, name: str, without: str) -> tuple[str, Path]:
        """Returns the text of a list and where it is. `without`: how to do without it, for a message."""
        paths = [self.root / below / (name + ending) for below in BELOW for ending in (".txt", ".csv")]
        path = next((path for path in paths if path.is_file()), None)
        if path is None:
            raise RequestError(f"data.root={self.root} has no {name}.txt: get it from {SOURCE} and put it there; "
                               f"{without}.")
        return read_text(path, path), path


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yields the number, from 1, and the words of each line that has any. Words end at spaces or, in Kaggle's files, at
    commas."""
    for number, line in enumerate(text.splitlines(), start=1):
        if words := line.replace(",", " ").split():
            yield number, words


def _read_attributes(text: str, attributes: tuple[str, ...]) -> dict[str, int]:
    """Returns the class of each image: the number whose binary digits say which of the attributes it has."""
    rows = _rows(text)
    _, header = next(rows, (0, [""]))
    if header[0].isdigit():  # how many images there are; Kaggle's file has not
        _, header = next(rows, (0, [""]))
        header = ["image_id", *header]
    if header[0] != "image_id" or len(header) < 2:
        raise Damage("it does not begin with the names of attributes")
    for name in attributes:
        if name not in header[1:]:
            raise RequestError(f"data.attributes=[{','.join(attributes)}] has {name}, which is no attribute of "
                               f"CelebA{rules.nearest(name, header[1:])}. They are {', '.join(header[1:])}.")
    columns = [header.index(name) for name in attributes]
    classes = {}
    for number, words in rows:
        if len(words) != len(header) or not {*words[1:]} <= {"1", "-1", "0"}:
            raise Damage(f"line {number} is not an image and {len(header) - 1} times 1 or -1, but "
                         f"{' '.join(words)[:60]!r}")
        classes[words[0]] = int("".join("1" if words[column] == "1" else "0" for column in columns), base=2)
    return classes


def _require_same(images: list[ImageFile], listed: dict[str, object], where: Path) -> None:
    """Refuses images that a list lacks, and a list with images that are not there."""
    there = {file.name for file in images}
    if missing := sorted(listed.keys() - there):
        raise missing_images(_parent(images[0].path), missing, len(listed), where.name)
    if unknown := sorted(there - listed.keys()):
        raise RequestError(f"{where} does not list {len(unknown):,} of the {len(images):,} images, e.g. {unknown[0]}: "
                           f"get it again from {SOURCE}.")


def _parent(place: Place) -> Path:
    """Returns the folder or archive that an image is in."""
    return place.parent if isinstance(place, Path) else Path(str(place)).parent

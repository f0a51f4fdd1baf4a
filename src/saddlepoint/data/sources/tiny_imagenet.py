"""Tiny ImageNet (Stanford's course CS231n, https://cs231n.stanford.edu/): 100,000 training images of 3 x 64 x 64 in 200
of ImageNet's classes, and 10,000 validation images. The labels of its test images were never published.
"""

from pathlib import Path

from saddlepoint.config.rules import TypedPath
from saddlepoint.data.archives import is_archive
from saddlepoint.data.listing import ImageFile
from saddlepoint.data.sources.class_numbers import require_number_of_classes
from saddlepoint.data.sources.downloading import Remote, download, missing_error
from saddlepoint.data.sources.listed_files import ListedFiles, Split, Tree, missing_images, open_tree
from saddlepoint.data.sources.opening import Damage, name_in_errors
from saddlepoint.errors import RequestError

FOLDER = "tiny-imagenet-200"
REMOTE = Remote(f"{FOLDER}.zip", [f"http://cs231n.stanford.edu/{FOLDER}.zip"], "90528d7ca1a48142e341f4ef8d21d0de")
CLASSES, WORDS, ANNOTATIONS = "wnids.txt", "words.txt", "val/val_annotations.txt"
NUM_CLASSES = 200


class TinyImageNet(ListedFiles):
    """Tiny ImageNet, from its folder or its archive, which is `root` or lies there; nothing is unpacked.
    `prepare_data` downloads the archive (248 MB) if `root` has neither.

    The split `test` has the validation images, as elsewhere. Classes are numbered in the order of WordNet's numbers, as
    by everything that reads folders; validation images may lie in folders of their classes too.

    root: the folder, or the archive

    See ImageFolder for the other settings.
    """

    def __init__(self, root: TypedPath, **more):
        super().__init__(root, **more)
        require_number_of_classes(self.num_classes, NUM_CLASSES, f"data={self.name}")

    def prepare_data(self) -> None:
        if not self._place():
            download([REMOTE], self.root, self.name)

    def read_lists(self) -> Split:
        place = self._place()
        if not place:
            raise missing_error([REMOTE], self.root, self.name, f"neither a folder {FOLDER} nor the archive")
        tree = _without_top_folder(open_tree(place, ("jpeg", "jpg", "png", "txt"), "data.root"))
        numbers = self._classes(tree)
        train, test = _images(tree, "train/"), _images(tree, "val/")
        if not train:
            raise RequestError(f"{tree.where} has no images in its folder train: unpack or copy the set again.")
        validation = _validation_classes(tree, test) if test else {}
        class_of = {}
        for file in (*train, *test):
            wnid = validation.get(file.name.rpartition("/")[2]) or file.name.split("/")[1]
            if wnid not in numbers:
                raise RequestError(f"{tree.where / file.name} is of the class {wnid}, which {CLASSES} does not have: "
                                   "unpack or copy the set again.")
            class_of[file.name] = numbers[wnid]
        return Split(train, test, class_of, _names([*numbers], tree))

    def _classes(self, tree: Tree) -> dict[str, int]:
        """Returns WordNet's numbers of the classes, in order, with our numbers."""
        with name_in_errors(tree.where / CLASSES):
            wnids = sorted({*tree.text(CLASSES).split()})
            if len(wnids) != NUM_CLASSES:
                raise Damage(f"it has {len(wnids)} classes, and the set has {NUM_CLASSES}")
        return {wnid: number for number, wnid in enumerate(wnids)}

    def _place(self) -> Path | None:
        """Returns the folder or archive of the set."""
        folders = (self.root / FOLDER, self.root)
        archive = self.root if is_archive(self.root) else self.root / REMOTE.name
        found = next((folder for folder in folders if (folder / CLASSES).is_file()), None)
        return found or (archive if archive.is_file() else None)


def _without_top_folder(tree: Tree) -> Tree:
    """Returns the files without the folder in which an archive has all of them."""
    if CLASSES in tree.files:
        return tree
    prefix = f"{FOLDER}/"
    if prefix + CLASSES not in tree.files:
        raise RequestError(f"{tree.where} has no {CLASSES}: it is not the archive of Tiny ImageNet. Get it again.")
    return Tree(tree.where / FOLDER, {name.removeprefix(prefix): place for name, place in tree.files.items()
                                      if name.startswith(prefix)})


def _images(tree: Tree, below: str) -> list[ImageFile]:
    return [ImageFile(name, place) for name, place in tree.files.items()
            if name.startswith(below) and not name.endswith(".txt")]


def _validation_classes(tree: Tree, images: list[ImageFile]) -> dict[str, str]:
    """Returns the class of each validation image, by the last part of its name: those of the annotations, as far as the
    images were not moved to folders of their classes."""
    if all(file.name.split("/")[1] != "images" for file in images):
        return {}
    where = tree.where / ANNOTATIONS
    if ANNOTATIONS not in tree.files:
        raise RequestError(f"{where} is missing, which has the classes of the validation images: unpack or copy the "
                           "set again.")
    classes = {}
    with name_in_errors(where):
        for number, line in enumerate(tree.text(ANNOTATIONS).splitlines(), start=1):
            words = line.split()
            if len(words) < 2:
                raise Damage(f"line {number} is not an image and its class, but {line[:60]!r}")
            classes[words[0]] = words[1]
    there = {file.name.rpartition("/")[2] for file in images}
    if missing := sorted(classes.keys() - there):
        raise missing_images(tree.where, missing, len(classes), ANNOTATIONS)
    if unknown := sorted(there - classes.keys()):
        raise RequestError(f"{where} has no class of {len(unknown):,} images, e.g. {unknown[0]}: unpack or copy the "
                           "set again.")
    return classes


def _names(wnids: list[str], tree: Tree) -> tuple[str, ...]:
    """Returns the classes' names: the first of those in words.txt, with WordNet's number where two classes share it;
    without words.txt the numbers."""
    if WORDS not in tree.files:
        return tuple(wnids)
    pairs = (line.partition("\t") for line in tree.text(WORDS).splitlines())
    words = {wnid: names.split(",")[0].strip() for wnid, _, names in pairs}
    names = [words.get(wnid) or wnid for wnid in wnids]
    return tuple(name if names.count(name) == 1 else f"{name} ({wnid})"
                 for name, wnid in zip(names, wnids, strict=True))

"""Where the classes of a folder are, by the names of its images: `cat/1.png` is of the class cat."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

# Words in the names of folders that divide a set, whatever its classes (train, training_set, val2017, seg_test, fold1);
# of several, the first of this order is what training wants.
PARTS = ("train", "training", "trainval", "val", "valid", "validation", "dev", "eval", "test", "testing", "pred",
         "fold")


def names(images: Sequence[str]) -> tuple[str, ...]:
    """The folders just below the root, by name"""
    return tuple(sorted({image.split("/", 1)[0] for image in images if "/" in image}))


def problem(images: Sequence[str], root: Path, num_classes: int) -> str | None:
    """Why the folders just below `root` are not `num_classes` classes, and what to type instead"""
    found, loose = names(images), next((image for image in images if "/" not in image), None)
    without = "to train without classes"
    if (root / "dataset.json").is_file() and all(name.isdigit() for name in found):
        return (f"data.num_classes={num_classes} needs a folder for each class, and data.root={root} has the layout of "
                f"StyleGAN's dataset_tool, whose dataset.json is not read: type data.num_classes=0 {without}, or sort "
                "the images into a folder for each class")
    if loose:
        return (f"data.num_classes={num_classes} needs every image in a folder of its class, but {loose} lies in "
                f"data.root={root} itself: type data.num_classes=0 {without}")
    if len(found) == num_classes and not are_parts(found):
        return None
    inside, classes = place_of_classes(images)
    if inside:
        instead = shlex.join([f"data.root={root / inside}", f"data.num_classes={len(classes)}"])
        what = "divide the set, and" if are_parts(found) else "hold all of it:"
        where = f"its classes are in {root / inside}" if classes else "it has no folders of classes"
        return (f"data.num_classes={num_classes}, but the folders of data.root={root} ({', '.join(found)}) {what} "
                f"{where}: type {instead}" + (f", or data.num_classes=0 {without}" if classes else f" {without}"))
    return (f"data.num_classes={num_classes}, but data.root={root} has {len(found)} folders with images: type "
            f"data.num_classes={len(found)}, or 0 {without}")


def are_parts(folders: Sequence[str]) -> bool:
    """train and test, training_set and test_set, train2017 and val2017, fold1 and fold2; but test_positive and
    test_negative may be classes"""
    if folders and all(folder.lower() in PARTS for folder in folders):
        return True
    parts = {_part(folder) for folder in folders}
    rests = {re.sub(r"\d+", "", folder.lower()).replace(_part(folder) or folder.lower(), "", 1) for folder in folders}
    return None not in parts and len(rests) == 1 and (len(parts) > 1 or parts == {"fold"} and len(folders) > 1)


def first_part(folders: Sequence[str]) -> str:
    return min(folders, key=lambda folder: (PARTS.index(_part(folder)), folder))


def _part(folder: str) -> str | None:
    """Which of PARTS is a word of the folder's name; None: it has none"""
    return next((word for word in re.findall("[a-z]+", folder.lower()) if word in PARTS), None)


def place_of_classes(images: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """-> the folder below which they are, relative to the root ("": the root itself), and their names (none: there is
    no folder for each)"""
    found = names(images)
    if not found or any("/" not in image for image in images):
        return "", ()
    if not are_parts(found) and len(found) > 1:
        return "", found
    chosen = first_part(found) if are_parts(found) else found[0]
    deeper, classes = place_of_classes([image.partition("/")[2] for image in images if image.startswith(f"{chosen}/")])
    if len(classes) < 2 and not are_parts(found):
        return "", found
    return f"{chosen}/{deeper}".rstrip("/"), classes

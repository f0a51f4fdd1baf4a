"""Finds the classes of a folder from the names of its images: `cat/1.png` is an image of the class cat."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

# Words in the names of folders that are parts of a data set and no classes (train, training_set, val2017, seg_test,
# fold1). If a set has several parts, the first of this order is suggested for training.
PARTS = ("train", "training", "trainval", "val", "valid", "validation", "dev", "eval", "test", "testing", "pred",
         "fold")


def names(images: Sequence[str]) -> tuple[str, ...]:
    """Returns the names of the folders directly below the root that hold images, sorted. `images`: paths relative to
    the root."""
    return tuple(sorted({image.split("/", 1)[0] for image in images if "/" in image}))


def problem(images: Sequence[str], root: Path, num_classes: int) -> str | None:
    """Returns why the folders directly below `root` are not `num_classes` classes and what to type instead, as a
    sentence; None if they are. `images`: paths relative to the root."""
    folders, loose = names(images), next((image for image in images if "/" not in image), None)
    without = "to train without classes"
    if (root / "dataset.json").is_file() and all(name.isdigit() for name in folders):
        return (f"data.num_classes={num_classes} needs a folder for each class, and data.root={root} has the layout of "
                f"StyleGAN's dataset_tool, with the classes in dataset.json: type data=zip, which reads it, or "
                f"data.num_classes=0 {without}")
    if loose:
        return (f"data.num_classes={num_classes} needs every image in a folder of its class, but {loose} lies in "
                f"data.root={root} itself: type data.num_classes=0 {without}")
    if len(folders) == num_classes and not are_parts(folders):
        return None
    inside, classes = place_of_classes(images)
    if inside:
        instead = shlex.join([f"data.root={root / inside}", f"data.num_classes={len(classes)}"])
        role = "divide the set, and" if are_parts(folders) else "hold all of it:"
        place = f"its classes are in {root / inside}" if classes else "it has no folders of classes"
        return (f"data.num_classes={num_classes}, but the folders of data.root={root} ({', '.join(folders)}) {role} "
                f"{place}: type {instead}" + (f", or data.num_classes=0 {without}" if classes else f" {without}"))
    return (f"data.num_classes={num_classes}, but data.root={root} has {len(folders)} folders with images: type "
            f"data.num_classes={len(folders)}, or 0 {without}")


def are_parts(folders: Sequence[str]) -> bool:
    """Tells whether folders are parts of a data set and not its classes.

    Parts are e.g. train and test, training_set and test_set, train2017 and val2017, fold1 and fold2. But test_positive
    and test_negative may be classes, since their names differ in more than the word for the part.
    """
    if folders and all(folder.lower() in PARTS for folder in folders):
        return True
    parts = {_part(folder) for folder in folders}
    rests = {re.sub(r"\d+", "", folder.lower()).replace(_part(folder) or folder.lower(), "", 1) for folder in folders}
    return None not in parts and len(rests) == 1 and (len(parts) > 1 or parts == {"fold"} and len(folders) > 1)


def first_part(folders: Sequence[str]) -> str:
    """Returns the folder, of several parts of a data set, that is meant for training."""
    return min(folders, key=lambda folder: (PARTS.index(_part(folder)), folder))


def _part(folder: str) -> str | None:
    """Returns the first word of the folder's name that is one of PARTS; None if there is none."""
    return next((word for word in re.findall("[a-z]+", folder.lower()) if word in PARTS), None)


def place_of_classes(images: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Returns the folder that holds the class folders, relative to the root ("": the root itself), and the names of the
    classes; no names if the images are not in class folders. Looks into the first part of a divided set."""
    folders = names(images)
    if not folders or any("/" not in image for image in images):
        return "", ()
    if not are_parts(folders) and len(folders) > 1:
        return "", folders
    chosen = first_part(folders) if are_parts(folders) else folders[0]
    deeper, classes = place_of_classes([image.partition("/")[2] for image in images if image.startswith(f"{chosen}/")])
    if len(classes) < 2 and not are_parts(folders):
        return "", folders
    return f"{chosen}/{deeper}".rstrip("/"), classes

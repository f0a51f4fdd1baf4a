"""More training images for a classifier: those of a folder, and rare classes repeated. N images, K classes."""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from saddlepoint.config.typed_paths import expanded
from saddlepoint.data.images import ImageDataModule
from saddlepoint.data.listing import image_files
from saddlepoint.errors import RequestError
from saddlepoint.files.names import folder_of_class, to_nfc
from saddlepoint.image_files.endings import ENDINGS
from saddlepoint.metrics.fitting import loader_like
from saddlepoint.metrics.sources import limits, open_source

READING = {"image_extensions": None, "max_pixels": 50_000_000, "white": None}  # as evaluate.py reads folders


class Examples(NamedTuple):
    """Images with their classes."""

    images: Tensor  # [N, C, S, S] uint8
    labels: Tensor  # [N] int64


def with_extra(training: Examples, typed: str, data: ImageDataModule) -> tuple[Examples, int]:
    """Returns the training images with those of a folder after them, and the number of these. The folder has a folder
    for each class, named after it, as saddlepoint-augment makes it; images are framed as those of the data. Raises a
    RequestError for a folder of another name, and for a file that cannot be read."""
    settings = READING | {"extra": typed}
    if expanded(typed, "extra").is_file():
        raise RequestError(f"extra={typed} must be a folder with a folder of images for each class, as "
                           "saddlepoint-augment makes it: unpack an archive first")
    images = open_source(settings, "extra").images(loader_like(data, None, limits(settings)))
    root, names = expanded(typed, "extra"), [to_nfc(folder_of_class(name)) for name in data.class_names]
    if unlisted := {file.path for file in image_files(root, ENDINGS)} - {*images.files}:
        raise RequestError(f"extra={typed}: {min(unlisted)} cannot be read: mend or remove it")
    labels = torch.tensor([label_of(Path(file).relative_to(root), names, typed) for file in images.files])
    block = images.block(range(len(images)))
    if block.unreadable:
        path, reason = next(iter(block.unreadable.items()))
        raise RequestError(f"extra={typed}: {path} cannot be read ({reason}): mend or remove it")
    return Examples(torch.cat([training.images, block.images]), torch.cat([training.labels, labels])), len(labels)


def label_of(file: Path, names: list[str], typed: str) -> int:
    """Returns the class of a file from the folder that it lies in. `names`: of the folders of all classes."""
    folder = to_nfc(file.parts[0]) if len(file.parts) > 1 else ""
    if names.count(folder) > 1:
        raise RequestError(f"extra={typed} has the folder {folder}, and the data have {names.count(folder)} classes "
                           "whose folder is called so: rename them in the data")
    if folder not in names:
        where = f"has the folder {folder}" if folder else f"has {file} in no folder of a class"
        raise RequestError(f"extra={typed} {where}, and the classes of the data are {', '.join(names)}: name its "
                           "folders after them")
    return names.index(folder)


def oversampled(training: Examples, class_names: tuple[str, ...]) -> Examples:
    """Returns the images with those of each class repeated in turn until all classes have as many as the largest, the
    plain remedy for rare classes (random oversampling without the chance: Japkowicz and Stephen 2002,
    https://doi.org/10.3233/IDA-2002-6504). Raises a RequestError for a class without images."""
    counts = torch.bincount(training.labels, minlength=len(class_names))
    if not counts.all():
        raise RequestError(f"oversample=true repeats the images of rare classes, and class "
                           f"{class_names[int(counts.argmin())]} has none: give it some with extra=FOLDER, or type "
                           "oversample=false")
    largest = int(counts.max())
    members = [(training.labels == label).nonzero().flatten() for label in range(len(class_names))]
    chosen = torch.cat([each.repeat(-(-largest // len(each)))[:largest] for each in members])
    return Examples(training.images[chosen], training.labels[chosen])

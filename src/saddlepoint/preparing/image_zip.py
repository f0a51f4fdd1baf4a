"""Writes StyleGAN's archives of images: `00000/img00000000.png`, ... and `dataset.json` with their labels.

StyleGAN2-ADA, StyleGAN3, EDM, R3GAN and data=zip read them. They take members with an image's ending and dataset.json,
so a record of how the archive was made stands beside these, in `saddlepoint.json`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from saddlepoint.files.stored_zip import Member, StoredZip

LABELS, RECORD = "dataset.json", "saddlepoint.json"
Label = int | Sequence[float]  # a class, or numbers that describe an image


class ImageZip:
    """An archive of images that is being written.

    archive: the zip
    ending: of the images' names, e.g. png
    labels: of the images that are in it already
    """

    def __init__(self, archive: StoredZip, ending: str, labels: Sequence[Label | None] = ()):
        self.archive, self.ending, self.labels = archive, ending, [*labels]

    def add(self, content: bytes, label: Label | None) -> Member:
        """Appends an image file. `label`: None where images have none, which then is so of all of them."""
        name = name_of(len(self.labels), self.ending)
        self.labels.append(label)
        return self.archive.add(name, content)

    def finish(self, record: Mapping[str, Any]) -> None:
        """Appends the labels of all images, and the record."""
        pairs = [[name_of(number, self.ending), label] for number, label in enumerate(self.labels)]
        labels = None if any(label is None for label in self.labels) else pairs
        self.archive.add(LABELS, json.dumps({"labels": labels}).encode())
        self.archive.add(RECORD, as_json(record))


def name_of(number: int, ending: str) -> str:
    """Returns the name of image `number`, from 0: a thousand of them are in a folder."""
    return f"{number:08}"[:5] + f"/img{number:08}.{ending}"


def as_json(record: Mapping[str, Any]) -> bytes:
    return (json.dumps(record, indent=2, allow_nan=False) + "\n").encode()

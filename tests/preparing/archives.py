"""Reads archives as StyleGAN2-ADA does, from what is known of it: members with the ending of an image in the order of
their names, labels by name from dataset.json."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy
from PIL import Image


def images_of(path: Path) -> numpy.ndarray:
    """[N, H, W, C]"""
    Image.init()
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if Path(name).suffix.lower() in Image.EXTENSION)
        assert names == [f"{number // 1000:05}/img{number:08}{Path(names[0]).suffix}" for number in range(len(names))]
        pictures = [numpy.atleast_3d(numpy.array(Image.open(io.BytesIO(archive.read(name))))) for name in names]
    assert len({picture.shape for picture in pictures}) == 1
    return numpy.stack(pictures)


def labels_of(path: Path) -> numpy.ndarray | None:
    Image.init()
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if Path(name).suffix.lower() in Image.EXTENSION)
        labels = json.loads(archive.read("dataset.json"))["labels"]
    if labels is None:
        return None
    by_name = dict(labels)
    found = numpy.array([by_name[name] for name in names])
    return found.astype({1: numpy.int64, 2: numpy.float32}[found.ndim])


def record_of(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("saddlepoint.json"))

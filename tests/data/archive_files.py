"""Writes data sets as StyleGAN's tools and ADM's scripts do, for the tests."""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy
from PIL import Image

from saddlepoint.data.archived_images import ArchivedImages
from saddlepoint.data.array_images import ArrayImages


def pixels(count: int = 8, height: int = 16, width: int = 16, channels: int = 3, seed: int = 0) -> numpy.ndarray:
    """[N, H, W, C] uint8"""
    return numpy.random.default_rng(seed).integers(0, 256, (count, height, width, channels), dtype=numpy.uint8)


def png(image: numpy.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image).save(stream, "png", compress_level=1)
    return stream.getvalue()


def stylegan_name(number: int) -> str:
    return f"{number // 1000:05}/img{number:08}.png"


def stylegan_files(images: Sequence[numpy.ndarray], labels: Sequence[Any] | None = None) -> dict[str, bytes]:
    """The files of dataset_tool.py: name -> content"""
    names = [stylegan_name(number) for number in range(len(images))]
    listed = None if labels is None else [list(each) for each in zip(names, labels, strict=True)]
    return dict(zip(names, map(png, images), strict=True)) | {"dataset.json": json.dumps({"labels": listed}).encode()}


def write_zip(path: Path, files: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_stylegan_folder(root: Path, count: int = 8) -> Path:
    for name, content in stylegan_files(pixels(count)).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def write_array_folder(root: Path, count: int = 8) -> Path:
    root.mkdir(parents=True)
    numpy.savez(root / "samples.npz", pixels(count))
    return root


def archived(root: object, **changes: object) -> ArchivedImages:
    return _set_up(ArchivedImages, "zip", root, changes)


def array(root: object, **changes: object) -> ArrayImages:
    return _set_up(ArrayImages, "array", root, changes)


def _set_up(kind: type, name: str, root: object, changes: Mapping[str, object]) -> Any:
    settings = {"channels": 3, "image_size": 16, "batch_size": 4, "seed": 5} | dict(changes)
    data = kind(name=name, root=root if root is None or isinstance(root, list) else str(root), **settings)
    data.prepare_data()
    data.setup("fit")
    return data

"""Writes many generated images into one file: ADM's array of samples (.npz), or StyleGAN's archive of pictures (.zip).

Images arrive block by block and are written at once, so that 50,000 of them need the memory of a few. N images of C
channels and H x W pixels, or N points of D coordinates, or N latents of C channels.
"""

import json
from collections.abc import Iterator, Mapping
from itertools import chain
from math import prod
from pathlib import Path
from typing import Any

import numpy
import torch

from saddlepoint.data.evaluation_images import Block
from saddlepoint.errors import RequestError
from saddlepoint.files.disk_space import require_free_space
from saddlepoint.files.stored_zip import StoredZip, write_zip
from saddlepoint.image_files import png
from saddlepoint.metrics.images import Images
from saddlepoint.preparing.image_zip import ImageZip
from saddlepoint.progress.bars import make_bar

IMAGES, LABELS, RECORD = "arr_0", "arr_1", "saddlepoint"  # arrays of an .npz file; ADM's evaluator knows the first two


def write_npz(path: Path, images: Images, labelled: bool, record: Mapping[str, Any]) -> None:
    """Writes `arr_0` [N, H, W, 3] uint8, where grey is repeated, as ADM's evaluator needs colours, [N, D] float32 of
    points, or [N, C, H, W] float32 of latents; `arr_1` [N] int64, the classes, if there are any; and the record as a
    text in JSON, `saddlepoint`.

    numpy.savez would need all images at once.
    """
    def write(archive: StoredZip) -> None:
        blocks, labels = _with_progress(images), []
        first = next(blocks)
        rows = _in_colour if first.images.dtype == torch.uint8 else _numbers
        example = rows(first)
        shape = (images.count, *example.shape[1:])
        require_free_space(path, prod(shape) * example.itemsize)
        with archive.opened(f"{IMAGES}.npy") as stream:
            _write_header(stream, example.dtype, shape)
            for block in chain([first], blocks):
                stream.write(rows(block))
                labels.append(block.labels.numpy())
        if labelled:
            _write_array(archive, LABELS, numpy.concatenate(labels).astype(numpy.int64))
        _write_array(archive, RECORD, numpy.array(json.dumps(record, sort_keys=True)))
    write_zip(path, write)


def write_image_zip(path: Path, images: Images, labelled: bool, record: Mapping[str, Any]) -> None:
    """Writes the images as PNG files, grey ones as grey, with their classes in dataset.json if there are any, and the
    record in saddlepoint.json."""
    def write(archive: StoredZip) -> None:
        target = ImageZip(archive, "png")
        for block in _with_progress(images):
            if block.images.dtype != torch.uint8:
                things = "points" if block.images.ndim == 2 else "latents"
                raise RequestError(f"This run makes {things}, and format=zip is an archive of pictures: type "
                                   "format=npz")
            for pixels, label in zip(_channels_last(block), block.labels.tolist(), strict=True):
                target.add(png.without_compression(pixels), label if labelled else None)
        target.finish(record)
    write_zip(path, write)


WRITERS = {"npz": write_npz, "zip": write_image_zip}


def _with_progress(images: Images) -> Iterator[Block]:
    """Yields the blocks with their images on the CPU, and shows how many are drawn. Raises a RequestError if they are
    no pictures."""
    with make_bar(total=images.count, desc="drawn", unit=" images", unit_scale=True) as bar:
        for _, block in images.blocks():
            if block.images.dtype == torch.uint8 and block.images.shape[1] not in (1, 3):
                raise RequestError(f"This run's images have {block.images.shape[1]} channels, and an archive has grey "
                                   "images (1) or RGB (3): leave format= out for a picture of them")
            yield block._replace(images=block.images.cpu())
            bar.update(len(block.images))


def _numbers(block: Block) -> numpy.ndarray:
    """Returns the points as [N, D], or latents as [N, C, H, W]."""
    return block.images.contiguous().numpy()


def _in_colour(block: Block) -> numpy.ndarray:
    """Returns the images as [N, H, W, 3]."""
    pixels = _channels_last(block)
    return numpy.ascontiguousarray(numpy.broadcast_to(pixels, (*pixels.shape[:3], 3)))


def _channels_last(block: Block) -> numpy.ndarray:
    """Returns the images as [N, H, W, C]."""
    return block.images.permute(0, 2, 3, 1).contiguous().numpy()


def _write_array(archive: StoredZip, name: str, array: numpy.ndarray) -> None:
    with archive.opened(f"{name}.npy") as stream:
        _write_header(stream, array.dtype, array.shape)
        stream.write(array.tobytes())


def _write_header(stream: Any, kind: numpy.dtype, shape: tuple[int, ...]) -> None:
    numpy.lib.format.write_array_header_1_0(
        stream, {"descr": numpy.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": shape})

"""Reads weights from files of ncnn (https://github.com/Tencent/ncnn/wiki/param-and-model-file-structure).

The .param file is text: a number that marks the format, how many layers and blobs there are, then a line for each
layer: its type, name, numbers of inputs and outputs, their names, and numbered settings. The .bin file holds the
weights of the layers in that order and nothing else: each convolution's kernel after a tag of four bytes that says how
its numbers are stored, filled up to a multiple of four bytes, then its biases as 32-bit floats without a tag.
"""

import math
from pathlib import Path
from typing import NamedTuple

import numpy
import torch
from torch import Tensor

from saddlepoint.errors import RequestError

MAGIC = "7767517"
STORED_AS = {0x00000000: "<f4", 0x01306B47: "<f2"}  # other tags: quantised
WITHOUT_WEIGHTS = ("Input", "Split", "Concat", "Eltwise", "BinaryOp", "Interp")
OUTPUTS, KERNEL_WIDTH, HAS_BIAS, KERNEL_SIZE, KERNEL_HEIGHT = 0, 1, 5, 6, 11  # numbers of a convolution's settings


class Convolution(NamedTuple):
    """The weights of one convolution as float32, in the order of the layers."""

    weight: Tensor  # [outputs, inputs, height, width]
    bias: Tensor  # [outputs]


class _Damage(Exception):
    """A pair of files that is damaged or does not belong together. The message says what is wrong."""


def read(parameters: Path, weights: Path) -> list[Convolution]:
    """Reads the weights of all convolutions from a .param and a .bin file. Raises a RequestError if there are other
    layers with weights, or if the .bin file is not as long as the .param file says."""
    try:
        layers = [_settings(line) for line in _layer_lines(parameters) if line.split()[0] == "Convolution"]
        content = weights.read_bytes()
        convolutions, place = [], 0
        for layer in layers:
            convolution, place = _convolution(layer, content, place)
            convolutions.append(convolution)
        if place != len(content):
            raise _Damage(f"it goes on for {len(content) - place:,} bytes after the last weight")
    except (_Damage, OSError, ValueError) as error:  # ValueError: UnicodeDecodeError too
        raise RequestError(f"{weights} is damaged or does not belong to {parameters.name}: "
                           f"{getattr(error, 'strerror', None) or error}") from error
    return convolutions


def _layer_lines(parameters: Path) -> list[str]:
    magic, counts, *lines = [line for line in parameters.read_text().splitlines() if line.strip()] + ["", ""]
    if magic.strip() != MAGIC:
        raise _Damage(f"{parameters.name} begins with {magic[:20]!r} instead of {MAGIC}")
    lines = [line for line in lines if line]
    if [str(len(lines))] != counts.split()[:1]:
        raise _Damage(f"{parameters.name} has {len(lines)} layers, and says {counts[:20]!r}")
    unknown = {line.split()[0] for line in lines} - {"Convolution", *WITHOUT_WEIGHTS}
    if unknown:
        raise _Damage(f"{parameters.name} has layers of other kinds: {', '.join(sorted(unknown))}")
    return lines


def _settings(line: str) -> dict[int, int]:
    """Returns the settings of a layer by number, without those of its activation, which are lists."""
    _, _, inputs, outputs, *rest = line.split()
    pairs = (setting.partition("=") for setting in rest[int(inputs) + int(outputs):])
    return {int(number): int(value) for number, _, value in pairs if value.lstrip("-").isdecimal()}


def _convolution(layer: dict[int, int], content: bytes, place: int) -> tuple[Convolution, int]:
    """Reads the convolution whose tag begins at byte `place` of the .bin file; returns it and the byte after its
    end."""
    try:
        outputs, width, count = layer[OUTPUTS], layer[KERNEL_WIDTH], layer[KERNEL_SIZE]
    except KeyError as error:
        raise _Damage(f"a convolution lacks setting {error}") from error
    height = layer.get(KERNEL_HEIGHT, width)
    if min(outputs, width, height, count) < 1 or count % (outputs * height * width):
        raise _Damage(f"{count} weights are no kernels of {height} x {width} for {outputs} outputs")
    tag, place = _numbers(content, place, 1, "<u4")
    if int(tag[0]) not in STORED_AS:
        raise _Damage(f"weights are stored under the tag {int(tag[0]):#010x}, neither 16- nor 32-bit floats")
    kernel, place = _numbers(content, place, count, STORED_AS[int(tag[0])])
    place = math.ceil(place / 4) * 4
    bias, place = _numbers(content, place, outputs if layer.get(HAS_BIAS) else 0, "<f4")
    bias = bias if len(bias) else numpy.zeros(outputs, numpy.float32)
    weight = torch.from_numpy(kernel.astype(numpy.float32)).view(outputs, -1, height, width)
    return Convolution(weight, torch.from_numpy(bias.astype(numpy.float32))), place


def _numbers(content: bytes, place: int, count: int, stored_as: str) -> tuple[numpy.ndarray, int]:
    end = place + count * numpy.dtype(stored_as).itemsize
    if end > len(content):
        raise _Damage(f"it ends {end - len(content):,} bytes too early")
    return numpy.frombuffer(content, stored_as, count, place), end

"""SVHN, Street View House Numbers, cropped digits (Netzer et al. 2011, http://ufldl.stanford.edu/housenumbers/):
73,257 training images of 3 x 32 x 32 in ten classes, 26,032 test images, and 531,131 easier extra ones.
"""

import math
from pathlib import Path
from typing import Annotated

import numpy
import torch
from torchvision import datasets

from saddlepoint.checks import one_of
from saddlepoint.config import rules
from saddlepoint.config.rules import TypedPath
from saddlepoint.config.typed_paths import expanded
from saddlepoint.data.memory import InMemoryImages, LabelledImages
from saddlepoint.data.sources.class_numbers import counted_from_one
from saddlepoint.data.sources.downloading import Remote, download, missing_error
from saddlepoint.data.sources.opening import Damage, name_in_errors

PARTS = ("train", "extra", "train+extra")
_TYPES = {"X": ("uint8",), "y": ("uint8", "double")}  # as whosmat names them; y is a double in copies saved anew
_MOST_THAT_DEFLATE_SAVES = 1032


class SVHN(InMemoryImages):
    """The cropped digits of SVHN, from MATLAB's files in `root`: train_32x32.mat, test_32x32.mat, extra_32x32.mat.

    `prepare_data` downloads what is missing of the part that is trained on, and of the test images with it.

    root: the folder
    part: what is trained on: train (73,257 images), extra (531,131, 1.6 GB in memory) or train+extra
    """

    def __init__(self, root: TypedPath, part: Annotated[str, rules.one_of(*PARTS)] = "train", **more):
        super().__init__(**more)
        self.root = expanded(root, "data.root")
        self.part = one_of("part", part, PARTS)

    def prepare_data(self) -> None:
        if any(not path.is_file() for path in self._paths("train")):
            wanted = [*self.part.split("+"), "test"]
            missing = [each for each in map(_remote, wanted) if not (self.root / each.name).is_file()]
            download(missing, self.root, self.name)

    def read(self, split: str) -> LabelledImages:
        contents = [self._content(path) for path in self._paths(split)]
        images, labels = contents[0] if len(contents) == 1 else map(torch.cat, zip(*contents, strict=True))
        return LabelledImages(images, labels, tuple("0123456789"))

    def _paths(self, split: str) -> list[Path]:
        parts = ["test"] if split == "test" else self.part.split("+")
        return [self.root / _remote(part).name for part in parts]

    def _content(self, path: Path) -> tuple[torch.Tensor, torch.Tensor]:
        """Reads the images [N, 3, 32, 32] uint8 and labels [N] int64 of a file."""
        if not path.is_file():
            part = path.name.split("_")[0]
            raise missing_error([_remote(part)], self.root, self.name, "no file there has this name")
        with name_in_errors(path):
            pixels, labels = _matrices(path)
            labels = counted_from_one(torch.from_numpy(labels.flatten()), 10) + 1
        # MATLAB's order has the images last and is stored so that they run slowest
        images = torch.from_numpy(numpy.ascontiguousarray(pixels.transpose(3, 2, 0, 1)))
        return images, labels % 10  # the files have the digit 0 as class 10


def _matrices(path: Path) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Reads X [32, 32, 3, N] uint8 and y [N, 1] of a MATLAB file, and nothing else that it may hold. Raises Damage."""
    from scipy.io import loadmat, whosmat  # imported here, as the import takes a second
    from scipy.io.matlab import MatReadError
    try:
        found = {name: (shape, kind) for name, shape, kind in whosmat(path)}
        for name, kinds in _TYPES.items():
            shape, kind = found.get(name, ((), "nothing"))
            if kind not in kinds:
                raise Damage(f"its {name} is {kind}, not {' or '.join(kinds)}")
            if not 0 < math.prod(shape) <= _MOST_THAT_DEFLATE_SAVES * path.stat().st_size:
                raise Damage(f"its {name} has the shape {[*shape]}, which a file of this size cannot hold")
        pixels, labels = found["X"][0], found["y"][0]
        if pixels[:3] != (32, 32, 3) or len(pixels) != 4 or math.prod(labels) != pixels[3]:
            raise Damage(f"its X has the shape {[*pixels]} and its y {[*labels]}, not [32, 32, 3, N] and [N, 1]")
        matrices = loadmat(path, variable_names=[*_TYPES])
    except OSError as error:
        if error.errno is not None:
            raise
        raise Damage(f"it ends too early ({error})") from error  # scipy's own
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, NotImplementedError, MatReadError) as error:
        raise Damage(f"it is not a MATLAB file of version 7 or earlier that can be read ({error})") from error
    pixels, labels = matrices["X"], matrices["y"]
    if pixels.dtype != numpy.uint8 or (labels != labels.astype(numpy.uint8)).any():
        raise Damage("its X is not of unsigned bytes, or its y not of class numbers")
    return pixels, labels.astype(numpy.uint8)


def _remote(part: str) -> Remote:
    """Returns the file of `train`, `test` or `extra`."""
    address, name, md5 = datasets.SVHN.split_list[part]
    return Remote(name, [address], md5)

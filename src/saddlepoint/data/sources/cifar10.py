"""CIFAR-10 (Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html): 50,000 training and 10,000 test images of
3 x 32 x 32 in ten classes.
"""

from typing import ClassVar

from torchvision import datasets

from saddlepoint.data.sources.cifar import CIFAR, Form, parse_lines, parse_pickle, parse_pickled_names, parse_records


def _parts(ending: str) -> dict[str, list[str]]:
    return {"train": [f"data_batch_{i}{ending}" for i in range(1, 6)], "test": [f"test_batch{ending}"]}


class CIFAR10(CIFAR):
    """CIFAR-10. See CIFAR for where its files may be."""

    remote = datasets.CIFAR10
    known_classes = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    forms: ClassVar[tuple[Form, ...]] = (
        Form("cifar-10-batches-py", "cifar-10-python.tar", _parts(""), "batches.meta", parse_pickle,
             parse_pickled_names),
        Form("cifar-10-batches-bin", "cifar-10-binary.tar", _parts(".bin"), "batches.meta.txt", parse_records,
             parse_lines),
    )

"""CIFAR-100 (Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html): 50,000 training and 10,000 test images of
3 x 32 x 32, in 100 classes (fine labels), of which five each make one of 20 groups (coarse labels).
"""

from functools import partial
from typing import Annotated

from torchvision import datasets

from saddlepoint.checks import one_of
from saddlepoint.config import rules
from saddlepoint.config.rules import TypedPath
from saddlepoint.data.sources.cifar import CIFAR, Form, parse_lines, parse_pickle, parse_pickled_names, parse_records
from saddlepoint.data.sources.class_numbers import require_number_of_classes

KINDS = ("fine", "coarse")
NUM_CLASSES = {"fine": 100, "coarse": 20}


class CIFAR100(CIFAR):
    """CIFAR-100. See CIFAR for where its files may be.

    labels: which classes the images have: fine (100 of them) or coarse (20)
    """

    remote = datasets.CIFAR100

    def __init__(self, root: TypedPath, labels: Annotated[str, rules.one_of(*KINDS)] = "fine", **more):
        super().__init__(root, **more)
        self.label_kind = one_of("labels", labels, KINDS)
        require_number_of_classes(self.num_classes, NUM_CLASSES[labels], f"data.labels={labels}")

    @property
    def known_classes(self) -> tuple[str, ...]:
        return tuple(map(str, range(NUM_CLASSES[self.label_kind])))

    @property
    def forms(self) -> tuple[Form, ...]:
        kind = self.label_kind
        number = ("coarse", "fine").index(kind)  # a record has the two class numbers in this order
        return (
            Form("cifar-100-python", "cifar-100-python.tar", {"train": ["train"], "test": ["test"]}, "meta",
                 partial(parse_pickle, label_key=f"{kind}_labels"),
                 partial(parse_pickled_names, key=f"{kind}_label_names")),
            Form("cifar-100-binary", "cifar-100-binary.tar", {"train": ["train.bin"], "test": ["test.bin"]},
                 f"{kind}_label_names.txt", partial(parse_records, label_bytes=2, label=number), parse_lines),
        )

"""Data sets of which few labels are known, for learning from these and from the images without labels.

N images of C channels and H x W pixels, K classes.
"""

import hashlib
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from saddlepoint.config.rules import Count
from saddlepoint.data.memory import InMemoryImages
from saddlepoint.data.residence import GatheredBatches
from saddlepoint.data.sampling import EndlessOrder
from saddlepoint.data.two_streams import TwoStreams
from saddlepoint.errors import RequestError
from saddlepoint.game.batches import PartlyLabelledBatch
from saddlepoint.game.random_streams import seed_of

UNKNOWN = -1  # the label of an image whose class is not known


class PartlyLabelled(InMemoryImages):
    """Hides the labels of all images but a few of each class. Batches are `PartlyLabelledBatch`.

    Any set in memory becomes one of these by a class of two lines, `class PartlyLabelledMine(PartlyLabelled, Mine):
    ...`, and a yaml file that adds `labelled_per_class` to those of `Mine`. A batch has N images of the whole set, and
    N of the labelled ones, whose stream begins its epochs by itself.

    The seed decides which labels are known, so runs of several seeds are of several labellings. What the images are
    does not change with it. Metrics see all labels, as they never reach a network.

    labelled_per_class: images of each class whose label is known, 1 or more

    See the class after this one, and ImageDataModule, for the other settings.
    """

    yields = PartlyLabelledBatch

    def __init__(self, labelled_per_class: Count, **more):
        super().__init__(**more)
        if labelled_per_class < 1:
            raise ValueError(f"data.labelled_per_class={labelled_per_class} leaves all labels unknown: it must be at "
                             "least 1, e.g. data.labelled_per_class=10")
        if not self.num_classes:
            raise ValueError("data.num_classes=0 leaves all labels unknown, and this set is one of few known labels: "
                             "leave it out, or type data without labels, e.g. data=mnist5k data.num_classes=0")
        self.labelled_per_class = labelled_per_class

    def open(self) -> Dataset:
        dataset = super().open()
        self.known = known_labels(dataset.labels, self.labelled_per_class, self.class_names, self.seed)
        return dataset

    def training_dataset(self) -> Dataset:
        images, labels = self._dataset.images, self._dataset.labels
        hidden = torch.full_like(labels, UNKNOWN)
        hidden[self.known] = labels[self.known]
        order = EndlessOrder(len(self.known), seed_of(self.seed, 0, "data/labelled_order"))
        return TwoStreams(GatheredBatches(images, hidden, self._dataset.order, self.horizontal_flip),
                          GatheredBatches(images[self.known], labels[self.known], order, self.horizontal_flip))

    def on_after_batch_transfer(self, batch: tuple[tuple, tuple], dataloader_idx: int) -> PartlyLabelledBatch:
        of_all, of_labelled = (super(PartlyLabelled, self).on_after_batch_transfer(each, dataloader_idx)
                               for each in batch)
        return PartlyLabelledBatch(*of_all, *of_labelled)

    def labelling(self) -> dict[str, Any]:
        """Returns which labels are known, for a run's record: how many of each class, by which seed, and the SHA-256 of
        the images' numbers."""
        self.setup()
        return {"labelled_per_class": self.labelled_per_class, "labelling_seed": self.seed,
                "labelling": hashlib.sha256(self.known.numpy().data).hexdigest()}

    def describe(self) -> list[str]:
        lines = super().describe()
        return [*lines, f"labels: {len(self.known):,} of {self.num_images:,} are known, "
                f"{self.labelled_per_class} of each class, chosen by seed {self.seed}"]


def known_labels(labels: Tensor, per_class: int, class_names: tuple[str, ...], seed: int) -> Tensor:
    """Returns the numbers [K per_class] int64, in rising order, of the images whose labels [N] are known.

    They are a function of the seed. Raises a RequestError if a class has fewer images.
    """
    chosen = []
    for number, name in enumerate(class_names):
        members = (labels == number).nonzero().flatten()
        if len(members) < per_class:
            raise RequestError(f"data.labelled_per_class={per_class}, but class {name} has {len(members)} images: type "
                               "a smaller number of labels, or a larger set of images")
        source = torch.Generator().manual_seed(seed_of(seed, number, "data/labelled"))
        chosen.append(members[torch.randperm(len(members), generator=source)[:per_class]])
    return torch.cat(chosen).sort().values

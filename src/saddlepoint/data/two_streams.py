"""Two data sets that do not belong together, each in an order of its own, for translation without pairs."""

import torch
from torch.utils.data import Dataset

from saddlepoint.game.random_streams import seed_of


class TwoStreams(Dataset):
    """A data set that loads a batch of each of two others: a range of positions -> (targets, sources).

    Both streams are endless, and each begins its next epoch by itself.
    """

    def __init__(self, targets: Dataset, sources: Dataset):
        self.targets, self.sources = targets, sources

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def num_bytes(self) -> int:
        """How much memory both sets take."""
        return self.targets.num_bytes + self.sources.num_bytes

    def to(self, device: torch.device) -> "TwoStreams":
        """Returns the same streams with their images on another device."""
        return TwoStreams(self.targets.to(device), self.sources.to(device))

    def __getitems__(self, positions: range) -> tuple[tuple, tuple]:
        return self.targets.__getitems__(positions), self.sources.__getitems__(positions)


def source_seed(seed: int) -> int:
    """Returns the seed of the sources' stream, so that two sets of one size do not have one order."""
    return seed_of(seed, 0, "data/source")

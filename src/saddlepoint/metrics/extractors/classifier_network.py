"""The network of all classifiers that are extractors. N images of C channels and S x S pixels, K classes."""

import torch
from torch import Tensor, nn

NUM_FEATURES = 64
SIZES = range(16, 257)  # S


class ClassifierNetwork(nn.Module):
    """A network of four convolutions, which turn 32 x 32 pixels into 96 maps of 4 x 4, and two linear layers, with
    about 200,000 weights. It has no BatchNorm, so the features of an image do not depend on the others of its batch.
    """

    def __init__(self, channels: int, num_classes: int):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 32, 5, stride=2, padding=2), nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(),
            nn.Conv2d(64, 96, 3, stride=2, padding=1), nn.ReLU(),
            nn.AdaptiveAvgPool2d(4), nn.Flatten(),  # the pooling changes nothing at S = 32; it allows other S
            nn.Linear(96 * 4 * 4, NUM_FEATURES), nn.LeakyReLU(0.1),  # a rectifier kills a third of the features
        )
        self.classes = nn.Linear(NUM_FEATURES, num_classes)
        self.to(memory_format=torch.channels_last)  # faster on a CPU

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """images [N, C, S, S] in [-1, 1] -> features [N, 64], logits [N, K]"""
        features = self.features(images)
        return features, self.classes(features)


def seeded_network(channels: int, num_classes: int, seed: int) -> ClassifierNetwork:
    """Returns a network with first weights that `seed` fixes. Layers draw them from torch's global random generator,
    whose state is restored."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ClassifierNetwork(channels, num_classes)

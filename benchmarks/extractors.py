"""Images per second of each extractor as metrics call it, beside its bare network, in turn.

    python benchmarks/extractors.py rounds=200

Metrics hand over blocks of 64 uint8 images; the bare network gets the same ones as float32, already of its size and its
number of channels. Inception has random weights here: they make no difference to its speed.
"""

import io
import statistics
import time
from collections.abc import Callable
from unittest import mock

import torch
from _arguments import read_arguments
from torch import Tensor, nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from saddlepoint.data.pixels import to_unit_range
from saddlepoint.metrics.extractors.classifier import Digits
from saddlepoint.metrics.extractors.extractor import Extractor
from saddlepoint.metrics.extractors.inception import Inception
from saddlepoint.metrics.extractors.random import RandomConvolutions
from saddlepoint.metrics.extractors.weight_files import WeightFile

BLOCK = 64  # images, as metrics have them
WARM_UP = 3  # blocks


def seconds(function: Callable[[Tensor], object], images: Tensor) -> float:
    started = time.perf_counter()
    with torch.no_grad():
        function(images)
    return time.perf_counter() - started


def compare(title: str, extractor: Extractor, bare: nn.Module, images: Tensor, prepared: Tensor, rounds: int) -> None:
    """One block each, in turn, so that whatever else the machine does slows both down."""
    pairs = [(seconds(extractor, images), seconds(bare, prepared)) for _ in range(rounds + WARM_UP)][WARM_UP:]
    for what, of_all in (("median", statistics.median), ("quickest", min)):
        whole, alone = map(of_all, zip(*pairs, strict=True))
        print(f"{title:30} {what:8} {len(images) / whole:7,.0f} images/s, bare network {len(images) / alone:7,.0f}, "
              f"ratio {alone / whole:.3f}", flush=True)


def noise(channels: int, size: int, count: int = BLOCK) -> Tensor:
    return torch.randint(0, 256, (count, channels, size, size), dtype=torch.uint8)


class BareInception(nn.Module):
    """From the first convolution on; the mean over what is left of the image makes features of the same cost."""

    def __init__(self, network: FeatureExtractorInceptionV3):
        super().__init__()
        layers = [layer for name, layer in network.named_children() if name != "fc"]
        self.layers, self.fc = nn.Sequential(*layers), network.fc

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images).flatten(1) @ self.fc.weight.T


def inception_with_random_weights() -> Inception:
    file = io.BytesIO()
    torch.save({}, file)
    with (mock.patch.object(FeatureExtractorInceptionV3, "load_state_dict"),
          mock.patch.object(WeightFile, "read_verified", lambda *_: file.getvalue())):
        return Inception("no file")


def main(rounds: int) -> None:
    print(f"{torch.get_num_threads()} threads, blocks of {BLOCK}, {rounds} blocks each")
    digits, random = Digits(), RandomConvolutions(seed=0, image_size=32)
    for size in (32, 28):
        images = noise(1, size)
        compare(f"digits, {size} x {size}", digits, digits.network, images, digits.prepare(images), rounds)
    for channels in (1, 3):
        images = noise(channels, 32)
        prepared = to_unit_range(images).repeat(1, 3 // channels, 1, 1)
        compare(f"random, {channels} x 32 x 32", random, random.network, images, prepared, rounds)
    images = noise(3, 64)
    prepared = torch.rand(BLOCK, 3, 32, 32) * 2 - 1
    compare("random, 3 x 64 x 64, resized", random, random.network, images, prepared, rounds)
    whole = inception_with_random_weights()
    images, prepared = noise(3, 32, 8), torch.rand(8, 3, 299, 299) * 2 - 1
    compare("inception, 3 x 32 x 32", whole, BareInception(whole.network), images, prepared, min(rounds, 5))


if __name__ == "__main__":
    main(read_arguments({"rounds": 200})["rounds"])

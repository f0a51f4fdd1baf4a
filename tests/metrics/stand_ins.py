"""An extractor whose features can be computed by hand, and images to look at."""

import torch
import torch.nn.functional as functional
from torch import Tensor

from saddlepoint.data.evaluation_images import EvaluationTensor
from saddlepoint.errors import RequestError
from saddlepoint.metrics.extractors.extractor import Embedding, Extractor


class BlockMeans(Extractor):
    """Features: the means of the image's four quarters, in [0, 1]. Classes: which quarter is brightest. Spatial
    features: the means of its four rows."""

    name, digest, resize = "quarters", "0" * 64, "none"
    num_features, num_classes, class_names = 4, 4, ("0", "1", "2", "3")
    num_spatial = 4

    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.tensor(255.0))
        self.seen: list[int] = []  # lengths of the blocks

    def check(self, channels: int, image_size: int) -> None:
        if channels != 1:
            raise RequestError("quarters looks at grey images")

    def forward(self, images: Tensor) -> Embedding:
        self.seen.append(len(images))
        features = functional.adaptive_avg_pool2d(images.float() / self.scale, 2).flatten(1)
        return Embedding(features, 20 * features, functional.adaptive_avg_pool2d(images.float(), (4, 1)).flatten(1))


def grey(count: int, seed: int = 0, size: int = 4, shift: int = 0) -> EvaluationTensor:
    draws = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 200, (count, 1, size, size), generator=draws, dtype=torch.uint8) + shift
    return EvaluationTensor("grey", "train", images, torch.randint(0, 4, (count,), generator=draws))


def features_of(still: EvaluationTensor) -> Tensor:
    return BlockMeans()(still.block(range(len(still))).images).features

"""Content losses: how far a generated image is from its target.

Images [N, C, H, W] in [0, 1]. Each loss is a mean times its weight, so that weights do not depend on the size of
batches and images.
"""

from typing import Annotated

import torch.nn.functional as F
from torch import Tensor, nn

from saddlepoint.config.rules import NonNegative, one_of
from saddlepoint.game.loss import ContentLoss, During
from saddlepoint.game.precision import exact

CRITERIA = {  # of images or features in any precision; the distance is float32
    "l1": F.l1_loss,
    "mse": F.mse_loss,
    "charbonnier": lambda image, target: ((image - target).square() + CHARBONNIER_EPSILON).sqrt().mean(),
}
Distance = Annotated[str, one_of(*CRITERIA)]
CHARBONNIER_EPSILON = 1e-12  # epsilon squared of Charbonnier et al. 1994, as BasicSR has it


def criterion(setting: str, name: str):
    """Returns the distance of images that `name` stands for; refuses an unknown name with that of its `setting`."""
    if name not in CRITERIA:
        raise ValueError(f"{setting}={name} must be one of {', '.join(CRITERIA)}")
    distance = CRITERIA[name]
    return lambda image, target: distance(exact(image), exact(target))


class PixelLoss(ContentLoss):
    """weight * mean distance of pixels: l1 = |a - b|, mse = (a - b)^2 or charbonnier = sqrt((a - b)^2 + 1e-12)."""

    def __init__(self, weight: NonNegative = 1.0, distance: Distance = "l1", during: During = "always"):
        super().__init__(weight, during)
        self.distance = criterion("model.content.pixel.distance", distance)

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """image, target [N, C, H, W] in [0, 1] -> []"""
        return self.weight * self.distance(image, target)


class TotalVariation(ContentLoss):
    """weight * (mean |a[i+1, j] - a[i, j]| + mean |a[i, j+1] - a[i, j]|) of the generated image a: favours smooth
    images (Rudin, Osher and Fatemi 1992, in the anisotropic form). The target is ignored."""

    def __init__(self, weight: NonNegative = 0.0, during: During = "always"):
        super().__init__(weight, during)

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """image, target [N, C, H, W] in [0, 1] -> []"""
        image = exact(image)
        down, across = image.diff(dim=-2).abs().mean(), image.diff(dim=-1).abs().mean()
        return self.weight * (down + across)


class PerceptualLoss(ContentLoss):
    """weight * sum over layers of (weight of the layer * distance of its features of image and target).

    Johnson et al. 2016, section 3.2, https://arxiv.org/abs/1603.08155.

    extractor: a network, images [N, C, H, W] in [0, 1] -> {layer: features}, whose `layers` has their weights
    weight: 0 or more
    distance: of features, l1, mse or charbonnier
    during: always, warmup or game
    """

    def __init__(self, extractor: nn.Module, weight: NonNegative = 1.0, distance: Distance = "l1",
                 during: During = "always"):
        super().__init__(weight, during)
        self.extractor = extractor
        self.distance = criterion("model.content.perceptual.distance", distance)

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """image, target [N, C, H, W] in [0, 1] -> []"""
        target_features = self.extractor(target)
        return self.weight * sum(self.extractor.layers[layer] * self.distance(features, target_features[layer].detach())
                                 for layer, features in self.extractor(image).items())

"""The exponential loss of boosting as a game. D(.) is a logit; E is the mean over a batch."""

from torch import Tensor

from saddlepoint.game.loss import SeparableLoss
from saddlepoint.game.step import Targets


class Exponential(SeparableLoss):
    """D: E[exp(-a D(x))] + E[exp(a D(G(z)))]
    G: E[exp(-a D(G(z)))]

    Friedman, Hastie and Tibshirani 2000, section 4, https://doi.org/10.1214/aos/1016218223. `sharpness` is a, above 0.
    """

    def __init__(self, sharpness: float = 0.5, reduction: str = "sum"):
        super().__init__(reduction)
        if sharpness <= 0:
            raise ValueError(f"loss.sharpness={sharpness} must be above 0")
        self.sharpness = sharpness

    def real_term(self, real: Tensor, targets: Targets) -> Tensor:
        return self.share * (-self.sharpness * real).exp().mean()

    def fake_term(self, fake: Tensor, targets: Targets) -> Tensor:
        return self.share * (self.sharpness * fake).exp().mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return (-self.sharpness * fake).exp().mean()

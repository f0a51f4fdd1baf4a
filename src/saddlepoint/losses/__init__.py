"""Losses: adversarial ones, and content losses, which compare an image with its target."""

from saddlepoint.exports import lazy

__getattr__, __dir__, __all__ = lazy(__name__, {
    "adversarial": "Hinge LeastSquares Minimax NonSaturating RelativeLoss Relativistic RelativisticAverage Wasserstein",
    "content": "PerceptualLoss PixelLoss TotalVariation",
    "divergences": "FDivergence",
    "energy": "EBGAN",
    "perceptual": "RandomFeatures VGG19Features",
})

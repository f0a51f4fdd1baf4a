"""Losses: of the game (adversarial.py) and between an image and the one it should be (content.py)."""

from saddlepoint.exports import lazy

__getattr__, __all__ = lazy(__name__, {
    "adversarial": "Hinge LeastSquares Minimax NonSaturating RelativeLoss Relativistic RelativisticAverage Wasserstein",
    "content": "PerceptualLoss PixelLoss TotalVariation",
    "perceptual": "RandomFeatures VGG19Features",
})

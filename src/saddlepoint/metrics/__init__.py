"""Metrics of generated images. All of them are computed from one pass of the images through an extractor."""

from saddlepoint.exports import lazy

__getattr__, __dir__, __all__ = lazy(__name__, {
    "class_shares": "ClassShares",
    "cmmd": "NormalisedKernelDistance",
    "conditional": "ClassFrechetDistance LabelAccuracy",
    "context": "EvaluationContext",
    "evaluator": "Evaluator",
    "frechet": "ExtrapolatedFrechetDistance FrechetDistance SpatialFrechetDistance",
    "inception_score": "InceptionScore",
    "kernel": "KernelDistance",
    "metric": "Measurement Metric Sample Setup",
    "mode_coverage": "HighQuality ModeDivergence Modes",
    "modes": "RarestClass",
    "neighbours": "Duplicates NeighbourDistance",
    "path_length": "PathLength",
    "precision_recall": "Coverage Density Precision Recall",
    "extractors.extractor": "Embedding Extractor",
    "extractors.classifier": "Classifier Digits",
    "extractors.clip": "Clip",
    "extractors.dinov2": "DinoV2",
    "extractors.inception": "Inception",
    "extractors.mixture": "MixtureExtractor",
    "extractors.random": "RandomConvolutions",
    "extractors.stacked_digits": "StackedDigits",
})

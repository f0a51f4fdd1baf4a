"""Tricks: changes to training that are neither a network, nor a loss, nor turns."""

from saddlepoint.exports import lazy

__getattr__, __dir__, __all__ = lazy(__name__, {
    "augment": "AdaptiveProbability Augment",
    "auxiliary_classifier": "AuxiliaryClassifier",
    "consensus": "Consensus",
    "consistency": "Consistency",
    "ema": "ExponentialMovingAverage",
    "feature_matching": "FeatureMatching",
    "finite_difference": "FiniteDifference",
    "gradient_penalty": "Dragan GradientPenalty R1 R2 WassersteinGradientPenalty",
    "historical_averaging": "HistoricalAveraging",
    "instance_noise": "InstanceNoise",
    "labels": "LabelFlip LabelSmoothing",
    "mode_seeking": "ModeSeeking",
    "lecam": "LeCam",
    "orthogonal": "Orthogonal",
    "packing": "Packing",
    "path_length": "PathLength",
    "unrolled": "Unrolled",
    "pull_away": "PullAway",
    "top_k": "TopK",
    "weights": "SpectralNorm WeightClipping",
})

"""Data sets, and the batches that training and metrics get from them."""

from saddlepoint.exports import lazy

__getattr__, __dir__, __all__ = lazy(__name__, {
    "evaluation_images": "EvaluationImages",
    "folders": "ImageFolder",
    "images": "ImageDataModule",
    "memory": "InMemoryImages LabelledImages",
    "pairs": "PairFolder",
    "sources.cifar10": "CIFAR10",
    "sources.mnist": "FashionMNIST MNIST",
    "sources.mnist5k": "MNIST5k",
    "degradation": "SecondOrderDegradation",
})

"""Data sets, and the batches that training and metrics get from them."""

from saddlepoint.exports import lazy

__getattr__, __dir__, __all__ = lazy(__name__, {
    "archived_images": "ArchivedImages",
    "array_images": "ArrayImages",
    "evaluation_images": "EvaluationImages",
    "folders": "ImageFolder",
    "images": "ImageDataModule",
    "made_pairs": "MadePairs",
    "memory": "InMemoryImages LabelledImages",
    "mixtures": "Dirac Grid HighDimensionalMixture Mixture Ring",
    "pair_making": "PairMaker",
    "pairs": "PairFolder",
    "points": "PointDataModule",
    "sources.celeba": "CelebA",
    "sources.cifar10": "CIFAR10",
    "sources.cifar100": "CIFAR100",
    "sources.coloured_digits": "ColouredDigits coloured",
    "sources.emnist": "EMNIST",
    "sources.kmnist": "KMNIST",
    "sources.lsun": "LSUN",
    "sources.mnist": "FashionMNIST MNIST",
    "sources.mnist5k": "MNIST5k PairsFromDigits",
    "sources.moving_digits": "MovingDigits",
    "sources.photographs": "PhotoEdges",
    "sources.stl10": "STL10",
    "sources.svhn": "SVHN",
    "sources.tiny_imagenet": "TinyImageNet",
    "paired_files": "PairedFolders PairedHalves PairsFromFolder",
    "unpaired_folders": "UnpairedFolders",
    "degradation": "SecondOrderDegradation",
})

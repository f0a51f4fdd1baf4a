"""Images and weights small enough for tests."""

from pathlib import Path

import torch
from torch import Tensor

from saddlepoint.metrics.extractors.classifier_files import Card, write
from saddlepoint.metrics.extractors.classifier_network import seeded_network


def noise(count: int = 4, channels: int = 1, size: int = 32, seed: int = 0) -> Tensor:
    """uint8 [count, channels, size, size]"""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, channels, size, size), generator=generator, dtype=torch.uint8)


def card(**changes) -> Card:
    settings = {"name": "tiny", "channels": 1, "image_size": 32, "padded_from": 28, "class_names": ("left", "right"),
                "data": "tiny", "training_images": 8, "held_out": "others", "held_out_images": 2, "accuracy": 0.5,
                "command": "python train_classifier.py", "versions": {}, "note": ""}
    return Card(**settings | changes)


def write_classifier(path: Path, **changes) -> Path:
    """An untrained one."""
    described = card(**changes)
    write(path, described, seeded_network(described.channels, len(described.class_names), seed=0))
    return path

"""LPIPS, the distance of two images in the features of a classifier (Zhang et al. 2018, section 3,
https://arxiv.org/abs/1801.03924), as torchmetrics computes it, with the linear weights that come with torchmetrics.

The classifier's own weights are torchvision's. They are read from torch hub's folder and never downloaded here.
"""

import hashlib
import io
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torchvision.models import AlexNet_Weights, VGG16_Weights

from saddlepoint.errors import RequestError
from saddlepoint.game.modes import in_float32


class Backbone(NamedTuple):
    """A classifier in whose features LPIPS compares images."""

    address: str  # torchvision's
    digest: str  # the first eight digits of the file's SHA-256, with which its name ends
    least: int  # smallest side of an image in pixels, since its poolings halve it

    @property
    def file_name(self) -> str:
        return self.address.rpartition("/")[2]


BACKBONES = {
    "alex": Backbone(AlexNet_Weights.IMAGENET1K_V1.url, "7be5be79", 31),
    "vgg": Backbone(VGG16_Weights.IMAGENET1K_V1.url, "397923af", 16),
}


def missing(backbone: str = "alex") -> str | None:
    """Returns a sentence about the file that LPIPS lacks, or None if it is there. The file is not read."""
    needed = BACKBONES[backbone]
    path = _path(backbone)
    if path.is_file():
        return None
    return (f"LPIPS ({backbone}) needs {needed.file_name} (its SHA-256 begins with {needed.digest}) in {path.parent}: "
            f"put it there, from {needed.address}")


class Lpips(nn.Module):
    """The network that compares images. Raises a RequestError if the weights of its backbone are missing or damaged."""

    def __init__(self, backbone: str = "alex"):
        super().__init__()
        if problem := missing(backbone):
            raise RequestError(problem)
        content = _verified(backbone)
        self.backbone, self.digest = backbone, hashlib.sha256(content).hexdigest()
        self.network = _network(backbone, content)

    def train(self, mode: bool = True) -> "Lpips":
        return super().train(False)  # dropout, which comes before the linear weights, must never act

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """one, other [N, C, H, W] in [0, 1], C 1 (grey) or 3 (RGB) -> distances [N]"""
        least = BACKBONES[self.backbone].least
        if one.shape != other.shape or min(one.shape[-2:]) < least:
            raise RequestError(f"LPIPS ({self.backbone}) compares images of the same size, at least {least} x {least} "
                               f"pixels, and was given {_size(one)} and {_size(other)}")
        colour = one.shape[0], 3, *one.shape[2:]
        with in_float32(one.device):
            return self.network(one.expand(colour), other.expand(colour), normalize=True).flatten()


def _network(backbone: str, content: bytes) -> nn.Module:
    """Returns torchmetrics' network with these weights. Its public class would make torchvision unpickle the file. So
    it is built with a classifier of random weights, and the file is read as tensors only; layers have torchvision's
    numbers."""
    from torchmetrics.functional.image.lpips import _LPIPS
    with torch.random.fork_rng(devices=[]):
        network = _LPIPS(net=backbone, pnet_rand=True)
    weights = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    network.net.load_state_dict({name: weights["features." + name.partition(".")[2]]
                                 for name in network.net.state_dict()})
    return network


def _verified(backbone: str) -> bytes:
    """Returns the content of the weights' file. Raises a RequestError if its digest is wrong."""
    path, digest = _path(backbone), BACKBONES[backbone].digest
    content = path.read_bytes()
    if not hashlib.sha256(content).hexdigest().startswith(digest):
        raise RequestError(f"{path} is damaged or another file, since its SHA-256 does not begin with {digest}: "
                           f"replace it with {BACKBONES[backbone].address}")
    return content


def _path(backbone: str) -> Path:
    return Path(torch.hub.get_dir(), "checkpoints", BACKBONES[backbone].file_name)


def _size(images: Tensor) -> str:
    return f"{images.shape[-1]} x {images.shape[-2]}"

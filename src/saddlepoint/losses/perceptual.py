"""Networks that perceptual losses look through. They never learn: their weights are constants and in no checkpoint.

Images [N, 3, H, W] in [0, 1] (grey ones are repeated), features [N, D, h, w].
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import VGG19_Weights, vgg19

from saddlepoint.config.rules import Count, Positive, Seed, TypedPath
from saddlepoint.config.typed_paths import expanded
from saddlepoint.downloads import CANNOT_DOWNLOAD, cache_folder, digest_of, download
from saddlepoint.errors import RequestError

FILE, SHA256 = "vgg19-dcbb9e9d.pth", "dcbb9e9d"  # torchvision publishes the beginning, in the name
ADDRESS = VGG19_Weights.IMAGENET1K_V1.url
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, of images in [0, 1]
BLOCKS = (2, 2, 4, 4, 4)  # convolutions before each pooling of VGG19
WITHOUT = "type perceptual=random to train without it (a network of random weights, named so in the results)"


def vgg_layers() -> dict[str, int]:
    """conv1_1 .. conv5_4 and relu1_1 .. relu5_4 -> index in torchvision's vgg19().features"""
    places, index = {}, 0
    for block, count in enumerate(BLOCKS, 1):
        for number in range(1, count + 1):
            places[f"conv{block}_{number}"], places[f"relu{block}_{number}"] = index, index + 1
            index += 2
        index += 1  # pooling
    return places


class LayeredFeatures(nn.Module):
    """The features of some layers of a chain of layers; `layers` has their weights in the loss, `name` is logged."""

    def __init__(self, name: str, chain: nn.Sequential, places: Mapping[str, int], layers: Mapping[str, float]):
        super().__init__()
        for layer in layers:
            if layer not in places:
                raise ValueError(f"perceptual.layers names {layer}, which is not a layer of {name}: they are "
                                 f"{', '.join(places)}")
        if not layers:
            raise ValueError(f"perceptual.layers={{}} must name at least one of {', '.join(places)}")
        self.name, self.layers = name, dict(layers)
        self._names = {places[layer]: layer for layer in layers}
        self.chain = as_constants(chain[:max(self._names) + 1])
        for statistic, values in (("mean", MEAN), ("deviation", DEVIATION)):
            self.register_buffer(statistic, torch.tensor(values).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        x = (images.expand(-1, 3, -1, -1) - self.mean) / self.deviation
        found = {}
        for index, layer in enumerate(self.chain):
            x = layer(x)
            if index in self._names:
                found[self._names[index]] = x
        return found


class VGG19Features(LayeredFeatures):
    """VGG19 (Simonyan and Zisserman 2015, https://arxiv.org/abs/1409.1556) with torchvision's ImageNet weights.

    convB_N is before the activation (ESRGAN, https://arxiv.org/abs/1809.00219, section 3.2), reluB_N after it (SRGAN).
    `weights`: the file, else looked for where torch.hub keeps it and in our cache, else downloaded; its SHA-256 must
    begin with dcbb9e9d, as its name says.
    """

    def __init__(self, layers: Mapping[str, Positive], weights: TypedPath | None = None):
        network = vgg19()
        for index, layer in enumerate(network.features):
            if isinstance(layer, nn.ReLU):
                network.features[index] = nn.ReLU()  # not in place: the features before it are wanted too
        state = torch.load(vgg19_file(weights), map_location="cpu", weights_only=True)
        network.load_state_dict(state)
        super().__init__("vgg19", network.features, vgg_layers(), layers)


class RandomFeatures(LayeredFeatures):
    """Random convolutions of a fixed seed, three scales: sees edges and textures, knows no objects (the idea of random
    features as a perceptual distance: Zhang et al. 2018, table 3, https://arxiv.org/abs/1801.03924). Not VGG, and never
    called so."""

    def __init__(self, layers: Mapping[str, Positive], seed: Seed = 0, width: Count = 32):
        generator = torch.Generator().manual_seed(seed)
        chain, channels = nn.Sequential(), 3
        for stage in range(3):
            maps = width * 2**stage
            for stride in (1, 2):
                convolution = nn.Conv2d(channels, maps, 3, stride, 1)
                nn.init.orthogonal_(convolution.weight, 2**0.5, generator=generator)
                nn.init.zeros_(convolution.bias)
                chain.extend([convolution, nn.LeakyReLU(0.2)])
                channels = maps
        places = {f"conv{stage}_{number}": 4 * (stage - 1) + 2 * (number - 1)
                  for stage in (1, 2, 3) for number in (1, 2)}
        super().__init__(f"random (seed {seed})", chain, places, layers)


def as_constants(network: nn.Module) -> nn.Module:
    """Parameters become buffers that move with the module, get no gradient and are left out of checkpoints."""
    for module in network.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            delattr(module, name)
            module.register_buffer(name, parameter.detach(), persistent=False)
    return network.eval()


def vgg19_file(weights: str | None) -> Path:
    """The verified file: the one named, else where torch.hub keeps it, else of our cache, else downloaded there."""
    if weights is not None:
        return verified(expanded(weights, "perceptual.weights"), f"perceptual.weights={weights}")
    ours = cache_folder() / "weights" / FILE
    for path in (Path(torch.hub.get_dir(), "checkpoints", FILE), ours):
        if path.is_file():
            return verified(path, str(path))
    try:
        download(ADDRESS, ours, SHA256, megabytes=575)
    except CANNOT_DOWNLOAD as error:
        raise RequestError(f"perceptual=vgg19 needs {FILE}, which could not be downloaded ({error}): put it into "
                           f"{ours.parent} ({ADDRESS}), name it in perceptual.weights=FILE, or {WITHOUT}") from error
    return ours


def verified(path: Path, where: str) -> Path:
    digest = digest_of(path, where)
    if not digest.startswith(SHA256):
        raise RequestError(f"{where} is not torchvision's {FILE}: its SHA-256 begins with {digest[:8]} instead of "
                           f"{SHA256}. Name the right file, or {WITHOUT}")
    return path

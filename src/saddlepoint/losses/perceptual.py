"""Networks whose features perceptual losses compare. They are never trained, and no checkpoint contains them.

Images [N, 3, H, W] in [0, 1] (a single channel is repeated), features [N, D, h, w].
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

FILE, SHA256 = "vgg19-dcbb9e9d.pth", "dcbb9e9d"  # the file name contains the first 8 digits
ADDRESS = VGG19_Weights.IMAGENET1K_V1.url
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, of images in [0, 1]
BLOCKS = (2, 2, 4, 4, 4)  # convolutions before each pooling of VGG19
WITHOUT = "type perceptual=random to train without it (a network of random weights, named so in the results)"


def vgg_layers() -> dict[str, int]:
    """Returns the indices of conv1_1 .. conv5_4 and relu1_1 .. relu5_4 in torchvision's vgg19().features."""
    indices, index = {}, 0
    for block, count in enumerate(BLOCKS, 1):
        for number in range(1, count + 1):
            indices[f"conv{block}_{number}"], indices[f"relu{block}_{number}"] = index, index + 1
            index += 2
        index += 1  # pooling
    return indices


class LayeredFeatures(nn.Module):
    """A network that returns the features of some of its layers.

    name: of the network, for logs and messages
    chain: all layers of the network, in order
    indices: of each layer that may be chosen in `chain`, by name
    layers: the chosen layers, with their weights in the loss
    """

    def __init__(self, name: str, chain: nn.Sequential, indices: Mapping[str, int], layers: Mapping[str, float]):
        super().__init__()
        for layer in layers:
            if layer not in indices:
                raise ValueError(f"perceptual.layers names {layer}, which is not a layer of {name}: they are "
                                 f"{', '.join(indices)}")
        if not layers:
            raise ValueError(f"perceptual.layers={{}} must name at least one of {', '.join(indices)}")
        self.name, self.layers = name, dict(layers)
        self._names = {indices[layer]: layer for layer in layers}
        self.chain = _freeze_as_buffers(chain[:max(self._names) + 1])
        for statistic, values in (("mean", MEAN), ("deviation", DEVIATION)):
            self.register_buffer(statistic, torch.tensor(values).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """images [N, 3 or 1, H, W] in [0, 1] -> {layer: features [N, D, h, w]}"""
        x = (images.expand(-1, 3, -1, -1) - self.mean) / self.deviation
        features = {}
        for index, layer in enumerate(self.chain):
            x = layer(x)
            if index in self._names:
                features[self._names[index]] = x
        return features


class VGG19Features(LayeredFeatures):
    """VGG19 (Simonyan and Zisserman 2015, https://arxiv.org/abs/1409.1556) with torchvision's ImageNet weights.

    convB_N is before the activation (ESRGAN, https://arxiv.org/abs/1809.00219, section 3.2), reluB_N after it (SRGAN).
    `weights` is the file. Where it is not given, the file is taken from torch.hub's folder or from our cache, else
    downloaded. Its SHA-256 must begin with dcbb9e9d, as its name says. `layers`: weights in the loss by name, above 0.
    """

    def __init__(self, layers: Mapping[str, Positive], weights: TypedPath | None = None):
        network = vgg19()
        for index, layer in enumerate(network.features):
            if isinstance(layer, nn.ReLU):
                network.features[index] = nn.ReLU()  # not in place: the features before it are returned too
        state = torch.load(vgg19_file(weights), map_location="cpu", weights_only=True)
        network.load_state_dict(state)
        super().__init__("vgg19", network.features, vgg_layers(), layers)


class RandomFeatures(LayeredFeatures):
    """Convolutions with random weights of a fixed seed, at three scales; they respond to edges and textures.

    Zhang et al. 2018, table 3, https://arxiv.org/abs/1801.03924, measure random features as a perceptual distance. The
    results name this network, so that it is not taken for VGG. `layers`: weights in the loss by name, above 0;
    `width`: maps at the first scale, 1 or more.
    """

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
        indices = {f"conv{stage}_{number}": 4 * (stage - 1) + 2 * (number - 1)
                  for stage in (1, 2, 3) for number in (1, 2)}
        super().__init__(f"random (seed {seed})", chain, indices, layers)


def _freeze_as_buffers(network: nn.Module) -> nn.Module:
    """Turns parameters into buffers, which move with the module, get no gradient and are in no checkpoint."""
    for module in network.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            delattr(module, name)
            module.register_buffer(name, parameter.detach(), persistent=False)
    return network.eval()


def vgg19_file(weights: str | None) -> Path:
    """Returns the checked file of weights: the one named, or torch.hub's, or that of our cache, or downloads it."""
    if weights is not None:
        return _check_digest(expanded(weights, "perceptual.weights"), f"perceptual.weights={weights}")
    ours = cache_folder() / "weights" / FILE
    for path in (Path(torch.hub.get_dir(), "checkpoints", FILE), ours):
        if path.is_file():
            return _check_digest(path, str(path))
    try:
        download(ADDRESS, ours, SHA256, megabytes=575)
    except CANNOT_DOWNLOAD as error:
        raise RequestError(f"perceptual=vgg19 needs {FILE}, which could not be downloaded ({error}): put it into "
                           f"{ours.parent} ({ADDRESS}), name it in perceptual.weights=FILE, or {WITHOUT}") from error
    return ours


def _check_digest(path: Path, where: str) -> Path:
    """Returns the path, or refuses a file with another digest; `where` names the file in the message."""
    digest = digest_of(path, where)
    if not digest.startswith(SHA256):
        raise RequestError(f"{where} is not torchvision's {FILE}: its SHA-256 begins with {digest[:8]} instead of "
                           f"{SHA256}. Name the right file, or {WITHOUT}")
    return path

"""The Inception network of the papers on FID and IS. N images of C channels and H x W pixels."""

import io
from typing import Annotated

import torch
from torch import Tensor, nn

from saddlepoint.config.rules import TypedPath, one_of
from saddlepoint.metrics.extractors.extractor import Embedding, Extractor
from saddlepoint.metrics.extractors.interpolation import Interpolation, interpolated, rule
from saddlepoint.metrics.extractors.preparing import in_colour, refuse_unless_grey_or_colour
from saddlepoint.metrics.extractors.weight_files import WeightFile

FILE = WeightFile(
    "inception", "weights-inception-2015-12-05-6726825d.pth",
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    "SADDLEPOINT_INCEPTION_WEIGHTS", megabytes=96,
    sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2")
SIZE = 299  # pixels
SCALES = (128, 127.5)
# Layers of torch-fidelity's network in their order. Mixed_6d is called mixed_6 in TensorFlow's graph.
TO_SPATIAL = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "MaxPool_1", "Conv2d_3b_1x1", "Conv2d_4a_3x3",
              "MaxPool_2", "Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c")
TO_POOLING = ("Mixed_6d", "Mixed_6e", "Mixed_7a", "Mixed_7b", "Mixed_7c", "AvgPool")
SPATIAL_CHANNELS = 7


class Inception(Extractor):
    """Inception-v3 as trained in 2015 (Szegedy et al. 2016, https://arxiv.org/abs/1512.00567), the network of every
    published FID and IS, in the version that torch-fidelity converted from TensorFlow.

    weights: the path of the file; None: torch hub's folder, see WeightFile.locate
    interpolation: how images are brought to 299 x 299
    scale: s of (x - s) / s, by which pixels x in 0 to 255 are brought to the network's range: 128 as in TensorFlow's
        graph and all that follow it, 127.5 as in pytorch-fid

    Features are those of the last pooling. Logits are computed without the bias of the last layer, as in the code of
    the paper on IS (Salimans et al. 2016, https://arxiv.org/abs/1606.03498). Spatial features are those of sFID (Nash
    et al. 2021, https://arxiv.org/abs/2103.03841) as Dhariwal and Nichol 2021 have it: the first seven maps of
    17 x 17 of TensorFlow's mixed_6/conv, the channel running fastest.
    """

    name = "inception"
    digest = FILE.sha256
    num_features = 2048
    num_classes = 1008
    num_spatial = 17 * 17 * SPATIAL_CHANNELS

    def __init__(self, weights: TypedPath | None, interpolation: Interpolation = "tf1_bilinear",
                 scale: Annotated[float, one_of(*SCALES)] = 128):
        super().__init__()
        if scale not in SCALES:
            raise ValueError(f"extractor.scale={scale} must be 128 or 127.5")
        self.interpolation, self.scale = interpolation, scale
        self.resize = rule(SIZE, interpolation) + ("" if scale == 128 else f", x / {scale} - 1")
        self.network = network(FILE.read_verified(*FILE.locate(weights)))

    def check(self, channels: int, image_size: int) -> None:
        refuse_unless_grey_or_colour(self.name, channels)

    def train(self, mode: bool = True) -> "Inception":
        return super().train(False)  # its BatchNorm must never look at the batch

    @torch.no_grad()
    def forward(self, images: Tensor) -> Embedding:
        """images [N, C, H, W] uint8 -> features [N, 2048], logits [N, 1008], spatial [N, 2023]"""
        activations = (in_colour(interpolated(images, SIZE, self.interpolation)) - self.scale) / self.scale
        for layer in TO_SPATIAL:
            activations = self.network.get_submodule(layer)(activations)
        maps = self.network.Mixed_6d.branch1x1(activations)[:, :SPATIAL_CHANNELS]  # computed twice: 1 % of the whole
        for layer in TO_POOLING:
            activations = self.network.get_submodule(layer)(activations)
        features = activations.flatten(1)
        return Embedding(features, features.mm(self.network.fc.weight.T), maps.permute(0, 2, 3, 1).flatten(1))


def network(content: bytes) -> nn.Module:
    """Returns torch-fidelity's network with these weights, the content of a file. Its constructor would unpickle any
    file. So the file is read here, as tensors only, and the constructor gets these tensors as we saved them anew."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    rewritten = io.BytesIO()
    torch.save(torch.load(io.BytesIO(content), map_location="cpu", weights_only=True), rewritten)
    rewritten.seek(0)
    with torch.random.fork_rng(devices=[]):  # its first weights are drawn at random before they are replaced
        return FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"], rewritten)

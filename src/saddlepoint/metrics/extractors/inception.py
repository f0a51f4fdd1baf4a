"""The Inception network of the papers on FID and IS. N images of C channels and H x W pixels."""

import hashlib
import io
import os
from pathlib import Path

import torch
from torch import Tensor, nn

from saddlepoint.config.rules import TypedPath
from saddlepoint.config.typed_paths import expanded
from saddlepoint.downloads import CANNOT_DOWNLOAD, download
from saddlepoint.errors import RequestError
from saddlepoint.metrics.extractors.extractor import Embedding, Extractor
from saddlepoint.metrics.extractors.preparing import in_colour, refuse_unless_grey_or_colour

FILE_NAME = "weights-inception-2015-12-05-6726825d.pth"
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
ADDRESS = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{FILE_NAME}"
VARIABLE = "SADDLEPOINT_INCEPTION_WEIGHTS"


class Inception(Extractor):
    """Inception-v3 as trained in 2015 (Szegedy et al. 2016, https://arxiv.org/abs/1512.00567), the network of every
    published FID and IS, in the version that torch-fidelity converted from TensorFlow.

    weights: the path of the file; None: see `locate`

    Features are those of the last pooling. Logits are computed without the bias of the last layer, as in the code of
    the paper on IS (Salimans et al. 2016, https://arxiv.org/abs/1606.03498).
    """

    name = "inception"
    digest = SHA256
    resize = "bilinear as in TensorFlow 1 (corners not aligned, no antialiasing), to 299 x 299"
    num_features = 2048
    num_classes = 1008

    def __init__(self, weights: TypedPath | None):
        super().__init__()
        path, where = locate(weights)
        self.network = network(read_verified(path, where))

    def check(self, channels: int, image_size: int) -> None:
        refuse_unless_grey_or_colour(self.name, channels)

    def train(self, mode: bool = True) -> "Inception":
        return super().train(False)  # its BatchNorm must never look at the batch

    @torch.no_grad()
    def forward(self, images: Tensor) -> Embedding:
        """images [N, C, H, W] uint8 -> features [N, 2048], logits [N, 1008]"""
        return Embedding(*self.network(in_colour(images)))


def network(content: bytes) -> nn.Module:
    """Returns torch-fidelity's network with these weights, the content of a file. Its constructor would unpickle any
    file. So the file is read here, as tensors only, and the constructor gets these tensors as we saved them anew."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    rewritten = io.BytesIO()
    torch.save(torch.load(io.BytesIO(content), map_location="cpu", weights_only=True), rewritten)
    rewritten.seek(0)
    with torch.random.fork_rng(devices=[]):  # its first weights are drawn at random before they are replaced
        return FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"], rewritten)


def locate(weights: str | None) -> tuple[Path, str]:
    """Returns the file of weights, and words for it that the user knows. It is the one in the setting, else the one in
    the environment variable, else that in torch hub's folder, to which it is downloaded if it is not there."""
    if weights is not None:
        return expanded(weights, "extractor.weights"), f"extractor.weights={weights}"
    if from_environment := os.environ.get(VARIABLE):
        return (expanded(from_environment, VARIABLE),
                f"{VARIABLE}={from_environment} (an environment variable)")
    path = Path(torch.hub.get_dir(), "checkpoints", FILE_NAME)
    if not path.exists():
        fetch(path)
    return path, str(path)


def read_verified(path: Path, where: str) -> bytes:
    """Returns the content of the file, which is read once, so that the verified bytes are the ones that are loaded.
    Raises a RequestError if it is not Inception's."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RequestError(f"{where} cannot be read ({error.strerror or error}): it must be {FILE_NAME}, "
                           f"from {ADDRESS}") from error
    if (digest := hashlib.sha256(content).hexdigest()) != SHA256:
        raise RequestError(f"{where} is damaged or not {FILE_NAME}, since its SHA-256 is {digest} instead of {SHA256}: "
                           f"replace it with the file from {ADDRESS}")
    return content


def fetch(path: Path) -> None:
    """Downloads the weights to `path`, where they appear whole and verified or not at all. Raises a RequestError if
    that fails."""
    try:
        download(ADDRESS, path, SHA256, megabytes=96)
    except CANNOT_DOWNLOAD as error:
        raise RequestError(f"extractor=inception needs {FILE_NAME} (SHA-256 {SHA256}), which could not be downloaded "
                           f"({error}): put it into {path.parent}, type extractor.weights=FILE for where you have it, "
                           "or type extractor=random") from error

"""Extractors that are small classifiers: one of digits, which comes with saddlepoint, and those of train_classifier.py.

N images of C channels and H x W pixels, brought to S x S.
"""

from pathlib import Path

import torch
import torch.nn.functional as functional
from torch import Tensor

from saddlepoint.config.rules import TypedPath
from saddlepoint.config.spelling import command
from saddlepoint.config.typed_paths import expanded
from saddlepoint.data.pixels import to_unit_range
from saddlepoint.downloads import digest_of
from saddlepoint.errors import RequestError
from saddlepoint.metrics.extractors.classifier_files import Card, read
from saddlepoint.metrics.extractors.classifier_network import NUM_FEATURES, ClassifierNetwork
from saddlepoint.metrics.extractors.extractor import Embedding, Extractor
from saddlepoint.metrics.extractors.interpolation import Interpolation, interpolated, rule
from saddlepoint.metrics.extractors.preparing import COLOURS

# Names of saddlepoint's own extractors, and of the network of ppl.
RESERVED = ("inception", "digits", "random", "dinov2", "dinov2_base", "clip", "lpips_vgg", "mixture", "stacked_digits")
DIGITS_FILE = Path(__file__).parent / "weights" / "digits.safetensors"
DIGITS_SHA256 = "703a1790f72e310835e771d8a0dcbff8df7d6d6bd4bf6f14d99c89476f0fd917"


class LoadedClassifier(Extractor):
    """A trained classifier with its card, as an extractor. `interpolation` says how images are brought to S x S."""

    num_features = NUM_FEATURES

    def __init__(self, card: Card, network: ClassifierNetwork, digest: str,
                 interpolation: Interpolation = "bilinear_antialiased"):
        super().__init__()
        self.card, self.network, self.name, self.digest = card, network, card.name, digest
        self.interpolation = interpolation
        self.class_names, self.num_classes = card.class_names, len(card.class_names)
        self.resize = rule(card.image_size, interpolation)
        if padded_size := card.padded_from:
            self.resize = f"{padded_size} x {padded_size} padded with black, other sizes {self.resize}"
        self.requires_grad_(False).eval()

    def check(self, channels: int, image_size: int) -> None:
        if channels != self.card.channels:
            typed = self.name if self.name in RESERVED else f"classifier ({self.name})"
            raise RequestError(f"extractor={typed} looks at {COLOURS[self.card.channels]} images, and these have "
                               f"{channels} channel{'s' if channels > 1 else ''} (data.channels={channels}): type "
                               "extractor=random or extractor=inception")

    @torch.no_grad()
    def forward(self, images: Tensor) -> Embedding:
        """images [N, C, H, W] uint8 -> features [N, 64], logits [N, K]"""
        return Embedding(*self.network(self.prepare(images)))

    def prepare(self, images: Tensor) -> Tensor:
        """Returns images as the network takes them: [N, C, H, W] uint8 -> [N, C, S, S] in [-1, 1]."""
        padded_size, size = self.card.padded_from, self.card.image_size
        if images.shape[-2:] == (padded_size, padded_size):
            before = (size - padded_size) // 2
            images = functional.pad(images, (before, size - padded_size - before) * 2)
        return to_unit_range(interpolated(images, size, self.interpolation))


class Classifier(LoadedClassifier):
    """A classifier of the user's. Raises a RequestError if its file is missing or damaged, or if its name is reserved.

    weights: the path of a file that train_classifier.py wrote
    interpolation: how images are brought to its size
    """

    def __init__(self, weights: TypedPath | None, interpolation: Interpolation = "bilinear_antialiased"):
        if weights is None:
            raise RequestError("extractor=classifier needs extractor.weights=FILE, made by "
                               f"{command('train_classifier', 'data=...')}")
        where, path = f"extractor.weights={weights}", expanded(weights, "extractor.weights")
        digest = digest_of(path, where)
        card, network = read(path, where)
        refuse_reserved(card.name, where)
        super().__init__(card, network, digest, interpolation)


class Digits(LoadedClassifier):
    """A classifier of grey handwritten digits, with ten classes. weights/digits.json says how it was trained and how
    accurate it is.

    It was trained on images of data=mnist5k, which are training images of MNIST as well. GANs are trained on the same
    images and compared with them.

    interpolation: how images of other than 28 and 32 pixels are brought to 32
    """

    def __init__(self, interpolation: Interpolation = "bilinear_antialiased"):
        where = f"The file of extractor=digits, {DIGITS_FILE},"
        digest = digest_of(DIGITS_FILE, where)
        if digest != DIGITS_SHA256:
            raise RequestError(f"{where} is damaged, since its SHA-256 is {digest} instead of {DIGITS_SHA256}: install "
                               "saddlepoint again")
        super().__init__(*read(DIGITS_FILE, where), digest, interpolation)


def refuse_reserved(name: str, where: str) -> None:
    """Raises a RequestError if `name` is that of an extractor of saddlepoint's; `where` says whose name it is."""
    if name in RESERVED:
        raise RequestError(f"{where} has the name {name}, which is that of an extractor of saddlepoint's own: train it "
                           f"under another, e.g. name=my_{name}")

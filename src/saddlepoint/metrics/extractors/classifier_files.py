"""Reads and writes classifiers: the weights in a .safetensors file, and in its metadata a card that describes them."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from saddlepoint.downloads import digest_of
from saddlepoint.errors import DiskFull, RequestError
from saddlepoint.files.atomic import write_atomically
from saddlepoint.metrics.extractors.classifier_network import SIZES, ClassifierNetwork, seeded_network
from saddlepoint.metrics.extractors.preparing import COLOURS


@dataclass(frozen=True)
class Card:
    """A description of a classifier, in the metadata of its file. Raises a ValueError if a field has an impossible
    value."""

    name: str  # metrics become fid_<name>
    channels: int  # 1 or 3
    image_size: int  # pixels of each side
    padded_from: int | None  # images of this size are padded with black, as the training images were; None: none are
    class_names: tuple[str, ...]
    data: str  # name of the set it was trained on
    training_images: int
    held_out: str  # which images it was not trained on
    held_out_images: int
    accuracy: float  # on the held-out images, 0 to 1
    command: str  # by which it was trained
    versions: Mapping[str, str]
    note: str
    recalls: tuple[float | None, ...] = ()  # of each class on the held-out images, 0 to 1; None: it has none of them

    def __post_init__(self):
        object.__setattr__(self, "class_names", tuple(self.class_names))  # JSON has lists
        object.__setattr__(self, "recalls", tuple(self.recalls))
        check_name(self.name)
        if self.channels not in COLOURS or self.image_size not in SIZES:
            raise ValueError(f"there is no classifier of {self.channels} channels and {self.image_size} pixels")
        if self.padded_from is not None and self.padded_from not in range(1, self.image_size):
            raise ValueError(f"padded_from={self.padded_from} is not below image_size={self.image_size}")


def check_name(name: str) -> None:
    """Raises a ValueError if a classifier cannot have this name."""
    if not re.fullmatch("[a-z0-9_]+", name):
        raise ValueError(f"name={name} must consist of a-z, 0-9 and _, because metrics become fid_<name>: "
                         "type name=my_data, for example")


def read(path: Path, where: str) -> tuple[Card, ClassifierNetwork]:
    """Returns the card and the network of a file, whose weights may be float16 or float32; nothing in it is executed.
    Raises a RequestError that begins with `where`, the file in words that the user knows, if it is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            card = Card(**json.loads((file.metadata() or {}).get("card", "{}")))
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no dictionary
    except (SafetensorError, OSError, TypeError, ValueError) as error:
        raise RequestError(f"{where} is damaged or was not written by train_classifier.py ({error})") from error
    network = seeded_network(card.channels, len(card.class_names), seed=0)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise RequestError(f"{where} is damaged or was not written by train_classifier.py (its weights are not those "
                           "of its card)") from error
    return card, network


def write(path: Path, card: Card, network: ClassifierNetwork) -> None:
    """Writes the weights as float16, with the card in their metadata. Beside them it writes the card with their digest
    as a .json file, for people to read. Raises a RequestError if a file cannot be written."""
    weights = {name: tensor.half().contiguous() for name, tensor in network.state_dict().items()}
    content = save(weights, metadata={"card": json.dumps(asdict(card))})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda temporary: temporary.write_bytes(content))
        text = json.dumps(asdict(card) | {"sha256": digest_of(path, str(path))}, indent=2) + "\n"
        write_atomically(card_file(path), lambda temporary: temporary.write_text(text, encoding="utf-8"))
    except DiskFull:
        raise
    except OSError as error:
        raise RequestError(f"output={path} cannot be written: {error.strerror or error}. "
                           "Choose a place you may write to") from error


def card_file(path: Path) -> Path:
    return path.with_suffix(".json")

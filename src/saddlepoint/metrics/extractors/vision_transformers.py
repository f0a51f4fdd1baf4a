"""Vision transformers of timm with published weights, as extractors have them. N images, S x S pixels."""

import hashlib
import pickle
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from saddlepoint.errors import RequestError
from saddlepoint.files.safetensors_files import is_safetensors

MOST_NAMED = 3  # weights in one sentence


def read(path: Path, where: str, needed: str) -> dict[str, Tensor]:
    """Returns the tensors of a file, of .safetensors or of torch, in float32; nothing in it is executed. Raises a
    RequestError that begins with `where`, the file in words that the user knows, and names what is needed."""
    try:
        if is_safetensors(path):
            content = load_file(path)
        else:
            # Opened here, since torch would judge a name by its ending. It warns of TorchScript, refused below.
            with path.open("rb") as file, warnings.catch_warnings(action="ignore", category=UserWarning):
                content = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise RequestError(f"{where} cannot be read ({error.strerror or error}): it must be {needed}") from error
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        if "TorchScript" in str(error):
            raise RequestError(f"{where} is a TorchScript archive, which holds code beside its weights, and code is "
                               f"not run: take {needed}") from error
        raise RequestError(f"{where} is damaged or holds more than tensors: it must be {needed}") from error
    if not isinstance(content, Mapping) or not all(isinstance(each, Tensor) for each in content.values()):
        raise RequestError(f"{where} is no table of tensors by name: it must be {needed}")
    return {name: tensor.float() for name, tensor in content.items()}


def digest_of(weights: Mapping[str, Tensor]) -> str:
    """Returns the SHA-256 of names and float32 values, hexadecimal; the format of the file does not matter."""
    content = hashlib.sha256()
    for name in sorted(weights):
        content.update(name.encode())
        content.update(weights[name].contiguous().numpy().astype("<f4", copy=False).data)
    return content.hexdigest()


def tell_digest(digest: str, where: str) -> None:
    """Says on stderr which weights were found. Their authors publish no digest, so this one, which stands in every
    protocol, can only be compared with other people's."""
    print(f"{where}: its weights have the SHA-256 {digest}; there is none to compare it with", file=sys.stderr)


def transformer(extractor: str, weights: Mapping[str, Tensor], where: str, **architecture: Any) -> nn.Module:
    """Returns timm's transformer of this architecture with these weights. Raises a RequestError if timm is missing, or
    if they are the weights of another network."""
    try:
        from timm.models.vision_transformer import VisionTransformer
    except ImportError as error:
        raise RequestError(f"extractor={extractor} needs the package timm: type pip install "
                           "'saddlepoint[extractors]'") from error
    with torch.device("meta"):  # so that no first weights are drawn
        network = VisionTransformer(**architecture)
    expected = network.state_dict()
    wrong = [f"{name} is missing" for name in expected if name not in weights]
    wrong += [f"{name} is unknown" for name in weights if name not in expected]
    wrong += [f"{name} has the shape {[*tensor.shape]} instead of {[*expected[name].shape]}"
              for name, tensor in weights.items() if name in expected and tensor.shape != expected[name].shape]
    if wrong:
        more = f"; and {len(wrong) - MOST_NAMED} others" if len(wrong) > MOST_NAMED else ""
        raise RequestError(f"{where} has the weights of another network than extractor={extractor}: "
                           f"{'; '.join(wrong[:MOST_NAMED])}{more}")
    network.load_state_dict(weights, assign=True)
    return network


def normalised(pixels: Tensor, mean: tuple[float, float, float], deviation: tuple[float, float, float]) -> Tensor:
    """Returns (x / 255 - mean) / deviation of each channel: pixels [N, 3, S, S] in [0, 255]."""
    mean, deviation = (pixels.new_tensor(each).view(3, 1, 1) for each in (mean, deviation))
    return (pixels / 255 - mean) / deviation

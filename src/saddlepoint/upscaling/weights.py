"""Loads the network that weights= names: official weights by name, a file, or a super-resolution run of ours.

How a file is read depends on its content, not on its ending: safetensors may be called .pth, and the other way
round."""

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import safetensors
import safetensors.torch
import torch
from torch import nn

from saddlepoint.config.rules import nearest
from saddlepoint.config.spelling import command
from saddlepoint.config.typed_paths import expanded
from saddlepoint.errors import RequestError
from saddlepoint.files.safetensors_files import is_safetensors
from saddlepoint.networks import basicsr_layout
from saddlepoint.networks.basicsr_layout import NO_METADATA
from saddlepoint.runs import checkpoint
from saddlepoint.sampling.loading import checkpoint_of, load_module, translates
from saddlepoint.upscaling import releases
from saddlepoint.upscaling.releases import OFFICIAL, PACKAGE
from saddlepoint.upscaling.tiling import COLOUR, GREY

ENDINGS = (".pth", ".pt", ".safetensors", ".ckpt")


class Weights(NamedTuple):
    """A network with its trained weights."""

    network: nn.Module  # networks/protocols.py: Upscaler
    name: str  # for titles and file names
    source: str  # where they come from, to be printed


def load(weights: str, untold: Mapping[str, str] = NO_METADATA) -> Weights:
    """Loads what weights= names. Raises a RequestError if there is no such network or it cannot be read.

    untold: what a file's tensors do not tell of the network, for a file that does not say it in its metadata
    """
    if weights in OFFICIAL:
        return load_official(weights)
    path = expanded(weights, "weights")
    if path.is_dir() or is_ours(path):
        return load_from_run(path)
    if not path.is_file():
        near = nearest(weights, OFFICIAL) or "."
        raise RequestError(f"weights={weights} is neither a name known here nor a file{near} Type one of "
                           f"{', '.join(OFFICIAL)}, or a file ({', '.join(ENDINGS)}), or a run directory")
    state, metadata = read_tensors(path), {**untold, **read_metadata(path)}
    return Weights(_build(state, f"weights={weights}", metadata), path.stem, str(path))


def load_official(name: str) -> Weights:
    """Loads weights by name: from the cache, else from the installed package that has them, else downloads them."""
    if (path := releases.path_in_cache(name)).exists():
        return _load_release(name, releases.verify(name, path))
    if files := releases.files_in_package(name):
        network = _build(releases.read_package(*files), f"weights={name} from the installed package {PACKAGE}")
        return Weights(network, name, f"the installed package {PACKAGE} ({files[1].name}, 16-bit floats)")
    return _load_release(name, releases.fetch(name))


def load_from_run(path: Path) -> Weights:
    """Loads the network of a super-resolution run, with averaged weights if there are any. `path` is a run directory,
    whose newest undamaged checkpoint is taken, or a checkpoint."""
    file = checkpoint_of(path, "weights")
    module, _ = load_module(file)
    network = module.sampling_generator
    if translates(module):
        raise RequestError(f"weights={path} is a run whose generator translates images, and does not enlarge them: "
                           f"type {command('translate', f'run={path}', 'input=IMAGES')}, or name a super-resolution "
                           "run")
    if not isinstance(getattr(network, "scale", None), int):
        raise RequestError(f"weights={path} is a run whose generator makes images from noise, and does not enlarge "
                           "them: name a super-resolution run, or draw from this one with "
                           f"{command('sample', f'run={path}', 'upscale=realesrgan_x4plus')}")
    name = path.resolve().name if path.is_dir() else path.stem
    return Weights(network, name, str(file))


def _load_release(name: str, path: Path) -> Weights:
    return Weights(_build(read_tensors(path), f"weights={name} ({path})"), name, str(path))


def _build(state: Mapping[str, Any], typed: str, metadata: Mapping[str, str] = NO_METADATA) -> nn.Module:
    try:
        network = basicsr_layout.build(state, metadata)
    except RequestError as error:
        raise RequestError(f"{typed}: {error}") from error
    if network.channels not in (GREY, COLOUR):
        raise RequestError(f"{typed} enlarges images of {network.channels} channels, and pictures here have 1 (grey) "
                           "or 3 (colours; transparency goes through by itself): name weights for 3 channels, e.g. "
                           "weights=realesrgan_x4plus")
    return network


def read_tensors(path: Path) -> Mapping[str, Any]:
    """Reads a file of tensors in plain containers. Nothing in the file is executed."""
    try:
        if is_safetensors(path):
            return safetensors.torch.load_file(path)
        # Opened here, since torch would judge a name by its ending. It warns of newer pickles, which it reads.
        with path.open("rb") as file, warnings.catch_warnings(action="ignore"):
            content = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError,
            IndexError, OSError, MemoryError, safetensors.SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0] or type(error).__name__
        raise RequestError(f"weights={path} cannot be read: it is damaged, or holds more than tensors and plain "
                           f"containers ({reason.partition('. ')[0]})") from error
    if not isinstance(content, Mapping):
        raise RequestError(f"weights={path} holds a {type(content).__name__} instead of tensors with names")
    return content


def read_metadata(path: Path) -> Mapping[str, str]:
    """Returns the metadata of a file that `read_tensors` could read. Only files of safetensors have any."""
    if not is_safetensors(path):
        return NO_METADATA
    with safetensors.safe_open(path, framework="pt") as file:
        return file.metadata() or NO_METADATA


def is_ours(path: Path) -> bool:
    """Returns whether the file is a checkpoint that saddlepoint wrote."""
    try:
        return path.is_file() and checkpoint.is_signed(path)
    except OSError:  # reading it raises the same error, which is reported there
        return False

"""Reads and writes the files of statistics with which the field compares: mean and covariance of features, or features.

| written by | names in the file |
|---|---|
| pytorch-fid, TTUR, EDM, clean-fid, ours | `mu` [D], `sigma` [D, D] |
| ADM's references | the same; `mu_s`, `sigma_s` of spatial features; `arr_0`, 10,000 images [N, H, W, 3] uint8 |
| clean-fid for KID; dgm-eval | `feats` or `reps` [N, D], the features of every image |

Ours also hold `saddlepoint`, a text in JSON that says what they are statistics of. The other files do not tell of how
many images they are, how these were resized, or by which network. D features.
"""

import hashlib
import json
import lzma
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor

from saddlepoint.config.spelling import command
from saddlepoint.errors import RequestError
from saddlepoint.files.atomic import write_atomically
from saddlepoint.metrics.sums import Moments

PROVENANCE_KINDS = {"num_images": int, "digest": str, "extractor": str}  # what is of another kind is no provenance
MEANS = ("mu", "sigma")
SPATIAL = ("mu_s", "sigma_s")
FEATURES = ("feats", "reps")  # clean-fid's, dgm-eval's
PROVENANCE = "saddlepoint"
MOST_THAT_FEATURES_SHRINK = 50  # times, when an archive is compressed
ASYMMETRY = 1e-4  # of a covariance, as a share of its largest entry; float32 rounding stays below it
DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, SyntaxError, KeyError,
           NotImplementedError, RuntimeError, MemoryError)


class StoredMoments:
    """Mean [D] and covariance [D, D] of features, float64, as they came from a file.

    count: number of images; 0: the file does not say
    """

    stored = True

    def __init__(self, mean: Tensor, covariance: Tensor, count: int = 0):
        self.mean, self.covariance, self.count = mean, covariance, count

    @property
    def device(self) -> torch.device:
        return self.mean.device

    def to(self, device: torch.device) -> "StoredMoments":
        """Returns the same statistics on a device."""
        return StoredMoments(self.mean.to(device), self.covariance.to(device), self.count)


@dataclass(frozen=True)
class Statistics:
    """What a file says of some images' features."""

    moments: StoredMoments | Moments
    spatial: StoredMoments | None = None  # of spatial features, for sFID
    features: Tensor | None = None  # [N, D] float32, where the file has them
    digest: str = ""  # SHA-256 of mean and covariance
    about: Mapping[str, Any] = field(default_factory=dict)  # as `write` was given it; empty: another program's file


def names_in(path: Path) -> set[str]:
    """Returns the names of the arrays in an .npz file; none if it is no such file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return set()


def holds_statistics(path: Path) -> bool:
    """Returns whether a file has mean and covariance, or features, under one of the names above."""
    if path.suffix.lower() != ".npz" or not path.is_file():
        return False
    names = names_in(path)
    return set(MEANS) <= names or any(name in names for name in FEATURES)


def read(path: Path, typed: str) -> Statistics:
    """Reads a file. Raises a RequestError that begins with `typed`, the setting that names it, if the file is damaged
    or holds no statistics."""
    try:
        with numpy.load(path, allow_pickle=False) as arrays:
            found = {name: _array(path, arrays, name, typed) for name in (*MEANS, *SPATIAL, *FEATURES)
                     if name in arrays.files}
            about = _about(arrays)
    except DAMAGED as error:
        raise RequestError(f"{typed} cannot be read: {_reason(error)}. Replace it with a good copy") from error
    if not found:
        raise RequestError(f"{typed} holds no statistics: it must have mu and sigma, or feats or reps")
    features = next((found[name] for name in FEATURES if name in found), None)
    if features is not None:
        features = _features(features, typed)
    if "mu" in found or "sigma" in found:
        moments = moments_of(found, MEANS, int(about.get("num_images") or 0), typed)
    else:
        moments = Moments.of(features)
    spatial = moments_of(found, SPATIAL, moments.count, typed) if set(SPATIAL) & set(found) else None
    return Statistics(moments, spatial, features, digest_of(moments), about)


def write(path: Path, moments: Moments, spatial: Moments | None, about: Mapping[str, Any]) -> None:
    """Writes mean and covariance of features, and of spatial ones where there are any, whole or not at all.

    about: what they are statistics of, to be stored beside them as JSON
    """
    arrays = {"mu": moments.mean, "sigma": moments.covariance}
    if spatial is not None:
        arrays |= {"mu_s": spatial.mean, "sigma_s": spatial.covariance}
    arrays = {name: tensor.cpu().numpy() for name, tensor in arrays.items()}

    def save(temporary: Path) -> None:
        with temporary.open("wb") as file:
            numpy.savez(file, **arrays, **{PROVENANCE: numpy.array(json.dumps(about, sort_keys=True))})

    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, save)


def digest_of(moments: StoredMoments | Moments) -> str:
    """Returns the SHA-256 of mean and covariance, hexadecimal: the same whatever file holds them."""
    content = hashlib.sha256()
    for tensor in (moments.mean, moments.covariance):
        content.update(tensor.cpu().contiguous().numpy().astype("<f8").tobytes())
    return content.hexdigest()


def _array(path: Path, arrays: Any, name: str, typed: str) -> numpy.ndarray:
    """Returns an array of a file, of whose size its header is asked first: a small archive may unpack to anything."""
    with arrays.zip.open(f"{name}.npy") as stream:
        version = numpy.lib.format.read_magic(stream)
        header = numpy.lib.format.read_array_header_1_0 if version == (1, 0) else numpy.lib.format.read_array_header_2_0
        shape, _, kind = header(stream)
    if kind.hasobject:
        raise RequestError(f"{typed}: its `{name}` is pickled Python objects, which may run any code and are not "
                           f"loaded. {_converter(path)}")
    if kind.kind not in "fiu":
        raise RequestError(f"{typed}: its `{name}` holds {kind}, and statistics are numbers")
    if numpy.prod(shape, dtype=float) * kind.itemsize > MOST_THAT_FEATURES_SHRINK * max(path.stat().st_size, 10_000):
        raise RequestError(f"{typed}: its `{name}` would unpack to {[*shape]} numbers out of a file of "
                           f"{path.stat().st_size:,} bytes, which no features shrink to")
    return arrays[name]


def _converter(path: Path) -> str:
    line = command("convert_statistics", f"input={path}")
    return f"If it comes from EDM2 or StyleGAN, type {line}"


def _about(arrays: Any) -> dict[str, Any]:
    if PROVENANCE not in arrays.files:
        return {}
    try:
        about = json.loads(str(arrays[PROVENANCE]))
    except ValueError:
        return {}
    return {name: value for name, value in about.items() if isinstance(value, PROVENANCE_KINDS.get(name, object))
            } if isinstance(about, dict) else {}


def moments_of(found: Mapping[str, numpy.ndarray], names: tuple[str, str], count: int, typed: str) -> StoredMoments:
    """Returns the mean and covariance of these names. Raises a RequestError, which begins with `typed`, if they are no
    mean and covariance of the same features."""
    mean_name, covariance_name = names
    for name in names:
        if name not in found:
            other = covariance_name if name == mean_name else mean_name
            raise RequestError(f"{typed} has `{other}` and no `{name}`: both are needed")
    mean, covariance = (numpy.asarray(found[name], dtype=numpy.float64) for name in names)
    mean = mean.reshape(-1) if mean.ndim and mean.size == mean.shape[-1] else mean
    if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
        raise RequestError(f"{typed}: `{mean_name}` must be [D] and `{covariance_name}` [D, D] for D features, and "
                           f"they are {[*mean.shape]} and {[*covariance.shape]}")
    for name, values in ((mean_name, mean), (covariance_name, covariance)):
        if not numpy.isfinite(values).all():
            raise RequestError(f"{typed}: `{name}` holds {numpy.count_nonzero(~numpy.isfinite(values)):,} numbers that "
                               "are not finite, so no distance to it exists. It was computed of too few or of damaged "
                               "images: make it anew")
    largest = numpy.abs(covariance).max(initial=0)
    if (covariance.diagonal() < -ASYMMETRY * largest).any():
        raise RequestError(f"{typed}: `{covariance_name}` has negative variances, so it is no covariance")
    if numpy.abs(covariance - covariance.T).max(initial=0) > ASYMMETRY * largest:
        raise RequestError(f"{typed}: `{covariance_name}` is not symmetric, so it is no covariance")
    return StoredMoments(torch.from_numpy(mean.copy()), torch.from_numpy(covariance.copy()), count)


def _features(values: numpy.ndarray, typed: str) -> Tensor:
    if values.ndim != 2 or len(values) < 2 or values.dtype.kind != "f":
        raise RequestError(f"{typed}: its features must be [N, D] floating-point numbers of two images or more, and "
                           f"they are {values.dtype} {[*values.shape]}")
    if not numpy.isfinite(values).all():
        raise RequestError(f"{typed}: its features are not all finite, so nothing can be measured on them")
    return torch.from_numpy(numpy.ascontiguousarray(values, dtype=numpy.float32))


def _reason(error: BaseException) -> str:
    """Returns the reason of a failure in words; numpy's own about pickles is a line of its options."""
    text = str(error)
    if "pickle" in text:
        return "it is no .npz file of arrays"
    return getattr(error, "strerror", None) or text or type(error).__name__


"""Reads the pickled statistics of EDM2 and of StyleGAN, without running code that a file could contain.

EDM2 has a dictionary with a part for each network, `fid` and `fd_dinov2`, of `mu` and `sigma`, and `num_images`.
StyleGAN2-ADA, StyleGAN3 and R3GAN keep sums over the images: `raw_mean` [D], `raw_cov` [D, D] of outer products and
`num_items`; some files have `all_features` [N, D] instead. D features.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy

from saddlepoint.data.sources.opening import name_in_errors
from saddlepoint.data.sources.pickles import read_pickled_dictionary
from saddlepoint.errors import RequestError
from saddlepoint.metrics.statistics_files import MEANS, StoredMoments, moments_of


class _Attributes(dict):
    """Stands for dnnlib's EasyDict, a dictionary whose keys are attributes as well, which these files may name."""


ALLOWED = {("dnnlib.util", "EasyDict"): _Attributes, ("dnnlib", "EasyDict"): _Attributes}


class Converted(NamedTuple):
    """Statistics of one network, and what their file says of them."""

    moments: StoredMoments
    about: Mapping[str, Any]


def read(path: Path) -> dict[str, Converted]:
    """Returns the statistics of a pickle by the network's name in it; StyleGAN's, which name none, as `features`.
    Raises a RequestError if there are none, or if the file names anything but arrays."""
    with name_in_errors(path):
        content = read_pickled_dictionary(path.read_bytes(), "file of statistics", ALLOWED)
    if "raw_mean" in content or "all_features" in content:
        return {"features": _of_stylegan(content, path)}
    count = _count(content.get("num_images"))
    parts = {name: part for name, part in content.items() if isinstance(part, dict) and set(MEANS) <= set(part)}
    if set(MEANS) <= set(content):
        parts["features"] = content
    if not parts:
        raise RequestError(f"input={path} holds no statistics, only {', '.join(sorted(content)[:8]) or 'nothing'}: it "
                           "must have mu and sigma (EDM2), or raw_mean and raw_cov (StyleGAN)")
    return {name: Converted(moments_of(_arrays(part, name, path), MEANS, count, f"input={path}: its {name}"),
                            {"of": name, "num_images": count or None}) for name, part in parts.items()}


def _of_stylegan(content: Mapping[str, Any], path: Path) -> Converted:
    """Returns mean and covariance of StyleGAN's sums. Like its own code, it divides the covariance by N, not N - 1."""
    features = content.get("all_features")
    if features is not None:
        parts = [numpy.atleast_2d(_array(each, "all_features", path)) for each in (
            features if isinstance(features, list) else [features])]
        if len({each.shape[1:] for each in parts}) != 1 or parts[0].ndim != 2:
            raise RequestError(f"input={path}: its `all_features` must be rows of as many numbers each, and have the "
                               f"shapes {', '.join(str([*each.shape]) for each in parts[:3])}")
        rows = numpy.concatenate(parts).astype(numpy.float64)
        count, total, outer = len(rows), rows.sum(0), rows.T @ rows
    else:
        count = _count(content.get("num_items"))
        total, outer = (_array(content.get(name), name, path) for name in ("raw_mean", "raw_cov"))
        if total.ndim != 1 or outer.shape != (len(total), len(total)):
            raise RequestError(f"input={path}: `raw_mean` must be [D] and `raw_cov` [D, D] for D features, and they "
                               f"are {[*total.shape]} and {[*outer.shape]}")
    if not count:
        raise RequestError(f"input={path}: its `num_items` must be the number of images, and is "
                           f"{content.get('num_items')!r}")
    mean = numpy.asarray(total, numpy.float64) / count
    covariance = numpy.asarray(outer, numpy.float64) / count - numpy.outer(mean, mean)
    moments = moments_of({"mu": mean, "sigma": covariance}, MEANS, count, f"input={path}")
    return Converted(moments, {"of": "features", "num_images": count, "covariance": "divided by N"})


def _arrays(part: Mapping[str, Any], name: str, path: Path) -> dict[str, numpy.ndarray]:
    return {key: _array(part[key], f"{name}.{key}", path) for key in MEANS}


def _array(value: Any, name: str, path: Path) -> numpy.ndarray:
    if not isinstance(value, numpy.ndarray) or value.dtype.kind not in "fiu":
        raise RequestError(f"input={path}: its `{name}` must be an array of numbers, and is a {type(value).__name__}")
    return value


def _count(value: Any) -> int:
    """Returns a number of images; 0 if it is none."""
    return int(value) if isinstance(value, int | numpy.integer) and value > 0 else 0

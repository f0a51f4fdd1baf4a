"""Seconds from means and covariances to a Fréchet distance: ours, scipy's sqrtm, torchmetrics' eigvals; in turn.

    python benchmarks/frechet.py features=2048 images=4096 rounds=3

Medians of the ratios, and how far the others' values are from ours. scipy.linalg.sqrtm is called as pytorch-fid does.
"""

import statistics
import time
from collections.abc import Callable

import scipy.linalg
import torch
from _arguments import read_arguments
from torch import Tensor
from torchmetrics.image.fid import _compute_fid

from saddlepoint.metrics.frechet import frechet_distance
from saddlepoint.metrics.sums import Moments


def by_sqrtm(mean1: Tensor, covariance1: Tensor, mean2: Tensor, covariance2: Tensor) -> float:
    root = torch.from_numpy(scipy.linalg.sqrtm((covariance1 @ covariance2).numpy()).real)
    return ((mean1 - mean2).square().sum() + (covariance1 + covariance2 - 2 * root).trace()).item()


def by_torchmetrics(mean1: Tensor, covariance1: Tensor, mean2: Tensor, covariance2: Tensor) -> float:
    return _compute_fid(mean1, covariance1, mean2, covariance2).item()


WAYS = {"ours": frechet_distance, "scipy.linalg.sqrtm": by_sqrtm, "torchmetrics": by_torchmetrics}


def random_moments(images: int, features: int, spread: float, seed: int) -> Moments:
    """Gaussian features with standard deviations from 1 down to `spread`, in directions of their own"""
    draws = torch.Generator().manual_seed(seed)
    directions = torch.linalg.qr(torch.randn(features, features, generator=draws)).Q
    deviations = torch.logspace(0, torch.tensor(spread).log10().item(), features)
    return Moments.of(torch.randn(images, features, generator=draws) * deviations @ directions + 0.1 * seed)


def timed(way: Callable[..., float], arguments: tuple[Tensor, ...]) -> tuple[float, float]:
    started = time.perf_counter()
    value = way(*arguments)
    return time.perf_counter() - started, value


def main() -> None:
    arguments = read_arguments({"features": 2048, "images": 4096, "rounds": 3})
    features, images = arguments["features"], arguments["images"]
    print(f"{features} features; torch {torch.__version__}, scipy {scipy.__version__}; "
          f"{torch.get_num_threads()} threads")
    for spread in (1.0, 0.01):
        moments = [random_moments(images, features, spread, seed) for seed in range(2)]
        gaussians = tuple(part for each in moments for part in (each.mean, each.covariance))
        frechet_distance(*gaussians)  # the first call of a LAPACK routine loads it
        rounds = [{name: timed(way, gaussians) for name, way in WAYS.items()} for _ in range(arguments["rounds"])]
        report(f"{images} images, standard deviations from 1 to {spread:g}", rounds)


def report(title: str, rounds: list[dict[str, tuple[float, float]]]) -> None:
    print(f"{title}: ours {statistics.median(each['ours'][0] for each in rounds):.2f} s", flush=True)
    own = rounds[0]["ours"][1]
    for name in list(WAYS)[1:]:
        ratio = statistics.median(each[name][0] / each["ours"][0] for each in rounds)
        difference = abs(rounds[0][name][1] - own) / own
        print(f"  {name} takes {ratio:.1f} times as long; its value differs by {difference:.1e} of ours", flush=True)


if __name__ == "__main__":
    main()

"""Fréchet distance of two Gaussians in D dimensions, in float64, without roots of rounding errors."""

from typing import NamedTuple

import torch
from torch import Tensor

NOISE = 1e-13  # of a feature's mean square: five times what rounding of sums over 50,000 images was seen to leave
PRECISION = 1e-9  # relative to the distance: at worst, where the fast way is good enough


class Gaussian(NamedTuple):
    mean: Tensor  # [D]
    root: Tensor  # [D, rank]; root @ root.T is the covariance


def gaussian(mean: Tensor, covariance: Tensor) -> Gaussian:
    """A direction whose variance cannot be told from rounding has none. Left in, it would count with the square root
    of rounding, 1e-8 for 1e-16, and dead, repeated or undersampled features make many such directions.

    Rounding is in proportion to the mean square of a feature: in units of that, one floor holds for all.
    """
    scale = (covariance.diagonal().clamp(min=0) + mean.square()).sqrt()
    scale = scale.where(scale > 0, 1.0)[:, None]
    scaled = covariance / scale / scale.T
    floor = NOISE * (1 + torch.linalg.matrix_norm(scaled, 1))
    lower, failed = torch.linalg.cholesky_ex(scaled)
    if not failed and _trace_of_inverse(lower) * floor < 1:  # no variance is below one over this trace
        return Gaussian(mean, scale * lower)
    variances, directions = torch.linalg.eigh(scaled)
    kept = variances > floor
    return Gaussian(mean, scale * directions[:, kept] * variances[kept].sqrt())


def _trace_of_inverse(lower: Tensor) -> Tensor:
    """tr (L L^T)^-1 = E |L^-1 z|^2 over z ~ N(0, 1), from eight z: near enough to choose between two ways."""
    probes = torch.randn(len(lower), 8, generator=torch.Generator().manual_seed(0), dtype=lower.dtype)
    return torch.linalg.solve_triangular(lower, probes, upper=False).square().sum() / 8


def nuclear_norm(matrix: Tensor) -> float:
    """Sum of the singular values of M [m, n], each to rounding of the largest.

    LAPACK's SVD without vectors takes several times as long. With the eigenvectors V of M^T M, the columns of M V are
    orthogonal and as long as the singular values, but only those above 1e-4 of the largest, as M^T M squares the range:
    what is left of M V goes round again.
    """
    total = 0.0
    while matrix.numel():
        squares, directions = torch.linalg.eigh(matrix.T @ matrix)
        large = squares > 1e-8 * squares[-1]
        if not large.any():  # zeros
            break
        columns = matrix @ directions
        lengths = columns[:, large].norm(dim=0)
        total += lengths.sum().item()
        axes = columns[:, large] / lengths
        matrix = columns[:, ~large]
        matrix = matrix - axes @ (axes.T @ matrix)
    return total


def sum_of_roots(gram: Tensor) -> tuple[float, float]:
    """gram = M^T M [n, n] -> the nuclear norm of M, and how far off it may be, in a quarter of the time.

    Entries of gram are rounded in proportion to the lengths of two columns of M, so that eigenvalues are off by
    rounding of the trace, and their roots by that over the root.
    """
    noise = torch.finfo(gram.dtype).eps * gram.trace()
    roots = torch.linalg.eigvalsh(gram).clamp(min=noise).sqrt()
    return roots.sum().item(), (noise / roots).nansum().item()


def distance(first: Gaussian, second: Gaussian) -> float:
    """tr (S1 S2)^(1/2) is the nuclear norm of A1^T A2, where S = A A^T."""
    more, fewer = first.root, second.root
    if more.shape[1] < fewer.shape[1]:
        more, fewer = fewer, more
    squares = ((first.mean - second.mean).square().sum() + more.square().sum() + fewer.square().sum()).item()
    product = more.T @ fewer
    total, uncertainty = sum_of_roots(product.T @ product)
    value = squares - 2 * total
    if uncertainty > PRECISION * value:
        value = squares - 2 * nuclear_norm(product)
    return max(0.0, value)  # between equals rounding is left, which may be below 0

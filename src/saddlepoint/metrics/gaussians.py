"""Computes the Fréchet distance of two Gaussians in D dimensions, in float64, so that rounding errors stay small."""

from typing import NamedTuple

import torch
from torch import Tensor

NOISE = 1e-13  # relative to a feature's mean square: five times the rounding error measured over 50,000 images
PRECISION = 1e-9  # greatest relative error of the distance with which the fast way is accepted


class Gaussian(NamedTuple):
    """A normal distribution in D dimensions."""

    mean: Tensor  # [D]
    root: Tensor  # [D, rank]; root @ root.T is the covariance


def gaussian(mean: Tensor, covariance: Tensor) -> Gaussian:
    """Returns the Gaussian with this mean [D] and covariance [D, D].

    Directions whose variance is no larger than rounding errors are left out. Otherwise each would add the square root
    of its rounding error to the distance, 1e-8 for 1e-16, and constant, repeated or undersampled features make many of
    them. Rounding errors grow with the mean square of a feature; in units of it, one threshold holds for all features.
    """
    scale = (covariance.diagonal().clamp(min=0) + mean.square()).sqrt()
    scale = scale.where(scale > 0, 1.0)[:, None]
    scaled = covariance / scale / scale.T
    floor = NOISE * (1 + torch.linalg.matrix_norm(scaled, 1))
    lower, failed = torch.linalg.cholesky_ex(scaled)
    if not failed and _trace_of_inverse(lower) * floor < 1:  # no variance is below one over this trace
        return Gaussian(mean, scale * lower)
    variances, directions = torch.linalg.eigh(scaled)
    large = variances > floor
    return Gaussian(mean, scale * directions[:, large] * variances[large].sqrt())


def _trace_of_inverse(lower: Tensor) -> Tensor:
    """Estimates tr (L L^T)^-1 = E |L^-1 z|^2 over z ~ N(0, 1) from eight z, which suffices to choose between two
    ways."""
    probes = torch.randn(len(lower), 8, generator=torch.Generator().manual_seed(0), dtype=lower.dtype)
    probes = probes.to(lower.device)
    return torch.linalg.solve_triangular(lower, probes, upper=False).square().sum() / 8


def nuclear_norm(matrix: Tensor) -> float:
    """Returns the sum of the singular values of M [m, n]. The error of each is of the order of rounding of the largest.

    With the eigenvectors V of M^T M, the columns of M V are orthogonal, and their lengths are the singular values. This
    is exact only for those above 1e-4 of the largest, since M^T M squares their ratios; the other columns of M V are
    decomposed again. LAPACK's SVD without vectors takes several times as long.
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
    """Returns the nuclear norm of M and a bound of its error, from gram = M^T M [n, n]. It takes a quarter of the time
    of `nuclear_norm`.

    The rounding error of an entry of gram is proportional to the lengths of two columns of M. So the error of an
    eigenvalue is of the order of rounding of the trace, and that of its root is this divided by the root.
    """
    noise = torch.finfo(gram.dtype).eps * gram.trace()
    roots = torch.linalg.eigvalsh(gram).clamp(min=noise).sqrt()
    return roots.sum().item(), (noise / roots).nansum().item()


def distance(first: Gaussian, second: Gaussian) -> float:
    """Returns the Fréchet distance, 0 or more. tr (S1 S2)^(1/2) is the nuclear norm of A1^T A2, where S = A A^T."""
    more, fewer = first.root, second.root
    if more.shape[1] < fewer.shape[1]:
        more, fewer = fewer, more
    squares = ((first.mean - second.mean).square().sum() + more.square().sum() + fewer.square().sum()).item()
    product = more.T @ fewer
    total, uncertainty = sum_of_roots(product.T @ product)
    value = squares - 2 * total
    if uncertainty > PRECISION * value:
        value = squares - 2 * nuclear_norm(product)
    return max(0.0, value)  # rounding may put the distance of equal Gaussians below 0

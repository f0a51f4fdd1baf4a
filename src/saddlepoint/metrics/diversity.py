"""Measures how different images are from one another. N images of D features each."""

from torch import Tensor


def spread(features: Tensor) -> Tensor:
    """Returns tr Cov = 1/(N-1) sum_i |f_i - mean|^2 of features [N, D], in float64; exactly 0 if all rows are equal.

    This is half the mean squared distance of two different rows: 1/(N(N-1)) sum_{i != j} |f_i - f_j|^2 = 2 tr Cov. So
    the ratio of two sets' spreads is that of their mean squared distances, however many rows each has.
    """
    rows = features.cpu().double()  # sums of equal float32 numbers are exact
    return (rows - rows.sum(0) / len(rows)).square().sum() / (len(rows) - 1)

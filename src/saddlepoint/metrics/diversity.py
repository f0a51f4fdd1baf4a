"""How different images are from one another. N images of D features each."""

from torch import Tensor


def spread(features: Tensor) -> Tensor:
    """[N, D] -> tr Cov = 1/(N-1) sum_i |f_i - mean|^2, in float64; exactly 0 where all rows are the same.

    Half the mean squared distance of two different rows: 1/(N(N-1)) sum_{i != j} |f_i - f_j|^2 = 2 tr Cov. So the ratio
    of two sets' spreads is that of their mean squared distances, however many rows each has.
    """
    rows = features.cpu().double()  # sums of equal float32 numbers are exact
    return (rows - rows.sum(0) / len(rows)).square().sum() / (len(rows) - 1)

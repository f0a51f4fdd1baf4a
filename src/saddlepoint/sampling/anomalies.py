"""Tells how well scores separate images like those of training from others. N and M images."""

import torch
from torch import Tensor


def auroc(normal: Tensor, anomalous: Tensor) -> float:
    """Returns the area under the receiver operating characteristic, from scores [N] and [M] that are higher for
    anomalies: 1 if all of these are higher, 0.5 if scores say nothing.

    It is the probability that an anomaly scores higher than a normal image, where a tie counts half (Hanley and McNeil
    1982, https://doi.org/10.1148/radiology.143.1.7063747): the statistic of Mann and Whitney, divided by N M.
    """
    if not len(normal) or not len(anomalous):
        raise ValueError("There is no AUROC of scores of which one set is empty")
    ordered = normal.double().sort().values
    anomalous = anomalous.double()
    below, not_above = (torch.searchsorted(ordered, anomalous, right=right) for right in (False, True))
    return (below + not_above).double().mean().item() / (2 * len(normal))

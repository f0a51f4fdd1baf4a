"""The area under the ROC, by counting pairs and by SciPy's test of Mann and Whitney."""

import pytest
import torch
from scipy.stats import mannwhitneyu

from saddlepoint.sampling.anomalies import auroc


def test_it_is_the_share_of_pairs_in_which_the_anomaly_scores_higher():
    draws = torch.Generator().manual_seed(0)
    normal, anomalous = torch.randn(40, generator=draws), torch.randn(25, generator=draws) + 0.7
    pairs = (anomalous[:, None] > normal).double().mean().item()
    assert auroc(normal, anomalous) == pytest.approx(pairs)
    assert auroc(normal, anomalous) == pytest.approx(mannwhitneyu(anomalous, normal).statistic / (40 * 25))


def test_ties_count_half():
    normal, anomalous = torch.tensor([1.0, 2.0, 2.0, 3.0]), torch.tensor([2.0, 4.0])
    assert auroc(normal, anomalous) == pytest.approx((1 + 2 / 2 + 0 + 4) / 8)
    assert auroc(normal, anomalous) == pytest.approx(mannwhitneyu(anomalous, normal).statistic / 8)


@pytest.mark.parametrize(("shift", "area"), [(5.0, 1.0), (-5.0, 0.0), (0.0, 0.5)])
def test_sets_that_are_apart_and_sets_that_are_alike(shift, area):
    scores = torch.arange(5.0)
    assert auroc(scores, scores + shift) == area


def test_an_empty_set_is_refused():
    with pytest.raises(ValueError, match="one set is empty"):
        auroc(torch.zeros(0), torch.ones(2))

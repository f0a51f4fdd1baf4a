"""The kernel distance, against its definition, torch-fidelity and expectations known in closed form."""

import pytest
import torch
from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric

from saddlepoint.metrics.kernel import KernelDistance, subset_interval
from tests.metrics.features import normal, sample, setup


def whole(real, fake, degree: int = 3) -> float:
    """Of all images at once: subsets that are the whole set differ in nothing."""
    return KernelDistance(1, len(real), degree).measure(sample(real), sample(fake), 0, 0).value


def definition(real, fake, degree: int = 3) -> float:
    """Binkowski et al. 2018, section 4, term by term"""
    def kernel(x, y):
        return (x.dot(y) / len(x) + 1) ** degree

    m = len(real)
    pairs = [(i, j) for i in range(m) for j in range(m)]
    within = sum(kernel(x[i], x[j]) for x in (real.double(), fake.double()) for i, j in pairs if i != j)
    between = sum(kernel(real[i].double(), fake[j].double()) for i, j in pairs)
    return (within / (m * (m - 1)) - 2 * between / m**2).item()


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_it_is_the_unbiased_estimate_of_the_squared_mmd(degree):
    real, fake = normal(8, 5, seed=0), 1 + 2 * normal(8, 5, seed=1)
    assert whole(real, fake, degree) == pytest.approx(definition(real, fake, degree), rel=1e-12)


def test_it_is_torch_fidelitys():
    real, fake = normal(150, 16, seed=2).double(), 0.3 + normal(150, 16, seed=3).double()
    theirs = kid_features_to_metric(real, fake, kid_subsets=2, kid_subset_size=150, verbose=False)
    assert whole(real, fake) == pytest.approx(theirs[KEY_METRIC_KID_MEAN], rel=1e-9)


def test_with_degree_1_it_is_the_squared_distance_of_the_means_less_its_bias():
    """E|m1 - m2|^2 = |mu1 - mu2|^2 + tr(S1)/N + tr(S2)/N, so the unbiased estimate is with the sample's own
    covariances; divided by D = 6. The kernel's + 1 cancels."""
    real, fake = normal(50, 6, seed=4).double(), 0.5 + 3 * normal(50, 6, seed=5).double()
    gap = (real.mean(0) - fake.mean(0)).square().sum()
    bias = (real.var(0).sum() + fake.var(0).sum()) / 50
    assert whole(real, fake, degree=1) == pytest.approx(((gap - bias) / 6).item(), rel=1e-10)


def test_the_same_distribution_scores_0_on_average_and_less_than_0_now_and_then():
    scores = torch.tensor([whole(normal(40, 4, seed), normal(40, 4, 10_000 + seed)) for seed in range(300)])
    assert scores.mean().abs() < 3.5 * scores.std() / 300**0.5
    assert scores.min() < 0


def test_another_mean_and_another_spread_score_above_0():
    real = normal(200, 4, seed=6)
    assert whole(real, 1 + normal(200, 4, seed=7)) > 0.1
    assert whole(real, 3 * normal(200, 4, seed=7)) > 0.1


def test_the_value_is_the_mean_over_subsets_of_both_sets():
    """Real images 0, 0, 1 and fakes 2, 2 in one dimension, subsets of 2, degree 1: k(x, y) = xy + 1, the squared MMD of
    {a, b} and {2, 2} is ab + 4 - 2(a + b). {0, 0}: 4; {0, 1}, two of three subsets: 2. Their mean is 8/3, the standard
    deviation sqrt(8)/3, over 400 subsets 0.047."""
    real, fake = torch.tensor([[0.0], [0.0], [1.0]]), torch.tensor([[2.0], [2.0]])
    estimates = KernelDistance(400, 2, 1).estimates(real, fake, seed=0)
    assert set(estimates.tolist()) == {2.0, 4.0}
    measured = KernelDistance(400, 2, 1).measure(sample(real), sample(fake), 0, 0)
    assert measured.value == estimates.mean().item() == pytest.approx(8 / 3, abs=4 * 0.047)
    assert measured.settings == {"subsets": 400, "subset_size": 2, "degree": 1}


def test_a_mean_over_subsets_varies_about_the_value_of_all_images():
    real, fake = normal(200, 4, seed=8), 0.5 + normal(200, 4, seed=9)
    estimates = KernelDistance(400, 50).estimates(real, fake, seed=1)
    assert estimates.mean().item() == pytest.approx(whole(real, fake), abs=4 * estimates.std().item() / 20)


@pytest.mark.parametrize("subset_size", [12, 60])
def test_the_interval_covers_the_truth_in_95_of_100_samples(subset_size):
    """Degree 1: the truth is |mu1 - mu2|^2 / D = 1. Binomial(100, 0.95) is at least 88 with probability 0.999."""
    covered = 0
    for seed in range(100):
        real, fake = sample(normal(120, 2, seed)), sample(1 + normal(120, 2, 10_000 + seed))
        low, high = KernelDistance(50, subset_size, 1).measure(real, fake, seed, resamples=1).interval
        covered += low <= 1 <= high
    assert covered >= 88


def test_the_interval_is_the_standard_error_from_the_spread_of_subsets():
    """Values 1 and 3: s^2 = 2, mean 2. Subsets of 1 in 5 images: error^2 = 2 (1/4 + 1/2)"""
    low, high = subset_interval(torch.tensor([1.0, 3.0]), 20, 100)
    assert (low, high) == pytest.approx((2 - 1.96 * 1.5**0.5, 2 + 1.96 * 1.5**0.5))


def test_one_subset_or_subsets_of_all_images_give_no_interval():
    assert subset_interval(torch.tensor([1.0]), 20, 100) is None
    assert subset_interval(torch.tensor([1.0, 1.0]), 100, 100) is None
    images = sample(normal(10, 2, seed=0))
    assert KernelDistance(5, 4).measure(images, images, 0, resamples=0).interval is None


def test_subsets_depend_on_the_seed_alone_and_leave_torchs_generator_alone():
    real, fake, state = normal(50, 3, seed=0), normal(60, 3, seed=1), torch.get_rng_state()
    first, again, other = (KernelDistance(3, 20).estimates(real, fake, seed) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_subsets_larger_than_a_set_are_refused_with_the_size_that_fits():
    metric = KernelDistance(subset_size=1000)
    assert metric.problem(setup(num_real=1000, num_fake=1000)) is None
    for counts in ({"num_real": 700}, {"num_fake": 700}):
        sentence = metric.problem(setup(**counts))
        assert "kid_digits" in sentence and "metrics.kid.subset_size=700" in sentence and "subset_size=1000" in sentence


@pytest.mark.parametrize("setting, value", [("subsets", 0), ("subset_size", 1), ("degree", 0)])
def test_a_setting_out_of_range_is_named(setting, value):
    with pytest.raises(ValueError, match=f"metrics.kid.{setting}={value}"):
        KernelDistance(**{setting: value})

"""Precision, recall, density and coverage: by hand, as the papers define them, and as torch-fidelity does."""

import pytest
import torch
from torch_fidelity.metric_prc import KEY_METRIC_PRECISION, KEY_METRIC_RECALL, prc_features_to_metric

from saddlepoint.metrics import precision_recall
from saddlepoint.metrics.precision_recall import Coverage, Density, Precision, Recall, in_open_balls
from tests.metrics.features import normal, points, sample, setup

ALL = (Precision, Recall, Density, Coverage)

# Real images, with the distance to the nearest other:         A (0, 0) 1   B (1, 0) 1   C (4, 0) 3   D (4, 4) 4
# Fakes, likewise:                                             P (0, 1) 3   Q (3, 1) 3   R (9, 9) sqrt(100)
REAL = points((0, 0), (1, 0), (4, 0), (4, 4))
FAKE = points((0, 1), (3, 1), (9, 9))


def value(metric, real, fake) -> float:
    return metric.measure(sample(real), sample(fake), seed=0, resamples=0).value


def test_by_hand_with_one_neighbour():
    """Distances from A: P 1, Q sqrt(10), R sqrt(162). B: P sqrt(2), Q sqrt(5). C: P sqrt(17), Q sqrt(2), R sqrt(106).
    D: P 5, Q sqrt(10), R sqrt(50).

    Balls of real images. A, radius 1: P on its surface. B, 1: none. C, 3: Q inside. D, 4: Q inside.
    Precision: P (A's surface counts) and Q of three. Density: P in 0, Q in 2, R in 0, over one neighbour times 3 fakes.
    Coverage: C and D of four.
    Balls of fakes, radii P 3, Q 3, R 10. A in P's; B in P's and Q's; C in Q's; D in R's (sqrt(50) < 10). Recall 1.
    """
    assert value(Precision(1), REAL, FAKE) == pytest.approx(2 / 3)
    assert value(Recall(1), REAL, FAKE) == 1
    assert value(Density(1), REAL, FAKE) == pytest.approx(2 / 3)
    assert value(Coverage(1), REAL, FAKE) == pytest.approx(2 / 4)


def test_by_hand_with_two_neighbours():
    """Real radii: A 4, B 3, C 4, D 5 (to B). P in the balls of A, B, and on the surface of D (C is sqrt(17) > 4 away);
    Q in A, B, C and D; R in none. Precision 2/3; density (2 + 4 + 0) / (2 * 3) = 1; coverage: each of the four.
    Fake radii: P sqrt(145), Q 10, R sqrt(145): recall 1."""
    assert value(Precision(2), REAL, FAKE) == pytest.approx(2 / 3)
    assert value(Density(2), REAL, FAKE) == pytest.approx(1)
    assert value(Coverage(2), REAL, FAKE) == 1
    assert value(Recall(2), REAL, FAKE) == 1


def test_real_images_against_themselves_are_perfect():
    """Density: an image lies in its own ball and those of k - 1 others on average; the k-th is on its surface."""
    images = normal(100, 6, seed=0)
    for metric in (Precision(3), Recall(3), Coverage(5)):
        assert value(metric, images, images) == value(metric, images, images.clone()) == 1
    assert value(Density(5), images, images) == pytest.approx(1, rel=1e-12)
    assert value(Density(5), images, images.clone()) == pytest.approx(1, rel=1e-12)


def test_fakes_far_away_are_worth_nothing():
    for metric in (Precision(), Recall(), Density(), Coverage()):
        assert value(metric, normal(50, 6, seed=1), 1000 + normal(50, 6, seed=2)) == 0


def test_one_fake_over_and_over_is_precise_and_recalls_nothing():
    real = normal(80, 6, seed=3)
    fake = real[:1].repeat(80, 1)
    assert value(Precision(), real, fake) == 1
    assert value(Recall(), real, fake) == 1 / 80  # balls of radius 0 hold the image that was copied
    assert value(Coverage(), real, fake) < 0.2


def test_a_fake_that_copies_a_real_image_of_which_there_are_many_copies_is_precise():
    """Balls of radius 0: distances between copies must be exactly 0."""
    image = 100 * normal(1, 333, seed=4)
    assert value(Precision(), image.repeat(10, 1), image.clone()) == 1


@pytest.mark.parametrize("neighbours", [1, 3, 5])
def test_precision_and_recall_are_torch_fidelitys(neighbours):
    real, fake = normal(150, 5, seed=5), 0.4 + normal(120, 5, seed=6)
    theirs = prc_features_to_metric(fake, real, prc_neighborhood=neighbours, prc_batch_size=1000, save_cpu_ram=False,
                                    verbose=False)
    assert 0.2 < theirs[KEY_METRIC_PRECISION] < 1 and 0.2 < theirs[KEY_METRIC_RECALL] < 1
    assert value(Precision(neighbours), real, fake) == pytest.approx(theirs[KEY_METRIC_PRECISION], rel=1e-6)
    assert value(Recall(neighbours), real, fake) == pytest.approx(theirs[KEY_METRIC_RECALL], rel=1e-6)


def by_definition(real, fake, k: int) -> dict[str, float]:
    """Kynkaanniemi et al. 2019, section 2; Naeem et al. 2020, section 3; a point at a time"""
    def radius(images, i):
        return sorted((images[i] - other).norm().item() for j, other in enumerate(images) if j != i)[k - 1]

    real, fake = real.double(), fake.double()
    real_radii = [radius(real, i) for i in range(len(real))]
    fake_radii = [radius(fake, j) for j in range(len(fake))]
    gap = [[(x - y).norm().item() for y in fake] for x in real]
    rows, columns = range(len(real)), range(len(fake))
    return {
        "precision": sum(any(gap[i][j] <= real_radii[i] for i in rows) for j in columns) / len(fake),
        "recall": sum(any(gap[i][j] <= fake_radii[j] for j in columns) for i in rows) / len(real),
        "density": sum(gap[i][j] < real_radii[i] for i in rows for j in columns) / (k * len(fake)),
        "coverage": sum(min(gap[i]) < real_radii[i] for i in rows) / len(real),
    }


@pytest.mark.parametrize("neighbours", [1, 2, 5])
@pytest.mark.parametrize("count", [9, 20, 31])
def test_they_are_what_the_papers_define(neighbours, count):
    real, fake = normal(20, 3, seed=7), 0.5 + normal(count, 3, seed=8)
    for kind in ALL:
        assert value(kind(neighbours), real, fake) == pytest.approx(by_definition(real, fake, neighbours)[kind.name])


def test_of_the_same_distribution_density_is_1_and_coverage_is_known_on_average():
    """Naeem et al. 2020, section 3, for N = M: E[density] = 1. The nearest fake is farther than the k-th of the N - 1
    other real images if the first k of all 2 N - 1 are real: E[coverage] = 1 - prod (N - i) / (2 N - i), i = 1..k"""
    count, neighbours, measured = 30, 2, {Density: [], Coverage: []}
    for seed in range(200):
        real, fake = normal(count, 3, seed), normal(count, 3, 10_000 + seed)
        for kind, values in measured.items():
            values.append(value(kind(neighbours), real, fake))
    none = (29 / 59) * (28 / 58)
    for kind, truth in ((Density, 1), (Coverage, 1 - none)):
        values = torch.tensor(measured[kind])
        assert values.mean().item() == pytest.approx(truth, abs=3.5 * values.std().item() / 200**0.5)


def test_the_interval_is_about_two_standard_errors_each_way():
    """Of a share p of M fakes: 1.96 sqrt(p (1 - p) / M)"""
    real, fake = sample(normal(200, 4, seed=9)), sample(1 + normal(150, 4, seed=10))
    measured = Precision(3).measure(real, fake, seed=0, resamples=1000)
    half_width = 1.96 * (measured.value * (1 - measured.value) / 150) ** 0.5
    assert 0.2 < measured.value < 0.9
    assert measured.interval == pytest.approx((measured.value - half_width, measured.value + half_width),
                                              abs=0.15 * half_width)
    assert measured.settings == {"neighbours": 3}


@pytest.mark.parametrize("kind", ALL)
def test_the_interval_depends_on_the_seed_alone_and_leaves_torchs_generator_alone(kind):
    real, fake, state = sample(normal(60, 2, seed=11)), sample(2 + normal(60, 2, seed=12)), torch.get_rng_state()
    first, again, other = (kind().measure(real, fake, seed, 50).interval for seed in (1, 1, 2))
    assert first == again != other
    assert torch.equal(torch.get_rng_state(), state)


def test_metrics_of_one_round_look_at_the_distances_of_each_kind_once(monkeypatch):
    """Real images with fakes at 3 and at 5 neighbours, fakes with real images at 3: three times, not four."""
    looked = []
    monkeypatch.setattr(precision_recall, "tiles",
                        lambda *sets, tiles=precision_recall.tiles: looked.append(sets) or tiles(*sets))
    real, fake = normal(30, 3, seed=13), normal(30, 3, seed=14)
    for metric in (Precision(), Recall(), Density(), Coverage()):
        value(metric, real, fake)
    assert len(looked) == 3
    assert in_open_balls(real, fake, 5) is in_open_balls(real, fake, 5)


@pytest.mark.parametrize("kind, counted, other", [
    (Precision, "num_real", "num_fake"), (Recall, "num_fake", "num_real"), (Density, "num_real", "num_fake"),
    (Coverage, "num_real", "num_fake")])
def test_fewer_images_than_neighbours_are_refused_with_a_number_that_fits(kind, counted, other):
    metric = kind(neighbours=7)
    assert metric.problem(setup(**{counted: 8, other: 1})) is None
    sentence = metric.problem(setup(**{counted: 7}))
    assert f"{kind.name}_digits" in sentence and f"metrics.{kind.name}.neighbours=7" in sentence
    assert f"type metrics.{kind.name}.neighbours=6" in sentence
    assert "type" not in metric.problem(setup(**{counted: 1}))


@pytest.mark.parametrize("kind", ALL)
def test_a_setting_out_of_range_is_named(kind):
    with pytest.raises(ValueError, match=f"metrics.{kind.name}.neighbours=0"):
        kind(neighbours=0)

"""Pictures of points in training: what they show is what the networks say, and training does not notice."""

import pytest
import torch
from PIL import Image

from saddlepoint import build
from saddlepoint.data.mixtures import Ring
from saddlepoint.errors import RequestError
from saddlepoint.losses.adversarial import Wasserstein
from saddlepoint.networks.points import DiracDiscriminator
from saddlepoint.runs import checkpoint
from saddlepoint.training.callbacks import point_charts, point_clouds
from saddlepoint.training.callbacks.point_charts import Plane
from saddlepoint.training.callbacks.point_clouds import DiracPath, PointClouds
from saddlepoint.training.train import train
from tests.composing import settings
from tests.game.dirac import dirac_game, points

SMALL = ("trainer=cpu", "logger=none", "callbacks=[none,points]", "callbacks.sample_quality.metric=[]",
         "callbacks.point_clouds.num_points=20", "callbacks.point_clouds.every_images=16")
RING = ("data=ring", "data.num_points=64", "data.batch_size=8", "model=points", "model.generator.widths=[4]",
        "model.discriminator.widths=[4]", "trick=[packing,spectral_norm]", "budget.images=32")


def module_of(run):
    return checkpoint.load(run / "checkpoints" / "last.ckpt")["module"]


@pytest.fixture(scope="module")
def on_ring(tmp_path_factory):
    return train(settings(*SMALL, *RING), tmp_path_factory.mktemp("points") / "ring")


def test_they_change_no_bit(on_ring, tmp_path):
    none = module_of(train(settings("trainer=cpu", "logger=none", *RING, "callbacks=none"), tmp_path / "none"))
    tensors = {name: value for name, value in none.items() if isinstance(value, torch.Tensor)}
    assert tensors and all(torch.equal(value, module_of(on_ring)[name]) for name, value in tensors.items())


def test_three_charts_stand_beside_each_other_at_each_moment_and_at_the_end(on_ring):
    files = sorted((on_ring / "samples").iterdir())
    assert [file.name for file in files] == [f"points_{seen:010d}.png" for seen in (0, 16, 32)]
    assert {Image.open(file).size for file in files} == {(1200, 400)}
    assert len({file.read_bytes() for file in files}) == 3


def test_images_are_refused():
    with pytest.raises(RequestError, match="leave point_clouds out of callbacks="):
        PointClouds(build.data(settings("data=mnist5k")), None, [])


# What is drawn


def test_the_plane_of_two_coordinates_is_theirs_and_holds_all_data_with_a_margin():
    real = torch.tensor([[1.0, 2.0], [3.0, 10.0], [2.0, 6.0]])
    plane = Plane.of(real)
    torch.testing.assert_close(plane.project(real), real.double())
    assert plane.limits == pytest.approx((2 - 5.6, 2 + 5.6, 6 - 5.6, 6 + 5.6))  # 1.4 times the 4 to each side


def test_data_in_many_dimensions_is_shown_where_it_varies_most():
    draws = torch.Generator().manual_seed(0)
    axes = torch.linalg.qr(torch.randn(6, 2, generator=draws, dtype=torch.float64)).Q.T
    places = torch.randn(50, 2, generator=draws, dtype=torch.float64) * torch.tensor([5.0, 1.0])
    places -= places.mean(0)
    plane = Plane.of(places @ axes + 3)
    torch.testing.assert_close(plane.lift(plane.project(places @ axes + 3)), places @ axes + 3)  # nothing is lost
    covariance = plane.project(places @ axes + 3).T.cov()
    assert covariance[0, 0] > 4 * covariance[1, 1] and covariance[0, 1].abs() < 1e-9


def test_points_of_one_place_have_limits_all_the_same():
    plane = Plane.of(torch.zeros(3, 1))
    assert plane.limits == (-2, 2, -2, 2)
    assert plane.project(torch.tensor([[0.5]])).tolist() == [[0.5, 0]]


def test_each_point_counts_for_its_nearest_mode():
    centres = Ring(4, 1.0).centres  # right, up, left, down
    shown = torch.tensor([[2.0, 0.1], [0.9, 0.0], [-0.1, -5.0]])
    assert point_charts.counts_of_modes(shown, centres).tolist() == [2, 0, 0, 1]


def test_the_field_of_a_linear_discriminator_of_packs_is_that_of_its_copies():
    """D(x, x) = psi_1 x + psi_2 x, so its slope is psi_1 + psi_2 everywhere."""
    network, plane = DiracDiscriminator(4), Plane.of(torch.tensor([[-1.0, -1.0], [1.0, 1.0]]))
    network.psi.data = torch.tensor([1.0, 2.0, 3.0, 5.0])
    places = torch.tensor([[0.5, 0.0], [1.0, -1.0]])
    values, slopes = point_charts.logits(network, plane, places, 2, torch.device("cpu"))
    assert values.tolist() == [2.0, -3.0]
    assert slopes.tolist() == [[4.0, 7.0]] * 2
    assert network.psi.grad is None


# The path of a Dirac-GAN


def test_the_path_ends_where_the_game_does_and_goes_on_from_a_checkpoint(tmp_path):
    run = train(settings("experiment=dirac", *SMALL, "budget.images=5"), tmp_path / "dirac")
    saved = checkpoint.load(run / "checkpoints" / "last.ckpt")
    state, module = saved["processes"][0]["callbacks"]["PointClouds"], saved["module"]
    assert state["steps"] == 5 and state["places"][0].tolist() == [1, 1]
    assert state["places"][-1].tolist() == [module["generator.theta"].item(), module["discriminator.psi"].item()]
    going_on = DiracPath()
    going_on.load_state_dict(state)
    assert going_on.state_dict()["places"].tolist() == state["places"].tolist()


def test_a_long_path_is_thinned_and_keeps_its_ends(monkeypatch):
    monkeypatch.setattr(point_clouds, "MOST_PLACES", 8)
    game, path = dirac_game(Wasserstein()), DiracPath()
    for step in range(31):
        game.generator.theta.data.fill_(step)
        path.begin(game) if step == 0 else path.add(game)
    assert path.places()[:, 0].tolist() == [0, 4, 8, 12, 16, 20, 24, 28, 30]


def test_the_field_under_the_path_is_that_of_the_game_that_is_played():
    torch.testing.assert_close(point_charts.dirac_field(dirac_game(Wasserstein()).float())(points(2, 3).float()),
                               points(3, -2).float())

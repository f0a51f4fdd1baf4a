"""A run of points from its first step to its files: measured, resumed, drawn, evaluated, exported, compared."""

import json
from pathlib import Path

import numpy
import pytest
import torch

import saddlepoint
from saddlepoint.errors import RequestError
from saddlepoint.training import train
from tests.comparing_runs import same
from tests.composing import settings
from tests.training.test_resuming import die, go_on

TINY = ("model=points", "model.latents.size=4", "model.generator.widths=[8]", "model.discriminator.widths=[8]",
        "trainer=cpu", "data.batch_size=8", "budget.images=96", "seed=5", "callbacks.checkpointing.every_images=24",
        "callbacks.scalars.every_images=16")
WATCHED = ("callbacks.sample_quality.num_fake=128", "callbacks.sample_quality.num_real=256",
           "callbacks.sample_quality.every_images=48", "callbacks.health.every_images=32",
           "callbacks.point_clouds.every_images=64", "callbacks.point_clouds.num_points=100")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("points") / "run"
    return train.train(settings(*TINY, *WATCHED, "data=grid", "trick=ema", "logger=none"), path)


def values_of(run: Path) -> dict[str, float | None]:
    measured = json.loads((run / "metrics.json").read_text())["metrics"]
    return {each["name"]: each["value"] for each in measured}


def test_a_run_of_points_is_measured_by_its_modes(run):
    assert values_of(run).keys() == {"modes_mixture", "high_quality_mixture", "mode_kl_mixture"}
    assert 0 <= values_of(run)["high_quality_mixture"] <= 1


@pytest.mark.parametrize("data", [("data=ring", "data.num_points=40", "data.fixed_packs=2", "trick=[r1,ema]"),
                                  ("data=ring", "data.num_points=null", "model.turns.order=simultaneous")])
def test_a_run_of_points_that_died_ends_as_one_that_never_did(data, tmp_path, monkeypatch):
    made = settings(*TINY, *WATCHED, *data)
    train.train(made, tmp_path / "whole")
    die(made, tmp_path / "broken", 56, monkeypatch)
    go_on(made, tmp_path / "broken")
    same(tmp_path / "whole", tmp_path / "broken")


def test_evaluate_measures_what_training_measured(run):
    measured = saddlepoint.evaluate(run=run, metric=["modes", "high_quality"], num_fake=128, num_real=256)
    assert measured == {name: values_of(run)[name] for name in ("modes_mixture", "high_quality_mixture")}


def test_points_are_drawn_as_numbers_beside_a_picture_and_into_archives(run):
    picture, array = saddlepoint.sample(run=run, count=70, seed=3)
    points = numpy.load(array)
    assert points.shape == (70, 2) and points.dtype == numpy.float32
    assert picture.suffix == ".png" and picture.stat().st_size > 100
    [archive] = saddlepoint.sample(run=run, count=70, seed=3, format="npz")
    assert numpy.array_equal(numpy.load(archive)["arr_0"], points)


def test_a_generator_of_points_is_loaded_and_called(run):
    generator = saddlepoint.load_generator(run)
    _, array = saddlepoint.sample(run=run, count=20, seed=1)
    torch.testing.assert_close(generator.sample(20, seed=1), torch.from_numpy(numpy.load(array)))
    assert generator.dimensions == 2


def test_a_generator_of_points_is_exported(run, tmp_path):
    path = saddlepoint.export(run=run, format="pt2", output=tmp_path / "generator.pt2")
    with path.open("rb") as file:
        network = torch.export.load(file).module()
    generator = saddlepoint.load_generator(run)
    latents = torch.randn(6, 4)
    torch.testing.assert_close(network(latents), generator(latents))


def test_runs_of_points_are_compared(run):
    table = saddlepoint.compare(runs=run)
    assert "modes_mixture" in str([*table.columns])


@pytest.mark.parametrize(("values", "words"), [
    ({"interpolate": [3, 8]}, "This run makes points of 2 coordinates, and interpolate= is for images"),
    ({"files": True}, "This run makes points of 2 coordinates, and files= is for images"),
    ({"class": 3}, "this run's generator takes no classes"),
    ({"format": "zip"}, "This run makes points, and format=zip is an archive of pictures: type format=npz"),
])
def test_sample_refuses_what_needs_images(run, values, words):
    with pytest.raises(RequestError, match=words):
        saddlepoint.sample(run=run, **values)


@pytest.mark.parametrize("values", [{"channels": 3}, {"image_size": 32}, {"real": "photos"},
                                    {"quantisation": "truncated"}])
def test_evaluate_refuses_what_needs_images(run, values):
    [name] = values
    with pytest.raises(RequestError, match=f"{name}=.* is about images, and this run makes points of 2 coordinates"):
        saddlepoint.evaluate(run=run, **values)


def test_pictures_of_images_are_refused_for_points(tmp_path):
    with pytest.raises(RequestError, match="callbacks.image_grid draws images, and data=ring has points: type"):
        train.train(settings(*TINY, "data=ring", "callbacks=default", "callbacks.sample_quality.metric=[]"),
                    tmp_path / "run")


def test_the_dirac_gan_rests_at_the_data_with_a_penalty_and_not_without(tmp_path):
    """Alternating steps of 0.1: minimax keeps its distance of about sqrt(2) for ever, R1 pulls it in."""
    distances = {}
    for tricks in ("trick=[]", "trick=[r1]"):
        path = train.train(settings("experiment=dirac", tricks, "tricks.r1.gamma=0.6", "logger=none", "trainer=cpu",
                                    "budget.images=160", "callbacks=none", "callbacks.scalars.every_images=160"),
                           tmp_path / tricks)
        state = torch.load(path / "checkpoints" / "last.ckpt", weights_only=False)["module"]
        distances[tricks] = float(state["generator.theta"].square() + state["discriminator.psi"].square())
    assert distances["trick=[]"] > 1 and distances["trick=[r1]"] < 0.01

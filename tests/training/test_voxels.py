"""A run of voxels from its first step to its files: pictures, resumed to the bit while D rests, drawn, as meshes."""

import re
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image

import saddlepoint
from saddlepoint.commands.recipe_refusals import problems_of
from saddlepoint.errors import RequestError
from saddlepoint.training import train
from saddlepoint.training.callbacks.voxel_pictures import filled
from tests.comparing_runs import same
from tests.composing import settings
from tests.training.test_resuming import die, go_on

TINY = ("model=gan3d_small", "data=made_voxels", "data.edge=8", "data.num_shapes=24", "data.batch_size=8",
        "model.latents.size=4", "model.generator.width=2", "model.discriminator.width=2", "trainer=cpu", "seed=5",
        "model.turns.rest_above_accuracy=0.55", "budget.images=96", "callbacks.checkpointing.every_images=24",
        "callbacks.scalars.every_images=16", "callbacks.voxel_pictures.every_images=48")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return train.train(settings(*TINY, "trick=ema", "logger=none"), tmp_path_factory.mktemp("voxels") / "run")


def test_a_run_draws_its_shapes_above_real_ones(run):
    drawn = sorted((run / "samples").glob("voxels_*.png"))
    assert [path.stem for path in drawn] == ["voxels_0000000000", "voxels_0000000048", "voxels_0000000096"]
    pixels = numpy.asarray(Image.open(drawn[-1]))
    assert pixels.shape == (3 * 96 + 2 * 2, 8 * 96 + 7 * 2)  # two rows of fakes and one of reals
    assert len({*pixels[-96:].ravel().tolist()}) > 20  # shaded


def test_rows_are_filled_with_black():
    images = torch.full((5, 1, 2, 2), 7, dtype=torch.uint8)
    assert filled(images, 4).sum((1, 2, 3)).tolist() == [28] * 5 + [0] * 3
    assert len(filled(images, 5)) == 5


def test_a_run_that_died_while_d_rested_at_times_ends_as_one_that_never_did(tmp_path, monkeypatch):
    made = settings(*TINY)
    train.train(made, tmp_path / "whole")
    die(made, tmp_path / "broken", 56, monkeypatch)
    go_on(made, tmp_path / "broken")
    same(tmp_path / "whole", tmp_path / "broken")


def test_shapes_are_drawn_as_numbers_and_meshes_beside_a_picture(run):
    picture, array, *files = saddlepoint.sample(run=run, count=3, seed=2, mesh="ply", threshold=0.4)
    voxels = numpy.load(array)
    assert voxels.shape == (3, 8, 8, 8) and voxels.min() >= 0 and voxels.max() <= 1
    generator = saddlepoint.load_generator(run)
    assert generator.edge == 8
    torch.testing.assert_close(generator.sample(20, seed=2)[:3, 0], torch.from_numpy(voxels))
    assert Image.open(picture).size[1] == 2 * 96 + 2
    assert len(files) == sum(each.max() > 0.4 for each in voxels)
    assert all(file.read_text().startswith("ply\n") for file in files)


@pytest.mark.parametrize(("values", "words"), [
    ({"interpolate": [3, 8]}, "This run makes shapes of voxels, and interpolate= is for images"),
    ({"files": True}, "This run makes shapes of voxels, and files= is for images"),
    ({"class": 3}, "this run's generator takes no classes"),
    ({"format": "npz"}, "format=npz and format=zip are archives of images, and this run makes shapes of voxels"),
])
def test_sample_refuses_what_needs_images(run, values, words):
    with pytest.raises(RequestError, match=words):
        saddlepoint.sample(run=run, **values)


def test_evaluate_and_pictures_of_images_are_refused(run, tmp_path):
    with pytest.raises(RequestError, match="is of a model that makes shapes of voxels, and metrics look at images"):
        saddlepoint.evaluate(run=run)
    without = [each for each in TINY if not each.startswith("callbacks.voxel")]
    for more, words in ((("callbacks=default",), "data=made_voxels has shapes of voxels, and metrics look"),
                        (("callbacks=default", "callbacks.health.every_images=null"),
                         "callbacks.image_grid draws images, and data=made_voxels has voxels: type callbacks=voxels")):
        with pytest.raises(RequestError, match=words):
            train.train(settings(*without, *more), tmp_path / "other")
    with pytest.raises(RequestError, match="voxel_pictures draws shapes of voxels, and the data are images"):
        train.train(settings("callbacks=voxels", "trainer=cpu"), tmp_path / "images")


@pytest.mark.parametrize(("typed", "words"), [
    (("model=dcgan", "data=made_voxels"), "the generator makes images of 1 x 32 x 32 and the data has shapes of 32 x "
     "32 x 32 voxels: type a model of voxels, e.g. model=gan3d"),
    (("model=gan3d",), "the generator makes shapes of 64 x 64 x 64 voxels and the data has images of 1 x 32 x 32"),
    (("model=gan3d", "data=made_voxels", "model.generator.edge=16"), "the generator makes shapes of 16 x 16 x 16 "
     "voxels and the data has 32 x 32 x 32 voxels: model.generator and data.edge must agree"),
    (("model=gan3d", "data=made_voxels", "model.discriminator.edge=16"), "the discriminator must give one logit|the "
     "discriminator does not fit shapes of 32 x 32 x 32 voxels .data.edge."),
    (("model=infogan", "data=made_voxels"), "this model is one of images and the data are voxels"),
    (("model=gan3d", "data=made_voxels", "data.edge=24"), "data.edge=24 must be a power of two"),
])
def test_images_and_voxels_are_not_mixed(typed, words):

    assert any(re.match(words, problem.reason) for problem in problems_of(settings(*typed, "callbacks=none")))


def test_voxels_and_networks_of_voxels_fit():
    for model in ("gan3d", "gan3d_small"):
        assert not problems_of(settings("data=made_voxels", f"model={model}"))

"""Whole runs of pix2pix and CycleGAN: what they leave, and that looking at them changes nothing."""

import json
from importlib import resources

import jsonschema
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from saddlepoint.runs import checkpoint
from saddlepoint.runs.gathering import gather
from saddlepoint.sampling.loading import load_module
from saddlepoint.training.train import train
from tests.composing import settings

SCHEMA = json.loads(resources.files("saddlepoint.metrics").joinpath("schema.json").read_text())
SMALL = ("trainer=cpu", "logger=none", "data.batch_size=8", "data.subset_size=40", "budget.images=32", "trick=[ema]",
         "model.generator.width=4", "model.discriminator.width=4")
WATCHED = ("callbacks.translation_quality.most_images=6", "callbacks.translation_quality.pictures=3",
           "callbacks.translation_quality.every_images=16")
RUNS = {
    "pix2pix": ("model=pix2pix", "data=photo_edges", "data.image_size=32", "loss.reduction=mean"),
    "cyclegan": ("model=cyclegan", "data=coloured_digits", "loss=least_squares", "model.generator.num_blocks=1"),
}
OWN = {"pix2pix": ("callbacks.translation_quality.dropout=true",),
       "cyclegan": ("callbacks.translation_quality.kept_class=true",)}
NETWORKS = {"pix2pix": {"generator"}, "cyclegan": {"generator", "inverse_generator"}}
VALUES = {"pix2pix": ["psnr_rgb", "mean_error"],
          "cyclegan": ["psnr_rgb", "mean_error", "kept_class_digits", "cycle_error"]}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs")
    return {name: train(settings(*SMALL, *overrides, *WATCHED, *OWN[name]), place / name)
            for name, overrides in RUNS.items()}


@pytest.mark.parametrize("name", RUNS)
def test_a_run_has_scores_with_their_protocol_and_a_best_checkpoint(runs, name):
    content = json.loads((runs[name] / "metrics.json").read_text())
    jsonschema.validate(content, SCHEMA)
    assert [each["name"] for each in content["translation"]] == VALUES[name]
    assert all(each["images_seen"] == 32 and each["protocol"]["ema"] for each in content["translation"])
    [run] = gather([runs[name]]).runs
    assert [score.name for score in run.metrics] == VALUES[name]
    curve = dict(run.curve_points()["quality/psnr_rgb"])
    assert sorted(curve) == [0, 16, 32]
    best = checkpoint.load(runs[name] / "checkpoints" / "best.ckpt")["best"]
    assert best["value"] == pytest.approx(max(curve.values())) and curve[best["images_seen"]] == max(curve.values())


@pytest.mark.parametrize("name", RUNS)
def test_a_picture_has_a_column_for_each_thing_that_there_is(runs, name):
    side = 32
    columns = {"pix2pix": {"translation": 3}, "cyclegan": {"translation": 4, "back": 3}}[name]
    drawn = {path.stem.rpartition("_")[0]: Image.open(path) for path in sorted((runs[name] / "samples").iterdir())}
    assert {kind: (picture.width + 2) // (side + 2) for kind, picture in drawn.items()} == columns
    assert {picture.height for picture in drawn.values()} == {3 * (side + 2) - 2}


@pytest.mark.parametrize("name", RUNS)
def test_each_network_of_the_generators_player_is_exported(runs, name):
    module, _ = load_module(runs[name] / "checkpoints" / "last.ckpt")
    exported = {path.stem: load_file(path) for path in runs[name].glob("*.safetensors")}
    assert exported.keys() == NETWORKS[name]
    for network, weights in exported.items():
        average = module.sampling_networks[network].state_dict()
        assert weights.keys() == average.keys() and all(torch.equal(weights[key], average[key]) for key in weights)


@pytest.mark.parametrize("name", RUNS)
def test_looking_changes_no_bit_of_the_weights(runs, name, tmp_path):
    unwatched = train(settings(*SMALL, *RUNS[name], "callbacks=none"), tmp_path / "unwatched")
    one, other = (checkpoint.load(run / "checkpoints" / "last.ckpt")["module"] for run in (runs[name], unwatched))
    assert one.keys() == other.keys()
    assert [key for key, value in one.items()
            if not (torch.equal(value, other[key]) if isinstance(value, torch.Tensor) else value == other[key])] == []


def test_the_end_names_the_command_that_translates(tmp_path, capsys):
    train(settings(*SMALL, *RUNS["cyclegan"], "callbacks=none", "budget.images=8"), tmp_path / "run")
    printed = capsys.readouterr().out
    assert "translate:   python -m saddlepoint.commands.translate run=" in printed
    assert "parameters: generator " in printed and "inverse_discriminator" in printed

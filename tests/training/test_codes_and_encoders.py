"""Whole runs of InfoGAN, BiGAN and the adversarial autoencoder: what they leave, and what is drawn from them."""

import json
from importlib import resources

import jsonschema
import pytest
import torch
from safetensors.torch import load_file

from saddlepoint.commands import drawing
from saddlepoint.config.check import checked_settings
from saddlepoint.errors import RequestError
from saddlepoint.sampling.loading import load_generator, load_module
from saddlepoint.training.train import train
from tests.composing import composed, settings

SCHEMA = json.loads(resources.files("saddlepoint.metrics").joinpath("schema.json").read_text())
SMALL = ("trainer=cpu", "logger=none", "data.batch_size=8", "data.subset_size=80", "budget.images=32", "trick=[ema]",
         "callbacks.image_grid.count=4", "callbacks.sample_quality.metric=[fid]",
         "callbacks.sample_quality.num_fake=72", "data.image_size=28", "data.held_out=20")
NETWORKS = ("model.generator.widths=[8]", "model.encoder.widths=[8]", "model.discriminator.widths=[8]")
RUNS = {
    "infogan": ("model=infogan", "model.generator.width=4", "model.discriminator.width=4", "callbacks.codes.rows=2"),
    "bigan": ("model=bigan_mlp", *NETWORKS),
    "autoencoder": ("model=adversarial_autoencoder", *NETWORKS, "callbacks.reconstructions.plane=3"),
}
PICTURES = {"infogan": {"code1", "code2", "code3"}, "bigan": {"reconstructions"},
            "autoencoder": {"reconstructions", "map", "plane"}}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs")
    return {name: train(settings(*SMALL, *overrides), place / name) for name, overrides in RUNS.items()}


@pytest.mark.parametrize("name", RUNS)
def test_a_run_has_a_grid_scores_and_pictures_of_its_own(runs, name):
    drawn = {path.stem.rpartition("_")[0] for path in (runs[name] / "samples").iterdir()}
    assert drawn == {"images"} | PICTURES[name]
    content = json.loads((runs[name] / "metrics.json").read_text())
    jsonschema.validate(content, SCHEMA)
    assert [each["name"] for each in content["metrics"]] == ["fid_digits"]
    [own] = content["representation"]
    assert own["name"] == ("code_accuracy" if name == "infogan" else "reconstruction_error")
    assert own["protocol"]["split"] == "test" and own["protocol"]["num_images"] == 20
    assert own["protocol"]["ema"] is (name != "infogan")


@pytest.mark.parametrize("name", RUNS)
def test_the_weights_of_each_network_that_draws_or_encodes_are_exported(runs, name):
    module, _ = load_module(runs[name] / "checkpoints" / "last.ckpt")
    exported = {path.stem: load_file(path) for path in runs[name].glob("*.safetensors")}
    assert exported.keys() == {"generator"} | ({"encoder"} if name != "infogan" else set())
    for network, weights in exported.items():
        average = module.sampling_networks[network].state_dict()
        assert weights.keys() == average.keys()
        assert all(torch.equal(weights[key], average[key]) for key in weights)


@pytest.mark.parametrize("name", RUNS)
def test_the_averaged_generator_draws(runs, name):
    generator = load_generator(runs[name])
    module, _ = load_module(runs[name] / "checkpoints" / "last.ckpt")
    average = module.sampling_networks["generator"].eval()
    expected = average(module.latents.of_images(3, 0, 16), torch.zeros(16, dtype=torch.long))
    torch.testing.assert_close(generator.sample(16, seed=3), expected, rtol=1e-4, atol=1e-5)


def test_codes_are_drawn_from_a_run_that_has_them_and_from_no_other(runs, capsys):
    for name, run in runs.items():
        config, _ = composed(f"run='{run}'", "codes=[1,2]", "steps=3", config="sample")
        if name == "infogan":
            drawing.draw(checked_settings(config))
            assert "30 images: " in capsys.readouterr().out
        else:
            with pytest.raises(RequestError, match="noise without codes"):
                drawing.draw(checked_settings(config))

"""saddlepoint-export without a process of its own: a run in, a file and sentences out."""

import json
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from saddlepoint.commands import exporting
from saddlepoint.config.check import checked_settings
from saddlepoint.config.setting_rules import OF_COMMANDS
from saddlepoint.errors import RequestError
from saddlepoint.sampling.loading import load_generator
from saddlepoint.sampling.translation import load_translator
from saddlepoint.upscaling import weights
from tests.composing import composed, settings
from tests.translation_runs import translation_run, untrained_run

DRAWING = ("model=acgan_dcgan", "data.image_size=16", "data.fit=resize", "model.generator.width=2",
           "model.discriminator.width=2", "trick=[spectral_norm,ema,auxiliary_classifier]",
           "tricks.spectral_norm.generator=true")
ENCODING = ("model=bigan_mlp", "model.generator.widths=[4]", "model.encoder.widths=[4]")
ENLARGING = ("model=srgan", "data=sr_folder", "model.generator.width=2", "model.generator.num_blocks=1",
             "model.discriminator.width=2", "perceptual=none", "data.image_size=16")


def export(*overrides: str) -> tuple[Path, torch.nn.Module, dict]:
    """-> the file, what it computes, its facts"""
    config, _ = composed(*overrides, "format=pt2", config="export")
    path = exporting.export(checked_settings(OmegaConf.create(config), OF_COMMANDS["export"]))
    extra = {"facts.json": ""}
    network = torch.export.load(path, extra_files=extra).module()
    return path, network, json.loads(extra["facts.json"])


def test_what_draws_is_exported_with_its_average_and_classes(tmp_path, capsys):
    run = untrained_run(tmp_path / "run", settings(*DRAWING))
    path, network, facts = export(f"run={run}")
    assert path == run / "exported" / "last_generator.pt2"
    generator = load_generator(run)
    latents, labels = torch.randn(4, generator.latents.size), torch.arange(4)
    torch.testing.assert_close(network(latents, labels), generator(latents, labels), rtol=1e-4, atol=1e-6)
    assert (facts["weights"], facts["run"], json.loads(facts["latents"])["size"]) == ("ema", "run", 100)
    said = capsys.readouterr().out
    assert str(path) in said and "latents [N, 100] and labels [N] -> images; they differ from the run's by" in said


@pytest.mark.parametrize(("typed", "network", "given"), [
    (ENCODING, "encoder", torch.rand(3, 1, 32, 32)), (ENLARGING, "generator", torch.rand(3, 3, 5, 7)),
])
def test_what_encodes_or_enlarges_is_exported(typed, network, given, tmp_path):
    run = untrained_run(tmp_path / "run", settings(*typed))
    _, exported, facts = export(f"run={run}", f"network={network}", f"output={tmp_path / 'it.pt2'}")
    if network == "encoder":
        assert exported(given).shape == (3, 50) and facts["image_range"] == "[-1, 1]"
    else:
        torch.testing.assert_close(exported(given), weights.load(str(run)).network.eval()(given), rtol=1e-4, atol=1e-5)
        assert facts["image_range"] == "[0, 1]" and facts["scale"] == "4"


def test_what_translates_back_is_exported_by_its_name(tmp_path):
    run = translation_run(tmp_path / "run", "cyclegan", "model.module.identity_weight=0", source_channels=1)
    _, exported, _ = export(f"run={run}", "network=inverse_generator")
    source = torch.rand(3, 3, 16, 16)
    ours = load_translator(run, "back")[0].eval()(source, torch.zeros(3, dtype=torch.long))
    torch.testing.assert_close(exported(source), ours, rtol=1e-4, atol=1e-5)


def test_what_cannot_be_is_refused_and_nothing_written(tmp_path):
    run = untrained_run(tmp_path / "run", settings("model=dcgan_small"))
    (tmp_path / "taken.pt2").touch()
    for line, sentence in {(): "run is not set", (f"run={run}", "network=encoder"): "type one of generator",
                           (f"run={run}", f"output={tmp_path / 'it.png'}"): "must end in .pt2",
                           (f"run={run}", f"output={tmp_path / 'taken.pt2'}"): "exists: choose another"}.items():
        with pytest.raises(RequestError, match=sentence):
            export(*line)
    assert {path.name for path in tmp_path.rglob("*.pt2")} == {"taken.pt2"} and not (run / "exported").exists()

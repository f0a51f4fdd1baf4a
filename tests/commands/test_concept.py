"""saddlepoint-concept without a process of its own: a run and two kinds of images in, a vector out."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image
from torch import nn

from saddlepoint.commands import conceiving
from saddlepoint.config.check import checked_settings
from saddlepoint.config.setting_rules import OF_COMMANDS
from saddlepoint.errors import RequestError
from saddlepoint.metrics.extractors.extractor import Embedding
from saddlepoint.sampling import concepts
from saddlepoint.sampling.loading import load_generator
from tests.composing import composed, settings
from tests.translation_runs import untrained_run

SMALL = ("model=dcgan_small", "model.generator.width=2", "model.discriminator.width=2")


class ByOnePixel(nn.Module):
    """Two classes of which it is always sure: whether a pixel is darker or brighter than it is on average."""

    name, digest, num_classes, class_names = "by_one_pixel", "ab", 2, ("dark", "light")

    def check(self, channels, image_size):
        pass

    def forward(self, images):
        pixel = images[:, 0, 16, 16].float()
        return Embedding(pixel[:, None], 1000 * torch.stack([127.5 - pixel, pixel - 127.5], 1))


def concept(*overrides: str) -> Path:
    return conceiving.concept(checked_settings(composed(*overrides, config="concept")[0], OF_COMMANDS["concept"]))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return untrained_run(tmp_path_factory.mktemp("runs") / "run", settings(*SMALL))


@pytest.fixture
def by_one_pixel(monkeypatch):
    monkeypatch.setattr(conceiving.build, "extractor", lambda settings: ByOnePixel())


def test_generated_images_are_sorted_and_the_vector_is_of_their_latents(run, by_one_pixel, capsys):
    file = concept(f"run={run}", "positive=light", "count=100", "strengths=[0,2]")
    assert file.parent == run / "concepts"
    assert re.fullmatch("last_light_minus_others_count100_seed0_[0-9a-f]{6}.npz", file.name)
    generator, read = load_generator(run), concepts.read(file)
    latents = generator.latents.of_images(0, 0, 100)
    is_light = generator.of_latents(latents)[:, 0, 16, 16] > 0
    torch.testing.assert_close(read.vector, latents[is_light].mean(0) - latents[~is_light].mean(0))
    record = read.record
    assert record["images"] == [int(is_light.sum()), int((~is_light).sum())] and record["sorted_by"] == "by_one_pixel"
    assert record["share_of_positive"]["2"] > record["share_of_positive"]["0"] and record["run"] == "run"
    said = capsys.readouterr().out
    assert f"concept={file}" in said and "chance alone" in said


def test_two_folders_are_inverted(run, tmp_path, monkeypatch):
    """The search for latents is another module's; here it says how bright an image is."""
    for name, bright in {"light": (250, 200), "dark": (0, 50)}.items():
        (tmp_path / name).mkdir()
        for number, level in enumerate(bright):
            Image.fromarray(numpy.full((32, 32), level, numpy.uint8)).save(tmp_path / name / f"{number}.png")

    def invert(generator, images, search):
        assert search.seed == 7
        brightness = images.mean((1, 2, 3))
        return SimpleNamespace(latents=brightness[:, None] * torch.eye(100)[0], errors=brightness.square())
    monkeypatch.setitem(sys.modules, "saddlepoint.sampling.inversion", SimpleNamespace(
        invert=invert, Search=lambda seed: SimpleNamespace(seed=seed)))
    file = concept(f"run={run}", f"positive={tmp_path / 'light'}", f"negative={tmp_path / 'dark'}", "seed=7",
                   f"output={tmp_path / 'it.npz'}")
    read = concepts.read(file)
    assert read.vector[0].item() == pytest.approx((225 - 25) / 127.5, rel=1e-4) and not read.vector[1:].any()
    assert read.record["images"] == [2, 2] and len(read.record["inversion_errors"]) == 2


def test_other_concepts_have_other_files_and_the_same_one_its_own(run, tmp_path, monkeypatch):
    def output(**changed):
        typed = OmegaConf.to_container(composed(f"run={run}", config="concept")[0])
        return conceiving.output_path(typed | changed, run / "checkpoints" / "last.ckpt")

    (tmp_path / "one" / "smiling").mkdir(parents=True)
    (tmp_path / "other" / "smiling").mkdir(parents=True)
    first = output(positive="light")
    assert first == output(positive="light", device="gpu", overwrite=True, threads=2)
    others = [output(positive="light", confidence=0.8), output(positive="light", extractor={"weights": "mine"}),
              *(output(positive=str(folder / "smiling")) for folder in (tmp_path / "one", tmp_path / "other"))]
    assert len({first, *others}) == 5
    monkeypatch.chdir(tmp_path)
    assert output(positive="one/smiling") == others[2]
    before = output(positive="light", extractor={"weights": "mine"})
    monkeypatch.chdir(tmp_path / "one")
    assert output(positive="light", extractor={"weights": "mine"}) != before


def test_defaults_of_classes_are_those_of_the_yaml_file():
    config = composed(config="concept")[0]
    assert {name: config[name] for name in conceiving.OF_CLASSES} == conceiving.OF_CLASSES


@pytest.mark.parametrize(("typed", "sentence"), [
    ([], "positive is not set"),
    (["positive=grey"], "positive=grey is neither a class that the extractor of this run knows nor a folder"),
    (["positive=light", "negative=grey"], "negative=grey is not a class of extractor=by_one_pixel"),
    (["positive=light", "negative=1"], "negative=1 is the class of positive="),
    (["positive=light", "count=5"], "of 5 generated images . are of that kind .* and 10 are needed"),
    (["positive=."], "positive=. is a folder, and needs another"),
    (["positive=.", "negative=..", "confidence=0.8"], "positive=. is a folder, and confidence= would sort generated"),
    (["positive=.", "negative=..", "strengths=[0,1]"], "strengths= would sort generated images into classes"),
    (["positive=light", "output=it.png"], "must be an .npz file: type output=it.png.npz"),
])
def test_what_cannot_be_made_is_refused(run, by_one_pixel, typed, sentence):
    with pytest.raises(RequestError, match=sentence):
        concept(f"run={run}", *typed)


@pytest.mark.parametrize(("model", "sentence"), [
    (["model=acgan_dcgan"], "is told the class, so its latents have none of it"),
    (["model=infogan"], "latents, and this run's have codes of their own"),
])
def test_generators_whose_latents_have_no_such_vectors_are_refused(model, sentence, tmp_path):
    trick = ["trick=[auxiliary_classifier]"] if model == ["model=acgan_dcgan"] else []
    run = untrained_run(tmp_path / "run", settings(*model, "model.generator.width=2", "model.discriminator.width=2",
                                                   *trick))
    with pytest.raises(RequestError, match=sentence):
        concept(f"run={run}", "positive=1")

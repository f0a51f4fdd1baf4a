"""weights= of the commands that are given a run: each works with the network that load_generator names so."""

import json
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image

from saddlepoint.commands import augmenting, conceiving, exporting, inverting, translating
from saddlepoint.config.composing import settings_of
from saddlepoint.data import pixels
from saddlepoint.errors import RequestError
from saddlepoint.runs import checkpoint
from saddlepoint.sampling import concepts, pictures
from saddlepoint.sampling.inversion import mean_square
from saddlepoint.sampling.loading import load_generator
from saddlepoint.sampling.translation import load_translator
from tests.commands.test_concept import ByOnePixel
from tests.composing import settings
from tests.translation_runs import translation_run, untrained_run

AVERAGES = ("trick=ema", "tricks.ema.also={short:{half_life_images:4}}")
NARROW = ("model.generator.widths=[8]", "model.discriminator.widths=[8]", "model.latents.size=3", *AVERAGES)
MLP = ("model=mlp", "data.image_size=32", *NARROW)
CGAN = ("model=cgan", "model.discriminator.dropout=0", "data.image_size=8", "data.fit=resize", *NARROW)
CHOICES = [None, "ema", "raw", "short"]


def told_apart(run: Path) -> Path:
    """Gives each of a run's averages other weights, which few updates would not, and all of them stronger ones, so that
    images differ."""
    path = run / "checkpoints" / "last.ckpt"
    saved = checkpoint.load(path)
    for key, value in saved["module"].items():
        if "generator" in key and key.endswith("weight"):
            factor = -4 if ".short." in key else 5 if key.startswith("tricks.ema.") else 3
            saved["module"][key] = factor * value
    checkpoint.save(path, saved)
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs of several averages")
    torch.manual_seed(0)
    made = {name: untrained_run(folder / name, settings(*words)) for name, words in (("mlp", MLP), ("cgan", CGAN))}
    made["pix2pix"] = translation_run(folder / "pix2pix", "pix2pix", *AVERAGES)
    return {name: told_apart(run) for name, run in made.items()}


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def typed(weights: str | None) -> list[str]:
    return [] if weights is None else [f"weights={weights}"]


def name_of(weights: str | None) -> str:
    return weights or "ema"


def test_the_three_draw_other_images(runs):
    drawn = {weights: load_generator(runs["mlp"], weights=weights).sample(2) for weights in CHOICES}
    assert torch.equal(drawn[None], drawn["ema"])
    assert not any(torch.equal(drawn[one], drawn[other]) for one, other in (("ema", "raw"), ("raw", "short"),
                                                                            ("ema", "short")))


@pytest.mark.parametrize("weights", CHOICES)
def test_the_file_of_an_export_computes_with_them(weights, runs):
    path = exporting.export(settings_of([f"run={runs['mlp']}", "format=pt2", *typed(weights)], "export"))
    assert path.name == ("last_generator.pt2" if weights is None else f"last_{weights}_generator.pt2")
    extra = {"facts.json": ""}
    network = torch.export.load(path, extra_files=extra).module()
    assert json.loads(extra["facts.json"])["weights"] == name_of(weights)
    latents = torch.randn(4, 3)
    torch.testing.assert_close(network(latents), load_generator(runs["mlp"], weights=weights).of_latents(latents),
                               rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("weights", CHOICES)
def test_latents_are_found_of_them(weights, runs):
    generator = load_generator(runs["mlp"], weights=weights)
    images = pixels.to_bytes(generator.sample(2))
    Path("given").mkdir()
    for number, image in enumerate(images):
        pictures.write_png(Path("given", f"{number}.png"), image)
    folder = inverting.invert(settings_of([f"run={runs['mlp']}", "images=given", "steps=2", "threads=1",
                                           *typed(weights)], "invert"))
    assert folder.name.startswith("last_given_" if weights is None else f"last_{weights}_given_")
    summary = json.loads((folder / inverting.SUMMARY).read_text())
    assert summary["weights"] == name_of(weights)
    found = generator.of_latents(torch.from_numpy(numpy.load(folder / "latents.npz")["images_latents"]))
    error = mean_square(found, pixels.to_unit_range(images)).mean().item()
    assert summary["images"]["mean_error"] == pytest.approx(error, rel=1e-3)


@pytest.mark.parametrize("weights", CHOICES)
def test_a_class_is_filled_from_them(weights, runs):
    folder = augmenting.augment(settings_of([f"run={runs['cgan']}", "class=7", "count=2", "output=filled", "threads=1",
                                             *typed(weights)], "augment"))
    [entry] = json.loads((folder / "manifest.json").read_text())["images"]
    assert entry["weights"] == name_of(weights)
    expected = pixels.to_bytes(load_generator(runs["cgan"], weights=weights).sample(2, labels=7))[:, 0]
    for number, image in enumerate(expected):
        with Image.open(folder / "7" / f"{number:06d}.png") as file:
            assert numpy.array_equal(numpy.asarray(file), image.numpy())


@pytest.mark.parametrize("weights", CHOICES)
def test_a_concept_is_of_the_latents_of_their_images(weights, runs, monkeypatch, capsys):
    monkeypatch.setattr(conceiving.build, "extractor", lambda settings: ByOnePixel())
    file = conceiving.concept(settings_of([f"run={runs['mlp']}", "positive=light", "count=200", "strengths=[0]",
                                           "threads=1", "overwrite=true", *typed(weights)], "concept"))
    assert file.name.startswith(f"last{'' if weights is None else f'_{weights}'}_light_minus_others_count200_seed0_")
    read, generator = concepts.read(file), load_generator(runs["mlp"], weights=weights)
    latents = generator.latents.of_images(0, 0, 200)
    is_light = generator.of_latents(latents)[:, 0, 16, 16] > 0
    torch.testing.assert_close(read.vector, latents[is_light].mean(0) - latents[~is_light].mean(0))
    assert read.record["weights"] == name_of(weights)
    assert (f"weights={weights}" in capsys.readouterr().out) == (weights is not None)


def test_a_translator_has_the_weights_of_the_checkpoint(runs):
    saved = checkpoint.load(runs["pix2pix"] / "checkpoints" / "last.ckpt")["module"]
    chosen = {weights: load_translator(runs["pix2pix"], weights=weights)[0].state_dict() for weights in CHOICES}
    key = next(key for key in chosen["raw"] if key.endswith("weight"))
    assert torch.equal(chosen["raw"][key], saved[f"generator.{key}"])
    assert torch.equal(chosen["short"][key], saved[f"tricks.ema.also.short.generator.{key}"])
    assert torch.equal(chosen[None][key], chosen["ema"][key])
    assert not any(torch.equal(chosen["ema"][key], chosen[other][key]) for other in ("raw", "short"))


@pytest.mark.parametrize("weights", CHOICES)
def test_images_are_translated_by_them(weights, runs):
    source = torch.randint(0, 256, (16, 16, 3), dtype=torch.uint8)
    Image.fromarray(source.numpy()).save("a.png")
    translating.translate(settings_of(["input=a.png", f"run={runs['pix2pix']}", *typed(weights)], "translate"))
    network, _ = load_translator(runs["pix2pix"], weights=weights)
    with torch.no_grad():
        expected = network.eval()(pixels.to_unit_range(source.permute(2, 0, 1)[None]), torch.zeros(1, dtype=torch.long))
    done = numpy.asarray(Image.open("a_translated.png")).astype(int)
    assert numpy.abs(done - pixels.to_bytes(expected)[0].permute(1, 2, 0).numpy()).max() <= 1


@pytest.mark.parametrize(("command", "words"), [
    (exporting.export, ["run={mlp}"]), (inverting.invert, ["run={mlp}", "images=."]),
    (augmenting.augment, ["run={cgan}", "class=7", "count=1"]), (conceiving.concept, ["run={mlp}", "positive=3"]),
    (translating.translate, ["run={pix2pix}", "input=a.png"]),
])
def test_an_average_that_was_not_kept_is_refused_and_nothing_written(command, words, runs):
    Image.new("RGB", (16, 16)).save("a.png")
    line = [word.format(**runs) for word in words]
    with pytest.raises(RequestError, match="weights=long: .* type one of raw, ema, short"):
        command(settings_of([*line, "weights=long"], command.__name__))
    assert [path.name for path in Path().iterdir()] == ["a.png"]

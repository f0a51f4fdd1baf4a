"""saddlepoint-invert without a process of its own: settings in, files and sentences out."""

import csv
import json
import os
import re
import unicodedata
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image

import saddlepoint
from saddlepoint.commands import inverting
from saddlepoint.config.composing import settings_of
from saddlepoint.data import pixels
from saddlepoint.errors import RequestError
from saddlepoint.sampling import pictures
from saddlepoint.sampling.inversion import mean_square
from tests.composing import settings
from tests.translation_runs import untrained_run

SIZE = "data.image_size=8"
MLP = ("model=mlp", SIZE, "model.generator.widths=[8]", "model.discriminator.widths=[8]", "model.latents.size=3")
BIGAN = ("model=bigan_mlp", SIZE, "model.generator.widths=[8]", "model.discriminator.widths=[8]",
         "model.encoder.widths=[8]", "model.latents.size=3")
CGAN = ("model=cgan", SIZE, "model.generator.widths=[8]", "model.discriminator.widths=[8]",
        "model.discriminator.dropout=0", "model.latents.size=3")


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("inverted runs")
    torch.manual_seed(0)
    return {name: untrained_run(folder / name, settings(*changes, "data.fit=resize"))
            for name, changes in (("mlp", MLP), ("bigan", BIGAN), ("cgan", CGAN))}


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def drawn(run: Path, folder: str, count: int = 3, seed: int = 0, **more) -> torch.Tensor:
    """Writes images of a run as files 0.png, 1.png, ...; returns them as [N, C, H, W] in [-1, 1]."""
    images = pixels.to_bytes(saddlepoint.load_generator(run).sample(count, seed, **more))
    for number, image in enumerate(images):
        pictures.write_png(Path(folder, f"{number}.png"), image)
    return pixels.to_unit_range(images)


def invert(*overrides: str) -> Path:
    return inverting.invert(settings_of(["threads=1", *overrides], "invert"))


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "errors.csv").open() as file:
        return list(csv.DictReader(file))


def test_images_of_the_run_are_found_and_written_with_their_errors(runs, capsys):
    originals = drawn(runs["mlp"], "photos")
    folder = invert(f"run={runs['mlp']}", "images=photos", "method=lbfgs", "steps=60", "prior_weight=0", "restarts=3",
                    "walk=[0.png,2.png]", "walk_steps=4")
    assert folder.parent == runs["mlp"] / "inverted" and re.fullmatch("last_photos_[0-9a-f]{6}", folder.name)
    found = numpy.load(folder / "latents.npz")
    assert found["images_files"].tolist() == ["0.png", "1.png", "2.png"]
    generator = saddlepoint.load_generator(runs["mlp"])
    made = generator(torch.from_numpy(found["images_latents"]))
    errors = mean_square(made, originals)
    assert (errors < 1e-5).all()  # nothing but rounding to 8 bits, 2 / 255 wide, is left
    rows = table(folder)
    assert [row["file"] for row in rows] == ["0.png", "1.png", "2.png"]
    numpy.testing.assert_allclose([float(row["error"]) for row in rows], errors.numpy(), rtol=1e-3, atol=1e-9)
    numpy.testing.assert_allclose([float(row["psnr"]) for row in rows], 10 * numpy.log10(4 / errors.numpy()), atol=0.01)
    summary = json.loads((folder / "inversion.json").read_text())
    assert summary["images"]["count"] == 3 and "auroc" not in summary
    assert summary["images"]["mean_error"] == pytest.approx(errors.mean().item(), rel=1e-3, abs=1e-9)
    grid = torch.from_numpy(numpy.array(Image.open(folder / "images.png")))
    assert grid.shape == (8, 6 * 10 - 2)  # original, result, original, ...
    shown = pixels.to_bytes(torch.stack([originals, made], 1).flatten(0, 1))
    assert (grid - pictures.grid(shown, 6)[0]).abs().max() <= 1
    walk = numpy.array(Image.open(folder / "walk.png"))
    assert walk.shape == (8, 4 * 10 - 2)
    assert numpy.abs(walk[:, :8].astype(int) - shown[1, 0].int().numpy()).max() <= 1
    assert numpy.abs(walk[:, -8:].astype(int) - shown[5, 0].int().numpy()).max() <= 1
    assert "3 images of images=: mean squared error" in capsys.readouterr().out


def test_anomalies_are_told_apart_by_their_scores(runs, capsys):
    drawn(runs["mlp"], "photos")
    Path("others").mkdir()
    for number in range(2):
        Image.new("L", (8, 8), 255 * number).save(f"others/{number}.png")  # which no untrained generator makes
    folder = invert(f"run={runs['mlp']}", "images=photos", "anomalies=others", "steps=40", "features=discriminator")
    rows = table(folder)
    assert [row["side"] for row in rows] == ["images"] * 3 + ["anomalies"] * 2
    scores = [float(row["score"]) for row in rows]
    assert max(scores[:3]) < min(scores[3:])
    summary = json.loads((folder / "inversion.json").read_text())
    assert summary["auroc"] == 1.0 and summary["anomalies"]["count"] == 2
    assert "AUROC 1.000" in capsys.readouterr().out
    assert scores[0] != float(rows[0]["error"])  # features count
    assert Image.open(folder / "anomalies.png").size == (4 * 10 - 2, 8)


def test_an_encoder_gives_what_it_gives_and_can_be_refined(runs):
    originals = drawn(runs["bigan"], "photos")
    folder = invert(f"run={runs['bigan']}", "images=photos", "start=encoder", "steps=0", "output=by_encoder")
    module, _ = saddlepoint.sampling.loading.load_synthesis(runs["bigan"] / "checkpoints" / "last.ckpt")
    with torch.no_grad():
        codes = module.sampling_networks["encoder"].eval()(originals, torch.zeros(3, dtype=torch.long))
    torch.testing.assert_close(torch.from_numpy(numpy.load(folder / "latents.npz")["images_latents"]), codes)
    refined = invert(f"run={runs['bigan']}", "images=photos", "start=encoder", "steps=60", "output=refined")
    assert all(float(after["error"]) < float(before["error"])
               for before, after in zip(table(folder), table(refined), strict=True))


def test_a_class_is_given_or_found(runs):
    drawn(runs["cgan"], "photos", labels=4)
    tried = invert(f"run={runs['cgan']}", "images=photos", "steps=60", "method=lbfgs", "prior_weight=0", "restarts=2")
    assert [row["class"] for row in table(tried)] == ["4"] * 3
    given = invert(f"run={runs['cgan']}", "images=photos", "steps=5", "class=7", "output=given", "restarts=1")
    assert [row["class"] for row in table(given)] == ["7"] * 3


def test_features_of_a_random_network_are_compared(runs):
    drawn(runs["mlp"], "photos")
    folder = invert(f"run={runs['mlp']}", "images=photos", "steps=1", "restarts=1", "count=2", "features=perceptual",
                    "perceptual=random", "feature_weight=1")
    assert len(table(folder)) == 2 and all(row["score"] != row["error"] for row in table(folder))


def test_files_that_cannot_be_read_are_said_and_none_at_all_is_refused(runs, capsys):
    drawn(runs["mlp"], "photos", 2)
    cut = Path("photos/0.png").read_bytes()
    Path("photos/0.png").write_bytes(cut[:cut.index(b"IDAT") + 6])  # its header is whole
    folder = invert(f"run={runs['mlp']}", "images=photos", "steps=1", "restarts=1")
    assert [row["file"] for row in table(folder)] == ["1.png"]
    assert "warning: 1 file of images= left out, as unreadable, e.g. photos/0.png: " in capsys.readouterr().err
    Path("photos/1.png").write_bytes(Path("photos/0.png").read_bytes())
    with pytest.raises(RequestError, match="images=photos: no image can be read .*photos/0.png"):
        invert(f"run={runs['mlp']}", "images=photos", "steps=1")


def test_results_are_replaced_whole_or_not_at_all(runs, monkeypatch):
    drawn(runs["mlp"], "photos", 2)
    typed = f"run={runs['mlp']}", "images=photos", "steps=1", "restarts=1", "output=found", "overwrite=true"
    invert(*typed)
    before = {path.name: path.read_bytes() for path in Path("found").iterdir()}

    def fail(*arguments, **more):
        raise KeyboardInterrupt
    for module, name in ((inverting.csv, "writer"), (inverting.numpy, "savez")):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(module, name, fail)
            invert(*typed)
        assert {path.name: path.read_bytes() for path in Path("found").iterdir()} == before


def test_another_request_has_another_folder_and_the_same_one_its_own(runs):
    quick = f"run={runs['mlp']}", "images=photos", "steps=1", "restarts=1"
    for folder in ("photos", "others/photos"):
        drawn(runs["mlp"], folder, 2)
    folder = invert(*quick)
    assert invert(*quick, "device=cpu") == folder
    others = [invert(*quick, "seed=1"), invert(*quick, "anomalies=others/photos"), invert(*quick[:1], *quick[2:],
                                                                                          "images=others/photos")]
    assert len({folder, *others}) == 4


def test_no_picture_of_an_earlier_request_stays_beside_the_results_of_this_one(runs):
    drawn(runs["mlp"], "photos", 2)
    quick = f"run={runs['mlp']}", "images=photos", "steps=1", "restarts=1", "output=found", "overwrite=true"
    invert(*quick, "anomalies=photos", "walk=[0.png,1.png]")
    assert Path("found/anomalies.png").exists() and Path("found/walk.png").exists()
    invert(*quick)
    assert sorted(path.name for path in Path("found").iterdir()) == ["errors.csv", "images.png", "inversion.json",
                                                                     "latents.npz"]


def test_weights_typed_alike_in_two_folders_have_two_folders_of_results(runs, tmp_path, monkeypatch):
    def output(folder):
        (tmp_path / folder).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / folder)
        typed = settings_of([f"images={tmp_path}", "features=perceptual", "perceptual=vgg19",
                             "perceptual.weights=vgg19.pth"], "invert")
        return inverting.output_folder(runs["mlp"] / "checkpoints" / "last.ckpt", typed)

    assert output("one") == output("one") != output("other")


def test_a_file_name_that_is_not_utf_8_costs_no_inversion(runs):
    drawn(runs["mlp"], "photos", 2)
    Path("photos/1.png").rename(Path("photos", os.fsdecode(b"caf\xe9.png")))
    folder = invert(f"run={runs['mlp']}", "images=photos", "steps=1", "restarts=1")
    assert [row["file"] for row in table(folder)] == ["0.png", "caf\\udce9.png"]
    assert (folder / "inversion.json").exists()


@pytest.mark.parametrize("typed", ["NFC", "NFD"])
@pytest.mark.parametrize("stored", ["NFC", "NFD"])
def test_an_image_is_chosen_by_its_name_in_either_form_of_unicode(runs, stored, typed):
    drawn(runs["mlp"], "photos", 2)
    Path("photos/1.png").rename(Path("photos", unicodedata.normalize(stored, "é.png")))
    walk = unicodedata.normalize(typed, "walk=['é.png',0.png]")
    folder = invert(f"run={runs['mlp']}", "images=photos", "steps=1", "restarts=1", walk, "walk_steps=3")
    walked, pairs = (numpy.array(Image.open(folder / name)) for name in ("walk.png", "images.png"))
    found = {name: pairs[:, 10 + 20 * place:18 + 20 * place] for place, name in enumerate(("0", "é"))}  # by pairs
    assert (walked[:, :8] == found["é"]).all() and (walked[:, -8:] == found["0"]).all()


@pytest.mark.parametrize(("run", "typed", "sentence"), [
    ("mlp", [], "images is not set"),
    ("mlp", ["images=photos", "steps=0"], "steps=0 with start=latents leaves drawn latents as they are"),
    ("mlp", ["images=photos", "start=encoder"], "has no encoder. Leave start= out"),
    ("mlp", ["images=photos", "class=3"], "this run's generator takes no classes"),
    ("mlp", ["images=photos", "features=perceptual"], "features=perceptual and perceptual= go together"),
    ("mlp", ["images=photos", "walk=[0.png]"], "is one image, and a walk needs two"),
    ("mlp", ["images=photos", "walk=[0.png,7.pngs]"], "walk=7.pngs is not among the images"),
    ("mlp", ["images=nowhere"], "images=nowhere does not exist: type images=PATH"),
    ("mlp", ["images=photos", "output=full"], "output=full holds results already: choose another folder"),
    ("bigan", ["images=photos", "features=discriminator"], "discriminator gives no features of single images"),
    ("mlp", ["images=photos", "method=sgd"], "method=sgd must be one of adam, lbfgs"),
    ("mlp", ["images=photos", "feature_weight=2"], "feature_weight=2 must be a number at least 0 and at most 1"),
])
def test_what_cannot_be_is_refused_in_a_sentence(runs, run, typed, sentence):
    drawn(runs["mlp"], "photos", 1)
    Path("full").mkdir()
    Path("full/inversion.json").touch()
    with pytest.raises(RequestError) as refusal:
        invert(f"run={runs[run]}", *typed)
    assert sentence in str(refusal.value)

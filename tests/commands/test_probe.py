"""saddlepoint-probe without a process of its own: a run in, errors out."""

import json

import pytest
import torch

from saddlepoint.commands import probing
from saddlepoint.config.check import checked_settings
from saddlepoint.config.setting_rules import OF_COMMANDS
from saddlepoint.errors import RequestError
from tests.composing import composed, settings
from tests.translation_runs import translation_run, untrained_run

DRAWING = ("model=dcgan_small", "model.generator.width=2", "model.discriminator.width=2", "data.subset_size=300",
           "data.held_out=100")
ENCODING = ("model=bigan_mlp", "model.generator.widths=[4]", "model.encoder.widths=[6]", "data.subset_size=300")
QUICK = ("labels=20", "repeats=2")


def probe(*overrides: str) -> dict[str, float]:
    return probing.probe(checked_settings(composed(*overrides, config="probe")[0], OF_COMMANDS["probe"]))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return untrained_run(tmp_path_factory.mktemp("runs") / "run", settings(*DRAWING))


def test_layers_and_pixels_are_measured_on_the_same_images_and_written_with_how(run, capsys):
    errors = probe(f"run={run}", *QUICK)
    assert errors["error/discriminator"] == errors["error/untrained"]  # as this run's are the first weights
    assert 0 < errors["error/pixels"] < 0.9
    [file] = (run / "probes").iterdir()
    content = json.loads(file.read_text())
    by_name = {each["name"]: each for each in content["metrics"]}
    assert {name: each["value"] for name, each in by_name.items()} == errors
    features = [by_name[f"error/{name}"]["features"] for name in ("discriminator", "pixels")]
    assert features == [16 * (2 + 4 + 8), 32 * 32]
    assert errors["error/pixels"] == pytest.approx(sum(by_name["error/pixels"]["each"]) / 2)
    how = content["protocol"]
    assert how["held_out"] == "the test images of data=mnist5k"
    assert (how["held_out_images"], how["labelled_from"]) == (100, 300)
    assert (how["network"], how["layers"], how["images_seen"], how["run"]) == ("discriminator", "all", 0, "run")
    said = capsys.readouterr().out
    assert "20 labelled images, 2 times; errors on 100 images" in said and str(file) in said


def test_the_same_probe_replaces_its_file_and_has_the_same_errors(run):
    words = (f"run={run}", *QUICK, "layers=[1,3]", "classifier=logistic", "untrained=false")
    before = {*(run / "probes").glob("*")}
    first = probe(*words)
    [file] = {*(run / "probes").glob("*")} - before
    assert probe(*words, "threads=1") == first and {*(run / "probes").glob("*")} - before == {file}
    content = json.loads(file.read_text())
    assert [each["features"] for each in content["metrics"]] == [16 * (2 + 8), 1024]


def test_data_typed_alike_in_two_folders_have_two_files(run, tmp_path, monkeypatch):
    def output(folder, *words):
        (tmp_path / folder).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / folder)
        typed = checked_settings(composed(*words, config="probe")[0], OF_COMMANDS["probe"])
        return probing.output_path(typed, run / "checkpoints" / "last.ckpt", "discriminator")

    for words in (["data.root=photos"], ["data=array", "data.root=[a.npy,b.npy]", "data.num_classes=2"]):
        assert output("one", *words) == output("one", *words) != output("other", *words)
    labelled = ["data=array", f"data.root={tmp_path / 'a.npy'}", "data.num_classes=2"]
    assert output("one", *labelled, "data.label_array=b.npy") != output("other", *labelled, "data.label_array=b.npy")
    assert output("one", *labelled, "data.label_array=arr_1") == output("other", *labelled, "data.label_array=arr_1")
    assert output("one", f"data.root={tmp_path / 'one' / 'photos'}") == output("one", "data.root=photos")
    assert output("one", "labels=20") == output("other", "labels=20")


def test_numbers_that_tell_the_class_leave_no_error():
    examples = probing.Examples(torch.arange(4, dtype=torch.uint8).repeat(15).view(-1, 1, 1, 1),
                                torch.arange(4).repeat(15))
    [row] = probing.measure({"told": lambda images: torch.nn.functional.one_hot(images.flatten().long(), 4).float()},
                            examples, examples, {"labels": 12, "repeats": 3, "seed": 0, "classifier": "svm"})
    assert row.errors == [0, 0, 0] and row.summary.mean == 0


def test_a_run_with_an_encoder_is_probed_by_it(tmp_path):
    run = untrained_run(tmp_path / "run", settings(*ENCODING))
    errors = probe(f"run={run}", *QUICK, "untrained=false")
    assert [*errors] == ["error/encoder", "error/pixels"]
    with pytest.raises(RequestError, match="judges latents, alone or beside images: type network=encoder"):
        probe(f"run={run}", *QUICK, "network=discriminator")


@pytest.mark.parametrize(("typed", "sentence"), [
    (["network=encoder"], "this run has no encoder. Type network=discriminator"),
    (["labels=19"], "labels=19: .* 2 labelled images of each of the 10 classes: type labels=20 or more"),
    (["labels=1000"], "labels=1000: class . has .* images, and 100 of each are needed"),
    (["layers=[4]"], r"has the layers 1 to 3, from the image inwards: type layers=\[3\]"),
    (["data=mnist5k", "data.image_size=16", "data.fit=resize"], "images of 1 x 16, and the run's are of 1 x 32"),
    (["data=mnist5k", "data.num_classes=0"], "data=mnist5k is used without classes"),
    (["data=ring"], "data=ring has points"),
    (["output=errors.txt"], "must be a JSON file"),
])
def test_what_cannot_be_measured_is_refused(run, typed, sentence):
    with pytest.raises(RequestError, match=sentence):
        probe(f"run={run}", *QUICK, *typed)


def test_runs_that_draw_nothing_from_noise_and_none_are_refused(tmp_path):
    with pytest.raises(RequestError, match="run is not set"):
        probe()
    with pytest.raises(RequestError, match="translates images"):
        probe(f"run={translation_run(tmp_path / 'run', 'pix2pix')}")

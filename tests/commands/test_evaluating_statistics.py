"""evaluate.py with files of statistics in place of real images, and by the protocols of published tables."""

import json
from importlib import resources
from pathlib import Path

import jsonschema
import numpy
import pytest
import torch
from PIL import Image

from saddlepoint.commands import converting, evaluation
from saddlepoint.config.check import checked_settings
from saddlepoint.config.folders import options
from saddlepoint.errors import RequestError
from saddlepoint.metrics.published_protocol import PublishedProtocol
from saddlepoint.training.train import train
from tests.composing import composed, settings
from tests.processes import ROOT

SCHEMA = json.loads(resources.files("saddlepoint.metrics").joinpath("schema.json").read_text())
TINY = ("data.batch_size=8", "trainer=cpu", "model.generator.width=4", "model.discriminator.width=4", "logger=none",
        "budget.images=16", "data.subset_size=150", "extractor=random", "callbacks=none")
COUNT = 140  # a FID of 128 features takes 129


def folder(root: Path, low: int, count: int = COUNT) -> Path:
    draws = numpy.random.default_rng(low)
    root.mkdir(parents=True)
    for index in range(count):
        Image.fromarray(draws.integers(low, low + 100, (16, 16), dtype=numpy.uint8)).save(root / f"{index:03}.png")
    return root


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    """-> a folder with the folders real and fake, and statistics of the real images as written by evaluate.py"""
    root = tmp_path_factory.mktemp("images")
    folder(root / "real", 0), folder(root / "fake", 90)
    evaluate(f"real={root / 'real'}", f"statistics={root / 'statistics.npz'}", "extractor=random")
    return root


def evaluate(*overrides: str) -> list:
    config, _ = composed("device=cpu", "resamples=0", "remember=false", *overrides, config="evaluate")
    return evaluation.evaluate(checked_settings(config))


def evaluated(output: Path, *overrides: str) -> dict:
    """-> what was written, by the metric's name"""
    evaluate(f"output={output}", *overrides)
    content = json.loads(output.read_text())
    jsonschema.validate(content, SCHEMA)
    return {value["name"]: value for value in content["metrics"]}


def without_provenance(images: Path, path: Path) -> Path:
    """The same statistics as another program writes them."""
    with numpy.load(images / "statistics.npz") as arrays:
        numpy.savez(path, mu=arrays["mu"], sigma=arrays["sigma"])
    return path


def test_statistics_of_a_folder_take_its_place(images, tmp_path):
    sides = f"fake={images / 'fake'}", "extractor=random"
    of_folder = evaluated(tmp_path / "folder.json", f"real={images / 'real'}", *sides)
    of_file = evaluated(tmp_path / "file.json", f"real={images / 'statistics.npz'}", *sides)
    assert of_file["fid_random"]["value"] == pytest.approx(of_folder["fid_random"]["value"], rel=1e-9)
    assert {name for name in of_folder if name not in of_file} >= {"precision_random", "duplicates_random"}
    one, other = (found["fid_random"]["protocol"] for found in (of_folder, of_file))
    known = ("reference", "split", "framing", "num_real", "image_size", "reference_resize", "resize")
    assert {name: other[name] for name in known} == {name: one[name] for name in known}
    assert other["num_real"] == COUNT and other["reference_resize"] is None


def test_what_another_programs_file_does_not_tell_is_unknown_or_typed(images, tmp_path):
    file = without_provenance(images, tmp_path / "cifar10_legacy.npz")
    typed = f"real={file}", f"fake={images / 'fake'}", "extractor=random", "metric=fid"
    protocol = evaluated(tmp_path / "a.json", *typed)["fid_random"]["protocol"]
    names = ("reference", "num_real", "split", "framing", "reference_resize")
    assert [protocol[name] for name in names] == ["cifar10_legacy.npz", None, "unknown", "unknown", "unknown"]
    told = "reference.num_images=50000", "reference.split=train", "reference.interpolation=tf1_bilinear"
    protocol = evaluated(tmp_path / "b.json", *typed, *told)["fid_random"]["protocol"]
    assert [protocol[name] for name in names] == ["cifar10_legacy.npz", 50000, "train", "unknown", "tf1_bilinear"]


def test_features_in_a_file_serve_every_metric(images, tmp_path):
    features = numpy.random.default_rng(0).normal(size=(COUNT, 128)).astype(numpy.float32)
    numpy.savez(tmp_path / "reps.npz", reps=features)
    found = evaluated(tmp_path / "a.json", f"real={tmp_path / 'reps.npz'}", f"fake={images / 'fake'}",
                      "extractor=random", "metric=[fid,precision]")
    assert found["fid_random"]["protocol"]["num_real"] == COUNT and found["precision_random"]["value"] is not None


def test_features_in_a_file_do_not_tell_the_classes_of_images(images, tmp_path, capsys):
    numpy.savez(tmp_path / "feats.npz", feats=numpy.random.default_rng(0).normal(size=(COUNT, 64)).astype("float32"))
    found = evaluated(tmp_path / "a.json", f"real={tmp_path / 'feats.npz'}", f"fake={images / 'fake'}",
                      "extractor=digits")
    assert "fid_digits" in found and "class_shares_digits" not in found
    assert "left out: class_shares needs the classes of the real images, and a file" in capsys.readouterr().err


def test_an_adm_reference_has_statistics_of_all_images_and_a_few_of_these(images, tmp_path):
    some = numpy.stack([numpy.asarray(Image.open(path)) for path in sorted((images / "real").iterdir())[:30]])
    with numpy.load(images / "statistics.npz") as arrays:
        numpy.savez(tmp_path / "reference.npz", arr_0=some[..., None].repeat(3, axis=3),
                    **{name: arrays[name] for name in ("mu", "sigma", "mu_s", "sigma_s")})
    fakes = f"fake={images / 'fake'}", "extractor=random", "channels=3"
    found = evaluated(tmp_path / "a.json", f"real={tmp_path / 'reference.npz'}", *fakes, "metric=[fid,precision]")
    protocols = {name: value["protocol"] for name, value in found.items()}
    assert protocols["fid_random"]["num_real"] is None and protocols["precision_random"]["num_real"] == 30
    numpy.savez(tmp_path / "images.npz", arr_0=some[..., None].repeat(3, axis=3))
    by_images = evaluated(tmp_path / "b.json", f"real={tmp_path / 'images.npz'}", *fakes, "metric=precision")
    assert found["precision_random"]["value"] == by_images["precision_random"]["value"]
    by_statistics = evaluated(tmp_path / "c.json", f"real={images / 'statistics.npz'}", *fakes, "metric=fid")
    assert found["fid_random"]["value"] == by_statistics["fid_random"]["value"]


def test_a_runs_training_images_as_statistics_measure_it_as_they_do(tmp_path):
    run = train(settings(*TINY), tmp_path / "run")
    fakes = f"run='{run}'", "num_fake=140", "metric=[fid]"
    statistics = f"statistics={tmp_path / 'digits.npz'}"
    by_images = evaluated(tmp_path / "a.json", *fakes, statistics)["fid_random"]
    by_file = evaluated(tmp_path / "b.json", *fakes, f"real={tmp_path / 'digits.npz'}")["fid_random"]
    assert by_file["value"] == pytest.approx(by_images["value"], rel=1e-9)
    assert by_file["protocol"]["reference"] == "mnist5k" and by_file["protocol"]["split"] == "train"
    truncated = evaluated(tmp_path / "c.json", *fakes, "quantisation=truncated")["fid_random"]
    assert truncated["protocol"]["quantisation"] == "8 bits, 127.5 x + 127.5 truncated"
    assert truncated["value"] != by_images["value"]


@pytest.mark.parametrize("typed, words", [
    (("real={s}", "fake={f}", "extractor=digits"), "holds statistics of 128 features, and extractor=digits has 64"),
    (("real={s}", "fake={f}", "extractor=random", "extractor.seed=1"), "extractor=random with other weights"),
    (("real={s}", "fake={f}", "extractor=random", "metric=precision"), "only their mean and covariance"),
    (("real={s}", "fake={f}", "extractor=random", "reference.num_images=7"), "says itself that it is 140"),
    (("real={r}", "fake={f}", "extractor=random", "reference.num_images=7"), "about a file of statistics, and real="),
    (("real={r}", "extractor=random"), "Nothing to evaluate"),
    (("real={r}", "extractor=random", "statistics={s}"), "exists: choose another file, or add overwrite=true"),
    (("real={r}", "extractor=random", "statistics={r}/x.pt"), "must be an .npz file: type statistics=.*x.pt.npz"),
    (("real={r}", "fake={f}", "extractor=random", "quantisation=truncated"), "quantisation=truncated is about a run's"),
    (("real={s}", "fake={f}", "extractor=random", "statistics={f}/new.npz"), "holds statistics already"),
    (("real={p}", "fake={f}", "extractor=random"), "is a pickle, which may run any code.*convert_statistics input="),
])
def test_what_does_not_fit_is_refused_in_a_sentence(typed, words, images, tmp_path):
    (tmp_path / "statistics.pkl").write_bytes(b"")
    places = {"s": images / "statistics.npz", "r": images / "real", "f": images / "fake",
              "p": tmp_path / "statistics.pkl"}
    with pytest.raises(RequestError, match=words):
        evaluate(*(each.format(**places) for each in typed))


def test_a_pickle_is_converted_for_the_network_that_is_named(images, tmp_path, capsys):
    import pickle
    with numpy.load(images / "statistics.npz") as arrays:
        part = {"mu": arrays["mu"], "sigma": arrays["sigma"]}
    (tmp_path / "img512.pkl").write_bytes(pickle.dumps({"num_images": COUNT, "fid": part, "fd_dinov2": part}))

    def convert(*overrides: str) -> Path:
        return converting.convert(checked_settings(composed(*overrides, config="convert_statistics")[0]))

    with pytest.raises(RequestError, match="several networks in .* which has fid, fd_dinov2: type part=fd_dinov2"):
        convert(f"input={tmp_path / 'img512.pkl'}")
    with pytest.raises(RequestError, match="part=clip is not in"):
        convert(f"input={tmp_path / 'img512.pkl'}", "part=clip")
    path = convert(f"input={tmp_path / 'img512.pkl'}", "part=fid")
    assert path == tmp_path / "img512.npz" and "128 features of 140 images" in capsys.readouterr().out
    with pytest.raises(RequestError, match="exists"):
        convert(f"input={tmp_path / 'img512.pkl'}", "part=fid")
    protocol = evaluated(tmp_path / "a.json", f"real={path}", f"fake={images / 'fake'}", "extractor=random",
                         "metric=fid")["fid_random"]["protocol"]
    assert protocol["num_real"] == COUNT and protocol["reference_resize"] == "unknown"


# Protocols.


@pytest.mark.parametrize("name", options("protocol"))
def test_a_protocol_is_followed_until_something_that_it_fixes_is_typed(name):
    run = ("run=runs/any",)
    protocol = PublishedProtocol(name)
    followed = checked_settings(composed(f"protocol={name}", *run, config="evaluate")[0])
    assert followed["protocol"] == name and protocol.departures(followed) == []
    for typed in ("quantisation=stretched", "batchnorm=batch", "truncation=0.7"):
        departed = checked_settings(composed(f"protocol={name}", typed, *run, config="evaluate")[0])
        assert protocol.departures(departed) == [typed]
    shipped = checked_settings(composed(f"protocol={name}", "extractor=random", *run, config="evaluate")[0])
    assert protocol.departures(shipped)[0].startswith("extractor=random")
    more = checked_settings(composed(f"protocol={name}", "metric=[kid]", *run, config="evaluate")[0])
    assert protocol.departures(more) == []


def test_files_that_are_fewer_than_the_protocol_has_depart_from_it(images):
    typed = checked_settings(composed("protocol=adm", f"real={images / 'real'}", f"fake={images / 'fake'}",
                                      config="evaluate")[0])
    assert PublishedProtocol("adm").departures(typed, 50_000) == []
    assert PublishedProtocol("adm").departures(typed, COUNT) == [f"num_fake={COUNT}"]


def test_fewer_real_images_than_the_protocol_has_depart_from_it():
    """num_real= is a bound, so the setting does not tell: 1,000 test digits are not the 10,000 images of the papers."""
    typed = checked_settings(composed("protocol=sngan", "run=runs/any", config="evaluate")[0])
    sngan = PublishedProtocol("sngan")
    assert sngan.departures(typed, 5_000, 1_000) == ["num_real=1000"]
    assert sngan.departures(typed, 5_000, 10_000) == sngan.departures(typed, 5_000, None) == []
    whole = checked_settings(composed("protocol=stylegan", "run=runs/any", config="evaluate")[0])
    assert PublishedProtocol("stylegan").departures(whole, 50_000, 50_000) == []


def test_values_carry_the_name_of_a_protocol_only_if_they_follow_it(images, tmp_path, monkeypatch, capsys):
    sides = f"real={images / 'real'}", f"fake={images / 'fake'}", "protocol=clean", "extractor=random"
    departed = evaluated(tmp_path / "a.json", *sides, "metric=[fid,precision]")
    assert departed["fid_random"]["protocol"]["name"] is None
    assert "note: extractor=random" in capsys.readouterr().err
    monkeypatch.setattr(PublishedProtocol, "_other_extractor", lambda self, settings: [])
    followed = evaluated(tmp_path / "b.json", *sides, "metric=[fid,precision]")
    assert followed["fid_random"]["protocol"]["name"] == "clean"
    assert followed["precision_random"]["protocol"]["name"] is None  # no metric of that protocol
    assert torch.tensor(followed["fid_random"]["value"]).isfinite()


def test_docs_list_every_protocol():
    page = (ROOT / "docs" / "metrics.md").read_text()
    assert [name for name in options("protocol") if f"`{name}`" not in page] == []

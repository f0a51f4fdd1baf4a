"""Quality through training: measured without being noticed, kept with its protocol, and followed by best.ckpt."""

import csv
import dataclasses
import json
import re
from importlib import resources
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from saddlepoint.errors import RequestError
from saddlepoint.metrics.comparable import differing_fields
from saddlepoint.metrics.context import EvaluationContext
from saddlepoint.metrics.frechet import FrechetDistance
from saddlepoint.metrics.inception_score import InceptionScore
from saddlepoint.metrics.kernel import KernelDistance
from saddlepoint.metrics.metric import Measurement
from saddlepoint.metrics.provenance import values
from saddlepoint.runs import checkpoint
from saddlepoint.sampling.pictures import write_png
from saddlepoint.training.callbacks.sample_quality import SampleQuality
from saddlepoint.training.train import train
from tests.composing import settings
from tests.data.formats import write_cifar10
from tests.metrics.stand_ins import BlockMeans, grey
from tests.metrics.test_provenance import PROTOCOL

SCHEMA = json.loads(resources.files("saddlepoint.metrics").joinpath("schema.json").read_text())
TINY = ("data.batch_size=8", "trainer=cpu", "model.generator.width=4", "model.discriminator.width=4",
        "budget.images=96", "trick=[ema]", "model.discriminator.dropout=0.3", "callbacks.image_grid.count=4",
        "data.subset_size=200", "extractor=random", "callbacks.sample_quality.num_fake=150")


@pytest.fixture(scope="module")
def run(tmp_path_factory, monkeypatch_module):
    measuring = ("callbacks.sample_quality.every_images=32", "callbacks.sample_quality.metric=[fid,precision]")
    return train(settings(*TINY, *measuring), tmp_path_factory.mktemp("quality") / "run")


@pytest.fixture(scope="module")
def monkeypatch_module(cache):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SADDLEPOINT_CACHE", str(cache))
        yield patch


def curve(run):
    with (run / "metrics.csv").open(newline="") as file:
        return {int(row["images_seen"]): float(row["quality/fid_random"]) for row in csv.DictReader(file)
                if row["quality/fid_random"]}


def test_measuring_changes_no_bit_of_training(run, tmp_path):
    unmeasured = train(settings(*TINY, "callbacks.sample_quality.metric=[]"), tmp_path / "run")
    one, other = (checkpoint.load(path / "checkpoints" / "last.ckpt") for path in (run, unmeasured))
    for name, value in one["module"].items():
        same = torch.equal(value, other["module"][name]) if isinstance(value, torch.Tensor) else (
            value == other["module"][name])
        assert same, name
    states = [[state for player in saved["optimizers"] for state in player["state"].values()] for saved in (one, other)]
    assert all(torch.equal(mine[key], theirs[key]) for mine, theirs in zip(*states, strict=True) for key in mine)
    assert not (unmeasured / "checkpoints" / "best.ckpt").exists()
    assert json.loads((unmeasured / "metrics.json").read_text())["metrics"] == []


def test_the_curve_has_every_moment_and_the_end(run):
    assert sorted(curve(run)) == [32, 64, 96]
    events = EventAccumulator(str(run))
    events.Reload()
    shown = {event.step: event.value for event in events.Scalars("quality/fid_random")}
    assert shown == pytest.approx(curve(run))
    assert "quality/precision_random" in events.Tags()["scalars"]


def test_the_best_checkpoint_is_the_best_of_the_curve(run):
    best = min(curve(run), key=curve(run).get)
    saved = checkpoint.load(run / "checkpoints" / "best.ckpt")
    assert saved["images_seen"] == best and saved["best"]["value"] == pytest.approx(curve(run)[best])
    assert json.loads((run / "metrics.json").read_text())["best"] == saved["best"]


def test_metrics_json_has_the_last_values_with_their_protocol(run):
    content = json.loads((run / "metrics.json").read_text())
    jsonschema.validate(content, SCHEMA)
    assert [value["name"] for value in content["metrics"]] == ["fid_random", "precision_random"]
    last = content["metrics"][0]
    assert last["images_seen"] == 96 and last["value"] == pytest.approx(curve(run)[96])
    assert last["protocol"]["num_real"] == 200 and last["protocol"]["num_fake"] == 150
    assert last["protocol"]["ema"] is True and last["protocol"]["batchnorm"] == "running"
    assert content["metrics"][1]["protocol"]["settings"] == {"neighbours": 3}
    assert 0 < content["cost"]["evaluation_seconds"] < content["cost"]["seconds"]


def test_runs_on_few_images_may_be_measured_against_all(tmp_path):
    """So that who learns the few by heart does not win, and values compare with those of runs on all."""
    measuring = ("callbacks.sample_quality.every_images=null", "callbacks.sample_quality.metric=[fid]",
                 "budget.images=8")
    runs = [train(settings(*TINY, *measuring, *more), tmp_path / str(number)) for number, more in enumerate([
        ("callbacks.sample_quality.split=whole",), ("data.subset_size=null",)])]
    few, all_of_them = (json.loads((run / "metrics.json").read_text())["metrics"][0]["protocol"] for run in runs)
    assert few["num_real"] == all_of_them["num_real"] == 5000 and differing_fields(few, all_of_them) == []


def test_modes_are_measured_in_training_and_said_beside_those_of_a_perfect_generator(tmp_path, capsys):
    few = [each for each in TINY if each not in ("extractor=random", "budget.images=96")]
    measuring = ("extractor=stacked_digits", "extractor.channels=1", "callbacks.sample_quality.metric=[modes,mode_kl]")
    run = train(settings(*few, *measuring, "budget.images=16"), tmp_path / "run")
    modes, divergence = json.loads((run / "metrics.json").read_text())["metrics"]
    assert (modes["name"], divergence["name"]) == ("modes_stacked_digits", "mode_kl_stacked_digits")
    assert 1 <= modes["value"] <= modes["details"]["perfect"] == 10  # 150 digits lack one once in a million
    assert f"16 images: modes_stacked_digits {modes['value']:g} (perfect 10), mode_kl" in capsys.readouterr().err
    assert 0 < divergence["details"]["perfect"] < divergence["value"] <= 2.31  # log 10


def test_too_few_images_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(RequestError, match="fid_random needs at least .* and there are 50 fake") as refusal:
        train(settings(*TINY, "callbacks.sample_quality.num_fake=50", "callbacks.sample_quality.metric=[fid]"),
              tmp_path / "run")
    assert "callbacks.sample_quality.num_fake=N" in str(refusal.value)
    assert not (tmp_path / "run").exists()


def test_an_extractor_for_other_images_is_refused_before_anything_is_written(tmp_path):
    write_cifar10(tmp_path / "cifar")
    with pytest.raises(RequestError, match="extractor=random"):
        train(settings("data=cifar10", f"data.root={tmp_path / 'cifar'}", "extractor=digits", "budget.images=8",
                       "model.generator.width=4"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["fd", "[fid,fid]"])
def test_misspelt_metrics_are_refused(name):
    with pytest.raises(RequestError, match=f"callbacks.sample_quality.metric={name.strip('[]').split(',')[0]}"):
        settings(f"callbacks.sample_quality.metric={name}")


class Still:
    """Data that knows its images."""

    channels, image_size, dimensions, num_workers, class_names = 1, 4, None, 0, ()

    def __init__(self, still):
        self.images = still

    def images_to_compare_with(self, part):
        return self.images


class Unconditional:
    draws_labels = False
    networks = {"generator": torch.nn.Identity()}


def quality(metric, extractor=None, count=100):
    metrics = {"fid": FrechetDistance(), "is": InceptionScore(2), "kid": KernelDistance(10, 5)}
    context = EvaluationContext(lambda: extractor or BlockMeans(), lambda: metrics, Still(grey(count)), Unconditional())
    return SampleQuality(context, metric, every_images=None, moments=[], num_fake=100, num_real=None, seed=0)


def best_file(run: Path) -> None:
    """Without it, whatever comes next is the best that there is."""
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "best.ckpt").touch()


@pytest.mark.parametrize(("metric", "offered", "kept"), [
    (["fid"], [3.0, float("nan"), 2.0, float("inf"), 2.5], [3.0, 2.0]),
    (["is"], [float("nan"), 3.0, 2.0, 5.0], [3.0, 5.0]),
])
def test_the_best_is_never_a_number_that_is_none(metric, offered, kept, monkeypatch, tmp_path):
    written = []
    callback = quality(metric)
    monkeypatch.setattr("saddlepoint.training.callbacks.sample_quality.state", lambda module: {})
    best_file(tmp_path)
    monkeypatch.setattr(checkpoint, "save", lambda path, content: written.append(content["best"]["value"]))

    class Trainer:
        default_root_dir = tmp_path

    for value in offered:
        callback.keep_best(Trainer, None, values({metric[0]: Measurement(value)}, PROTOCOL, 0)[0])
    assert written == kept


def test_a_best_of_another_protocol_is_not_ranked_with_what_comes_after(monkeypatch, tmp_path, capsys):
    """The run goes on with more images, whose FID is another number: 3 after 2 is the best of its kind."""
    written, callback = [], quality(["fid"])
    monkeypatch.setattr("saddlepoint.training.callbacks.sample_quality.state", lambda module: {})
    best_file(tmp_path)
    monkeypatch.setattr(checkpoint, "save", lambda path, content: written.append(content["best"]["value"]))

    class Trainer:
        default_root_dir = tmp_path

    more = dataclasses.replace(PROTOCOL, num_real=6000, revision="another")
    before, = values({"fid": Measurement(2.0)}, PROTOCOL, 0)
    saved = before.as_json()
    del saved["reason"], saved["protocol"]["fake_framing"]  # as earlier versions wrote it
    callback.load_state_dict({"best": saved, "seconds": 0.0})
    for value, protocol in ((2.5, dataclasses.replace(PROTOCOL, revision="another")), (3.0, more), (4.0, more)):
        callback.keep_best(Trainer, None, *values({"fid": Measurement(value)}, protocol, 0))
    assert written == [3.0] and callback.best.value == 3.0
    assert capsys.readouterr().err.count("measured otherwise (num_real)") == 1


def test_a_best_of_another_metric_is_not_ranked_with_what_comes_after(monkeypatch, tmp_path, capsys):
    """The run goes on with the Inception Score: 1.5 after a FID of 2 is the first of its kind."""
    written, callback = [], quality(["is"])
    monkeypatch.setattr("saddlepoint.training.callbacks.sample_quality.state", lambda module: {})
    best_file(tmp_path)
    monkeypatch.setattr(checkpoint, "save", lambda path, content: written.append(content["best"]["value"]))
    before, = values({"fid": Measurement(2.0)}, PROTOCOL, 0)
    callback.load_state_dict({"best": before.as_json(), "seconds": 0.0})
    for value in (1.5, 1.2, 1.7):
        callback.keep_best(SimpleNamespace(default_root_dir=tmp_path), None,
                           *values({"is": Measurement(value)}, PROTOCOL, 0))
    assert written == [1.5, 1.7] and capsys.readouterr().err.count("begins anew") == 1


def test_by_default_it_measures_what_the_extractor_can_tell():
    assert list(quality(None).evaluator.metrics) == ["fid", "is"]
    blind = BlockMeans()
    blind.num_classes = 0
    assert list(quality(None, blind).evaluator.metrics) == ["fid"]


@pytest.mark.parametrize(("count", "measured", "note"), [
    (100, ["fid", "is"], ""),
    (4, ["kid", "is"], "fid_quarters needs at least 5 images .* there are 4 real ones; measured: kid, is"),
    (1, ["is"], "fid_quarters needs .*; measured: is"),
])
def test_what_nobody_asked_for_is_left_out_where_the_data_are_too_few(count, measured, note, capsys):
    """FID takes one image more than features, and KID two"""
    metrics = quality(None, count=count).evaluator.metrics
    assert list(metrics) == measured and ("kid" not in metrics or metrics["kid"].subset_size == count)
    assert re.fullmatch(f"note: {note} \\(callbacks.sample_quality.metric=null\\)\n" if note else "",
                        capsys.readouterr().err)
    if note:
        with pytest.raises(RequestError, match="fid_quarters needs at least 5 images"):
            quality(["fid"], count=count)


def test_images_that_no_extractor_takes_are_trained_on_without_a_measurement(capsys):
    """Several frames, for instance, which are neither grey nor RGB; an extractor that was asked for is refused"""
    class Narrow(BlockMeans):
        def check(self, channels, image_size):
            raise RequestError("looks at grey or RGB images")

    extractor = Narrow()
    with pytest.raises(RequestError, match="looks at grey"):
        quality(None, extractor)
    extractor.name = "random"
    assert not quality(None, extractor).active
    assert capsys.readouterr().err == "note: callbacks.sample_quality measures nothing: looks at grey or RGB images\n"


def test_a_folder_of_22_photographs_is_trained_on(tmp_path, capsys):
    root = noise_of_which_some_break_off(tmp_path / "photos", 22, broken=0)
    run = train(settings(*FILES[:-3], "logger=none", f"data.root={root}"), tmp_path / "run")
    assert json.loads((run / "status.json").read_text())["state"] == "completed"
    [kid] = json.loads((run / "metrics.json").read_text())["metrics"]
    assert (kid["name"], kid["protocol"]["settings"]["subset_size"]) == ("kid_random", 22)
    assert "there are 22 real ones; measured: kid" in capsys.readouterr().err


# Files that break off.


def noise_of_which_some_break_off(root, count, broken):
    """Their headers are good, their pixels are not."""
    draws = torch.Generator().manual_seed(0)
    for index in range(count):
        path = root / f"{index:03}.png"
        write_png(path, torch.randint(0, 256, (3, 32, 32), generator=draws, dtype=torch.uint8))
        if index < broken:
            path.write_bytes(path.read_bytes()[:1500])
    return root


FILES = (*TINY, "data=image_folder", "data.subset_size=null", "data.image_size=32", "data.num_workers=0",
         "callbacks.health.every_images=null", "callbacks.sample_quality.every_images=48", "logger=csv")


def test_a_metric_for_which_too_few_files_can_be_read_is_left_out_and_training_goes_on(tmp_path, capsys):
    """128 of 130 files, for 128 features, whose covariance takes 129"""
    root = noise_of_which_some_break_off(tmp_path / "photos", 130, broken=2)
    run = train(settings(*FILES, f"data.root={root}", "callbacks.sample_quality.metric=[fid,precision]"),
                tmp_path / "run")
    said = capsys.readouterr().err
    assert said.count("warning: fid_random needs at least 129 images on each side") == 1
    assert "128 real ones" in said and "Measured without fid, and no checkpoints/best.ckpt is written" in said
    content = json.loads((run / "metrics.json").read_text())
    jsonschema.validate(content, SCHEMA)
    lost, kept = content["metrics"]
    assert lost["value"] is None and "128 real ones" in lost["reason"] and content["best"] is None
    assert kept["value"] is not None and kept["protocol"]["num_real"] == 128
    with (run / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["quality/precision_random"]]
    assert [int(row["images_seen"]) for row in rows] == [48, 96] and "quality/fid_random" not in rows[0]
    assert not (run / "checkpoints" / "best.ckpt").exists()


def test_training_goes_on_where_nothing_can_be_measured_on_the_files_that_are_left(tmp_path, capsys):
    root = noise_of_which_some_break_off(tmp_path / "photos", 130, broken=2)
    run = train(settings(*FILES, f"data.root={root}"), tmp_path / "run")
    said = capsys.readouterr().err
    assert said.count("warning: fid_random needs at least 129 images") == 1 and "No other metric is measured" in said
    assert json.loads((run / "status.json").read_text())["state"] == "completed"
    assert json.loads((run / "metrics.json").read_text())["metrics"] == []


def test_training_goes_on_where_not_one_real_image_that_is_looked_at_can_be_read(tmp_path, capsys):
    """Two are looked at, and both break off; there are others to train on."""
    root = noise_of_which_some_break_off(tmp_path / "photos", 12, broken=0)
    chosen = settings(*FILES, f"data.root={root}", "callbacks.sample_quality.num_real=2",
                      "callbacks.sample_quality.metric=[neighbour_distance]")
    from saddlepoint import build
    for path in build.data(chosen).evaluation_images().limited(2).files:
        path.write_bytes(path.read_bytes()[:1500])
    run = train(chosen, tmp_path / "run")
    assert "Not one of 2 images can be read" in capsys.readouterr().err
    assert json.loads((run / "status.json").read_text())["state"] == "completed"


def test_a_score_without_a_value_leaves_no_number_in_the_curve(tmp_path, capsys):
    """Each picture is there twice, so that there is no distance between them to compare with."""
    root = noise_of_which_some_break_off(tmp_path / "photos", 12, broken=0)
    for path in list(root.iterdir()):
        (root / f"again_{path.name}").write_bytes(path.read_bytes())
    run = train(settings(*FILES, f"data.root={root}",
                         "callbacks.sample_quality.metric=[neighbour_distance,precision]"), tmp_path / "run")
    content = json.loads((run / "metrics.json").read_text())
    jsonschema.validate(content, SCHEMA)
    assert content["metrics"][0]["value"] is None and "exact copy" in content["metrics"][0]["reason"]
    assert "quality/neighbour_distance_random" not in (run / "metrics.csv").read_text()
    assert "neighbour_distance_random none (" in capsys.readouterr().err

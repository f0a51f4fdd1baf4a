"""Quality through training: measured without being noticed, kept with its protocol, and followed by best.ckpt."""

import csv
import json
from importlib import resources

import jsonschema
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from saddlepoint import checkpoint
from saddlepoint.callbacks.sample_quality import SampleQuality, Subject
from saddlepoint.errors import RequestError
from saddlepoint.metrics.frechet import FrechetDistance
from saddlepoint.metrics.inception_score import InceptionScore
from saddlepoint.metrics.metric import Measurement
from saddlepoint.metrics.provenance import values
from saddlepoint.training import train
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


def test_too_few_images_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(RequestError, match="fid_random needs at least .* and there are 50 fake") as refusal:
        train(settings(*TINY, "callbacks.sample_quality.num_fake=50"), tmp_path / "run")
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

    channels, image_size, num_workers, class_names = 1, 4, 0, ()

    def __init__(self, still):
        self.images = still

    def still(self, split):
        return self.images


class Unconditional:
    draws_labels = False


def quality(metric, extractor=None):
    metrics = {"fid": FrechetDistance(), "is": InceptionScore(2)}
    subject = Subject(lambda: extractor or BlockMeans(), lambda: metrics, Still(grey(100)), Unconditional())
    return SampleQuality(subject, metric, every_images=None, moments=[], num_fake=100, num_real=None, seed=0)


@pytest.mark.parametrize(("metric", "offered", "kept"), [
    (["fid"], [3.0, float("nan"), 2.0, float("inf"), 2.5], [3.0, 2.0]),
    (["is"], [float("nan"), 3.0, 2.0, 5.0], [3.0, 5.0]),
])
def test_the_best_is_never_a_number_that_is_none(metric, offered, kept, monkeypatch, tmp_path):
    written = []
    callback = quality(metric)
    monkeypatch.setattr("saddlepoint.callbacks.sample_quality.state", lambda module: {})
    monkeypatch.setattr(checkpoint, "save", lambda path, content: written.append(content["best"]["value"]))

    class Trainer:
        default_root_dir = tmp_path

    for value in offered:
        callback.keep_best(Trainer, None, values({metric[0]: Measurement(value)}, PROTOCOL, 0)[0])
    assert written == kept


def test_by_default_it_measures_what_the_extractor_can_tell():
    assert list(quality(None).judge.metrics) == ["fid", "is"]
    blind = BlockMeans()
    blind.num_classes = 0
    assert list(quality(None, blind).judge.metrics) == ["fid"]

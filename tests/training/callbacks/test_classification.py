"""The error of a classifying discriminator, in a whole run from few labels."""

import json
from importlib import resources
from types import SimpleNamespace

import jsonschema
import pytest
import torch

from saddlepoint import build
from saddlepoint.errors import RequestError
from saddlepoint.sampling.loading import load_module
from saddlepoint.training.callbacks.classification import Classification
from saddlepoint.training.train import train
from tests.composing import settings

SCHEMA = json.loads(resources.files("saddlepoint.metrics").joinpath("schema.json").read_text())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(settings(
        "model=semi_supervised", "data=partly_labelled_digits", "data.labelled_per_class=1", "data.subset_size=100",
        "data.held_out=50", "data.batch_size=8", "budget.images=32", "trainer=cpu", "logger=none", "seed=3",
        "model.generator.widths=[8]", "model.discriminator.widths=[12,8]", "callbacks.image_grid.count=4",
        "callbacks.sample_quality.metric=[]", "callbacks.classification.num_images=30",
        "callbacks.classification.every_images=16"), tmp_path_factory.mktemp("runs") / "run")


def test_the_error_is_the_share_of_held_out_images_that_the_classifier_names_wrongly(run):
    content = json.loads((run / "metrics.json").read_text())
    jsonschema.validate(content, SCHEMA)
    [error] = content["representation"]
    module, looking = load_module(run / "checkpoints" / "last.ckpt")[0].eval(), callback(30)
    looking.read_images()
    with torch.no_grad():
        guesses = module.discriminator.class_logits(looking.images / 127.5 - 1, None).argmax(1)
    assert error["name"] == "classification_error" and error["images_seen"] == 32
    assert error["value"] == pytest.approx((guesses != looking.labels).sum().item() / 30)
    assert error["baseline"] == pytest.approx(1 - looking.labels.bincount().max().item() / 30)
    assert error["protocol"] | {"reference_digest": ""} == {
        "reference": "partly_labelled_digits", "reference_digest": "", "split": "test", "num_images": 30, "ema": False,
        **looking.data.labelling()}
    header, *rows = (run / "metrics.csv").read_text().splitlines()
    column = header.split(",").index("quality/classification_error")
    assert [row.split(",")[0] for row in rows if row.split(",")[column]] == ["16", "32"]


def callback(count: int) -> Classification:
    data = build.data(settings("model=semi_supervised", "data=partly_labelled_digits", "data.labelled_per_class=1",
                               "data.subset_size=100", "data.held_out=50", "seed=3"))
    data.setup("fit")
    return Classification(data, None, [], count)


def test_data_without_classes_and_discriminators_that_tell_none_are_refused():
    with pytest.raises(ValueError, match="the data has none"):
        Classification(SimpleNamespace(num_classes=0), None, [], 10)
    module = SimpleNamespace(networks={"discriminator": torch.nn.Identity()}, device=torch.device("cpu"))
    with pytest.raises(RequestError, match=r"Identity \(model.discriminator\) does not: type callbacks=default"):
        callback(5).measure(module)

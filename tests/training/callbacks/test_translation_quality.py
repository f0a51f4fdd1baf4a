"""Translations measured through training: values against closed forms, pictures, the best checkpoint, refusals."""

import json
from importlib import resources
from types import SimpleNamespace

import jsonschema
import pytest
import torch
from PIL import Image
from torch import nn

from saddlepoint.errors import RequestError
from saddlepoint.game.batches import ImageBatch, TranslationBatch, UnpairedBatch
from saddlepoint.metrics.extractors.classifier import Digits
from saddlepoint.metrics.extractors.random import RandomConvolutions
from saddlepoint.metrics.provenance import finite_or_none
from saddlepoint.runs import checkpoint
from saddlepoint.training.callbacks.translation_quality import TranslationQuality, spread

SCHEMA = json.loads(resources.files("saddlepoint.metrics").joinpath("schema.json").read_text())
SIDE, COUNT = 8, 3


def grey(level: int, channels: int = 1, count: int = COUNT) -> torch.Tensor:
    return torch.full((count, channels, SIDE, SIDE), level, dtype=torch.uint8)


class Paired:
    """Pairs of grey 100 and colours of 160."""

    name, yields = "paired", TranslationBatch

    def validation_pairs(self, count):
        return grey(100)[:count], grey(160, 3)[:count]


class Unpaired:
    """Sources of 100 with or without a truth, and other targets."""

    name, yields, truth = "unpaired", UnpairedBatch, None

    def validation_images(self, count):
        return grey(100, 3), grey(180, 3, count=2), self.truth


class Shift(nn.Module):
    """Adds grey levels, and gives as many channels as it is told."""

    def __init__(self, levels: float, channels: int = 3):
        super().__init__()
        self.levels, self.channels = nn.Parameter(torch.tensor(levels / 127.5)), channels

    def forward(self, source, labels):
        return (source[:, :1] + self.levels).expand(-1, self.channels, -1, -1)


def module(**networks: nn.Module) -> SimpleNamespace:
    """Of a game the callback sees this much."""
    return SimpleNamespace(sampling_networks=networks, images_seen=0, images_before=0, budget_images=100,
                           device=torch.device("cpu"), has_average=False)


def callback(data, extractor=None, **more) -> TranslationQuality:
    settings = {"every_images": None, "moments": [0], "most_images": 10, "pictures": 2, "dropout": False,
                "kept_class": extractor is not None} | more
    return TranslationQuality(SimpleNamespace(data=data, extractor=extractor), **settings)


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """-> a function that measures at the start of a run: metrics.json's translations by name"""
    saved = []
    monkeypatch.setattr("saddlepoint.training.callbacks.best.state", lambda module: {})
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "best.ckpt").touch()  # without it, whatever comes next is the best that there is
    monkeypatch.setattr(checkpoint, "save", lambda path, content: saved.append(content["best"]["value"]))

    def measure(callback, game):
        trainer = SimpleNamespace(is_global_zero=True, loggers=(), default_root_dir=str(tmp_path))
        callback.on_train_start(trainer, game)
        content = json.loads((tmp_path / "metrics.json").read_text())
        content["cost"] |= {"seconds": 1, "images_per_second": 1, "parameters": {}, "peak_memory_bytes": 1}
        jsonschema.validate(content, SCHEMA)
        return {each["name"]: each for each in content["translation"]}

    measure.saved, measure.samples = saved, tmp_path / "samples"
    return measure


def test_psnr_and_error_are_beside_those_of_doing_nothing(measured):
    values = measured(callback(Paired()), module(generator=Shift(40)))
    assert values.keys() == {"psnr_rgb", "mean_error"}
    assert (values["mean_error"]["value"], values["mean_error"]["untranslated"]) == (20, 60)
    assert values["mean_error"]["protocol"]["num_images"] == COUNT
    assert measured.saved == [pytest.approx(20 * torch.tensor(255 / 20).log10().item(), rel=1e-6)]


def test_a_perfect_translation_has_no_finite_psnr_and_is_no_best_checkpoint(measured):
    assert finite_or_none(float("inf")) is None
    values = measured(callback(Paired()), module(generator=Shift(60)))
    assert values["psnr_rgb"]["value"] is None and values["mean_error"]["value"] == 0 and measured.saved == []


def test_the_best_is_the_highest_psnr_so_far(measured):
    watching = callback(Paired())
    for levels in (10, 30, 20, 50):
        measured(watching, module(generator=Shift(levels)))
    assert len(measured.saved) == 3 and measured.saved == sorted(measured.saved)
    again = callback(Paired())
    again.load_state_dict(watching.state_dict())
    measured(again, module(generator=Shift(40)))
    assert len(measured.saved) == 3


def test_the_way_there_and_back_is_measured_without_pairs_and_drawn_in_both_directions(measured):
    values = measured(callback(Unpaired()), module(generator=Shift(40), inverse_generator=Shift(-50)))
    assert values.keys() == {"cycle_error"} and values["cycle_error"]["value"] == pytest.approx(10)
    assert measured.saved == []
    for name, levels in (("translation", (100, 140, 90)), ("back", (180, 130, 170))):
        picture = Image.open(measured.samples / f"{name}_0000000000.png")
        assert picture.size == (3 * SIDE + 2 * 2, 2 * SIDE + 2)  # two rows, with gaps of two pixels
        shown = [picture.getpixel((column * (SIDE + 2) + 4, 4))[0] for column in range(3)]
        assert shown == pytest.approx(levels, abs=1)


def test_a_known_truth_is_measured_of_unpaired_images_too(measured):
    data = Unpaired()
    data.truth = grey(150, 3)
    values = measured(callback(data), module(generator=Shift(40), inverse_generator=Shift(-40)))
    assert values["mean_error"]["value"] == pytest.approx(10) and values["cycle_error"]["value"] == pytest.approx(0)
    picture = Image.open(measured.samples / "translation_0000000000.png")
    assert [picture.getpixel((column * (SIDE + 2) + 4, 4))[0] for column in range(4)] == [100, 140, 100, 150]


def test_several_frames_are_shown_and_measured_by_the_last_of_them(measured):
    class Frames(Paired):
        def validation_pairs(self, count):
            return torch.cat([grey(10), grey(20), grey(30), grey(40)], dim=1), grey(50)

    values = measured(callback(Frames()), module(generator=Shift(0, channels=1)))
    assert values["mean_error"]["untranslated"] == 10
    picture = Image.open(measured.samples / "translation_0000000000.png")
    assert [picture.getpixel((column * (SIDE + 2) + 4, 4)) for column in range(3)] == [40, 10, 50]


def test_kept_classes_are_measured_by_a_classifier_alone(measured):
    values = measured(callback(Unpaired(), Digits()), module(generator=Shift(40), inverse_generator=Shift(-40)))
    assert values["kept_class_digits"]["value"] == 1  # evenly grey before and after
    assert values["kept_class_digits"]["protocol"]["digest"] == Digits().digest
    with pytest.raises(RequestError, match="kept_class=true needs a classifier, and extractor=random knows no classes"):
        callback(Unpaired(), RandomConvolutions(0, 32))


def test_data_without_sources_are_refused():
    with pytest.raises(RequestError, match="data=digits has none to be translated: type callbacks=default"):
        callback(SimpleNamespace(name="digits", yields=ImageBatch))


def test_without_pictures_no_file_is_written(measured):
    measured(callback(Paired(), pictures=0), module(generator=Shift(1)))
    assert not measured.samples.exists()


def test_rows_are_spread_over_all_images():
    assert spread(9, 3).tolist() == [0, 4, 8]
    assert spread(2, 8).tolist() == [0, 1]
    assert spread(5, 1).tolist() == [0]

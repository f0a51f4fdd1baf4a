"""Callbacks look and change nothing; their pictures, files and lines are as promised."""

import json
import time

import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from saddlepoint.data import pixels
from saddlepoint.runs import checkpoint
from saddlepoint.sampling import pictures
from saddlepoint.sampling.loading import load_generator
from saddlepoint.training.callbacks.checkpointing import Checkpointing
from saddlepoint.training.train import train
from tests.composing import settings

TINY = ("data.batch_size=8", "trainer=cpu", "model.generator.width=4", "model.discriminator.width=4",
        "budget.images=96", "trick=[ema]", "model.discriminator.dropout=0.3")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same run watched closely and hardly at all."""
    place = tmp_path_factory.mktemp("watching")
    close = ("callbacks.image_grid.every_images=16", "callbacks.scalars.every_images=8",
             "callbacks.checkpointing.every_images=16", "callbacks.image_grid.moments=[0,40]",
             "callbacks.image_grid.count=9", "callbacks.progress.line_seconds=0.001")
    return (train(settings(*TINY, *close), place / "close"),
            train(settings(*TINY, "callbacks=none", "logger=none"), place / "hardly"))


def test_watching_changes_no_bit_of_the_weights(runs):
    close, hardly = (checkpoint.load(run / "checkpoints" / "last.ckpt") for run in runs)
    assert close["module"].keys() == hardly["module"].keys()
    for name, value in close["module"].items():
        same = torch.equal(value, hardly["module"][name]) if isinstance(value, torch.Tensor) else (
            value == hardly["module"][name])
        assert same, name
    assert close["optimizers"][0]["state"].keys() == hardly["optimizers"][0]["state"].keys()


def test_pictures_are_drawn_before_the_first_step_and_at_every_moment(runs):
    seen = [int(path.stem.removeprefix("images_")) for path in sorted((runs[0] / "samples").iterdir())]
    assert seen == [0, 16, 32, 40, 48, 64, 80, 96]
    events = EventAccumulator(str(runs[0]), size_guidance={"images": 0})
    events.Reload()
    assert [event.step for event in events.Images("samples/fixed")] == seen
    for event, path in zip(events.Images("samples/fixed"), sorted((runs[0] / "samples").iterdir()), strict=True):
        assert event.encoded_image_string == path.read_bytes()
    assert not any((runs[1] / "samples").iterdir())


def test_the_last_picture_is_what_sample_draws_of_that_seed(runs):
    drawn = load_generator(runs[0]).sample(9, seed=0)
    expected = pictures.grid(pixels.to_bytes(drawn)).int()
    shown = torch.tensor(list(Image.open(runs[0] / "samples" / "images_0000000096.png").get_flattened_data()))
    assert (shown.view(expected[0].shape) - expected[0]).abs().max() <= 1  # another batch size: rounding differs


def test_progress_is_told_in_plain_lines_where_there_is_no_terminal(tmp_path, capsys):
    train(settings(*TINY, "callbacks.progress.line_seconds=0.001", "logger=none",
                   "trainer.steps_a_visit=1"), tmp_path / "run")
    lines = [line for line in capsys.readouterr().err.splitlines() if "images/s" in line]
    assert len(lines) > 3
    assert lines[-1].startswith("96 of 96 images, ") and "loss D " in lines[-1] and " G " in lines[-1]
    assert lines[-1].endswith("00:00 left")


def test_a_run_leaves_what_the_manual_says(runs):
    run = runs[1]
    assert sorted(path.name for path in run.iterdir()) == [
        "checkpoints", "config.yaml", "environment.json", "generator.safetensors", "metrics.csv", "metrics.json",
        "samples", "status.json"]
    cost = json.loads((run / "metrics.json").read_text())["cost"]
    assert cost["seconds"] > 0 and cost["images_per_second"] == pytest.approx(96 / cost["seconds"])
    assert cost["processor_seconds"] > 0
    assert cost["parameters"] == {"generator": sum(p.numel() for p in load_generator(run).parameters()),
                                  "discriminator": cost["parameters"]["discriminator"]}
    assert cost["peak_host_memory_bytes"] > 1e8 and cost["peak_device_memory_bytes"] is None
    assert json.loads((run / "status.json").read_text())["state"] == "completed"


def test_the_exported_weights_are_those_that_draw(runs):
    from safetensors.torch import load_file
    exported = load_file(runs[0] / "generator.safetensors")
    drawing = load_generator(runs[0]).generator.state_dict()
    live = checkpoint.load(runs[0] / "checkpoints" / "last.ckpt")["module"]
    assert exported.keys() == drawing.keys()
    assert all(torch.equal(exported[name], drawing[name]) for name in exported)
    assert any(not torch.equal(exported[name], live[f"generator.{name}"]) for name in exported)  # EMA, not the live one


def test_processor_seconds_go_on_with_a_run_and_are_unknown_where_they_were_not_counted():
    callback = Checkpointing(None)
    callback.load_state_dict({"seconds": 5.0, "processor_seconds": 3.0})
    callback.on_train_start(None, None)
    before = time.process_time()
    sum(range(10**6))
    assert 3 + time.process_time() - before <= callback.processor_seconds() < 4
    assert 3 < callback.state_dict()["processor_seconds"] < 4
    callback.load_state_dict({"seconds": 5.0})
    assert callback.processor_seconds() is None and callback.state_dict()["processor_seconds"] is None

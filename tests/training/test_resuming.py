"""A run that dies and goes on is, bit for bit, the run that was never interrupted."""

import json
import shutil
from importlib import resources
from pathlib import Path

import jsonschema
import pytest
import pytorch_lightning as pl
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from saddlepoint import build
from saddlepoint.errors import RequestError, RunDirectoryInUse
from saddlepoint.files.json_files import read_json, write_json
from saddlepoint.runs import checkpoint, resuming
from saddlepoint.runs.directory import RunDirectory, update_metrics
from saddlepoint.training import train
from tests.comparing_runs import FAMILIES, NARROW, SMALL, WATCHED, same
from tests.composing import read_yaml, settings
from tests.data.formats import write_latents, write_photo_folder
from tests.runs.made_runs import score


class Death(pl.Callback):
    """The process dies after the step that reaches `images`."""

    def __init__(self, images: int):
        self.images = images

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_index) -> None:
        if module.images_seen >= self.images:
            raise InterruptedError("the end")


def die(made: dict, path: Path, images: int, monkeypatch) -> None:
    configured = build.callbacks
    with monkeypatch.context() as patch:
        patch.setattr(build, "callbacks", lambda *given: [*configured(*given), Death(images)])
        with pytest.raises(InterruptedError):
            go_on(made, path)


def go_on(made: dict, path: Path, *typed: str) -> None:
    wanted = made | {"resume": "auto", "run": {"dir": str(path)}}
    continuing = resuming.continuation(wanted, typed, None)
    train.train(continuing.settings if continuing else wanted, None, continuing)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_run_that_died_twice_ends_as_one_that_never_did(family, tmp_path, monkeypatch):
    """In the middle of an epoch and in the next one, some steps after the newest checkpoint. Until it dies a run has
    one step in a visit of Lightning's loop, as `Death` does not say when it is due; then seven, or fewer, where another
    callback is due."""
    made = settings(*SMALL, *FAMILIES[family])
    train.train(made, tmp_path / "whole")
    for images in (32, 72):
        die(made, tmp_path / "broken", images, monkeypatch)
    go_on(made | {"trainer": made["trainer"] | {"steps_a_visit": 7}}, tmp_path / "broken")
    same(tmp_path / "whole", tmp_path / "broken")


@pytest.mark.parametrize(("workers", "size"), [(0, "[16,24]"), (2, "16")])
def test_so_it_is_with_files_and_workers_and_images_that_are_not_square(workers, size, tmp_path, monkeypatch):
    write_photo_folder(tmp_path / "files")
    made = settings(*SMALL, *NARROW, "data=image_folder", f"data.root={tmp_path / 'files'}", f"data.image_size={size}",
                    "data.subset_size=null", "data.crop=random", "data.horizontal_flip=true", "callbacks=none",
                    f"data.num_workers={workers}", "budget.images=64")
    train.train(made, tmp_path / "whole")
    die(made, tmp_path / "broken", 40, monkeypatch)
    go_on(made, tmp_path / "broken")
    same(tmp_path / "whole", tmp_path / "broken")


def test_so_it_is_with_stored_latents(tmp_path, monkeypatch):
    write_latents(tmp_path / "files", count=20)
    made = settings(*SMALL, *NARROW, "data=stored_latents", f"data.root={tmp_path / 'files'}", "data.image_size=16",
                    "data.subset_size=null", "model.generator.output_activation=none", "callbacks=none",
                    "budget.images=64")
    train.train(made, tmp_path / "whole")
    die(made, tmp_path / "broken", 40, monkeypatch)
    go_on(made, tmp_path / "broken")
    same(tmp_path / "whole", tmp_path / "broken")


@pytest.fixture(scope="module")
def died(tmp_path_factory) -> tuple[dict, Path]:
    """A run that died at 80 of 96 images, with checkpoints of 48 and 72"""
    made, run = settings(*SMALL, *NARROW, "callbacks=none"), tmp_path_factory.mktemp("died") / "run"
    die(made, run, 80, pytest.MonkeyPatch())
    return made, run


@pytest.fixture
def broken(died, tmp_path) -> tuple[dict, Path]:
    """The same run, of which each test has a copy"""
    made, run = died
    return made, shutil.copytree(run, tmp_path / "run")


def test_tensorboard_shows_each_step_once_and_forwards(broken):
    made, run = broken
    go_on(made, run)
    events = EventAccumulator(str(run))
    events.Reload()
    assert [event.step for event in events.Scalars("generator/total")] == [16, 32, 48, 64, 80, 96]


@pytest.mark.parametrize("harm", ["cut", "flipped", "empty", "missing"])
def test_a_spoilt_checkpoint_is_named_and_the_one_before_it_used(harm, broken, capsys):
    made, run = broken
    last = run / "checkpoints" / "last.ckpt"
    whole = last.read_bytes()
    flipped = whole[:999] + bytes([whole[999] ^ 1]) + whole[1000:]
    spoilt = {"cut": whole[:len(whole) // 2], "flipped": flipped, "empty": b""}
    last.unlink() if harm == "missing" else last.write_bytes(spoilt[harm])
    assert checkpoint.newest_good(run / "checkpoints")["images_seen"] == 48
    said = capsys.readouterr().err
    assert str(last) in said and "last-1.ckpt, of 48 images" in said
    go_on(made, run)
    assert read_yaml(run / "status.json")["state"] == "completed"


def test_a_run_killed_before_it_had_described_itself_begins_again(tmp_path):
    made = settings(*SMALL, *NARROW, "callbacks=none", "budget.images=8")
    for folder in ("checkpoints", "samples"):
        (tmp_path / "run" / folder).mkdir(parents=True)
    (tmp_path / "run" / "config.yaml").write_text("seed: 5\n")
    go_on(made, tmp_path / "run")
    assert read_yaml(tmp_path / "run" / "status.json")["state"] == "completed"


def test_a_run_killed_when_only_its_best_checkpoint_was_written_begins_again(tmp_path, monkeypatch):
    made = settings(*SMALL, *NARROW, *WATCHED, "callbacks.checkpointing.every_images=90")
    train.train(made, tmp_path / "whole")
    die(made, tmp_path / "broken", 56, monkeypatch)
    assert [path.name for path in (tmp_path / "broken" / "checkpoints").iterdir()] == ["best.ckpt"]
    go_on(made, tmp_path / "broken")
    same(tmp_path / "whole", tmp_path / "broken")


@pytest.fixture(scope="module")
def watched(tmp_path_factory) -> tuple[dict, Path]:
    """A run whose rows and pictures stand at its end as well, never interrupted"""
    made = settings(*SMALL, *NARROW, *WATCHED, "callbacks.image_grid.every_images=40",
                    "callbacks.scalars.every_images=40")
    run = tmp_path_factory.mktemp("watched") / "whole"
    train.train(made, run)
    return made, run


@pytest.mark.parametrize("place", ["saddlepoint.training.callbacks.scalars.Scalars.on_train_end",
                                   "saddlepoint.training.train.export"])
def test_a_run_killed_at_its_very_end_finishes_what_is_missing(place, watched, tmp_path, monkeypatch):
    """Before the last rows and pictures, and after the last checkpoint"""
    made, whole = watched

    def end(*given) -> None:
        raise InterruptedError("the end")

    with monkeypatch.context() as patch:
        patch.setattr(place, end)
        with pytest.raises(InterruptedError):
            go_on(made, tmp_path / "broken")
    go_on(made, tmp_path / "broken")
    same(whole, tmp_path / "broken")


def test_without_any_whole_checkpoint_every_file_is_named(broken):
    _, run = broken
    files = list((run / "checkpoints").glob("last*.ckpt"))
    for file in files:
        file.write_bytes(b"nothing")
    with pytest.raises(RequestError, match="No checkpoint of this run is whole") as refusal:
        checkpoint.newest_good(run / "checkpoints")
    assert all(str(file) in str(refusal.value) for file in files)


def test_a_finished_run_goes_on_when_its_budget_grows_and_else_says_so(broken, capsys):
    made, run = broken
    go_on(made, run)
    capsys.readouterr()
    go_on(made, run)
    assert "type a larger budget.images=" in capsys.readouterr().out
    go_on(made | {"budget": {"images": 128}}, run, "budget.images=128")
    assert "changed on resuming: budget.images=128 (was 96)" in capsys.readouterr().err
    assert read_yaml(run / "status.json")["images_seen"] == 128


def test_what_would_change_the_run_is_refused_and_named(broken):
    made, run = broken
    other = settings(*SMALL, *NARROW, "callbacks=none", "loss=hinge", "data.batch_size=16")
    with pytest.raises(RequestError) as refusal:
        go_on(other, run, "loss=hinge", "data.batch_size=16", "seed=5")
    said = str(refusal.value)
    assert "loss=hinge (it is nonsaturating)" in said and "data.batch_size=16 (it is 8)" in said and "seed" not in said
    assert not (run / ".lock").exists(), "the refusal gave the lock back"


def test_a_choice_within_a_trick_is_refused_too(tmp_path):
    run = tmp_path / "run"
    typed = ("trick=[augment]", *SMALL, *NARROW, "callbacks=none", "budget.images=16")
    go_on(settings(*typed), run)
    other = settings(*typed, "tricks.augment.policy=ada_upright")
    line = "tricks/augment/policy@tricks.augment=ada_upright"  # as Hydra has it
    with pytest.raises(RequestError, match=r"tricks.augment.policy=ada_upright \(it is diffaugment\)"):
        go_on(other, run, line)


def test_a_schedule_that_ends_with_the_old_budget_is_said(tmp_path, capsys):
    typed = (*SMALL, *NARROW, "callbacks=none", "optimizer=adam_wgan_gp")
    go_on(settings(*typed, "budget.images=16"), tmp_path)
    go_on(settings(*typed, "budget.images=24"), tmp_path, "budget.images=24")
    said = capsys.readouterr().err
    assert ("warning: optimizer.schedule is a schedule over the 16 images of the old budget and stays one: from there "
            "on it has its last value (0.0)") in said
    go_on(settings(*typed, "budget.images=32", "optimizer=adam"), tmp_path / "plain")
    go_on(settings(*typed, "budget.images=40", "optimizer=adam"), tmp_path / "plain", "budget.images=40")
    assert "old budget" not in capsys.readouterr().err


def test_only_pictures_of_the_run_are_taken_again_and_a_later_best_checkpoint_goes(broken, capsys):
    made, run = broken
    mine = [run / "samples" / name for name in ("face_2x.png", "face_20251225.png")]
    for path in (*mine, run / "samples" / "images_0000000080.png"):
        path.touch()
    early, late = (checkpoint.load(run / "checkpoints" / "last.ckpt") | {"images_seen": images} for images in (8, 80))
    checkpoint.save(run / "checkpoints" / "best.ckpt", early)
    resuming.delete_later_results(RunDirectory(run), 72)
    assert (run / "checkpoints" / "best.ckpt").exists()
    checkpoint.save(run / "checkpoints" / "best.ckpt", late)
    resuming.delete_later_results(RunDirectory(run), 72)
    assert not (run / "checkpoints" / "best.ckpt").exists() and "it begins anew" in capsys.readouterr().err
    assert all(path.exists() for path in mine) and not (run / "samples" / "images_0000000080.png").exists()


def test_scores_of_later_steps_are_taken_out_and_their_protocols_stay(broken):
    made, run = broken
    known = {"reference": "mnist5k", "reference_digest": "ab" * 32, "split": "train", "num_images": 9, "ema": False}
    early, late = ({"name": name, "value": 0.5, "baseline": 0.1, "images_seen": images, "protocol": known}
                   for name, images in (("code_accuracy", 72), ("reconstruction_error", 73)))
    fid = score(value=3.0, images=80) | {"protocol_since": 80, "interval": [2.0, 4.0], "details": {"0": 1.0}}
    write_json(run / "metrics.json", {"metrics": [fid], "best": score(value=3.0, images=80),
                                      "representation": [early, late]})
    resuming.delete_later_results(RunDirectory(run), 72)
    found = read_json(run / "metrics.json")
    schema = json.loads(resources.files("saddlepoint.metrics").joinpath("schema.json").read_text())
    jsonschema.validate(found | {"metrics": [], "best": None}, schema)
    reason = "the run went on from 72 images, before it was measured"
    emptied = {"value": None, "images_seen": 72, "reason": reason}
    assert found["metrics"] == [fid | emptied | {"interval": None, "details": {}, "protocol_since": 73}]
    assert found["best"] is None and found["representation"] == [early, late | emptied]


def test_a_run_that_is_measured_otherwise_from_some_step_on_says_from_where(tmp_path):
    typed = (*SMALL, "model=mlp", "callbacks=default", "callbacks.image_grid.every_images=null",
             "callbacks.sample_quality.every_images=8", "callbacks.sample_quality.metric=[class_shares]",
             "extractor=digits", "callbacks.sample_quality.num_real=16")
    first = settings(*typed, "budget.images=16", "callbacks.sample_quality.num_fake=4")
    run = train.train(first, tmp_path / "run")
    longer = settings(*typed, "callbacks.sample_quality.num_fake=6") | {"resume": str(run), "budget": {"images": 32}}
    going_on = resuming.continuation(longer, ["budget.images=32", "callbacks.sample_quality.num_fake=6"], None)
    train.train(going_on.settings, continuation=going_on)
    found = read_json(run / "metrics.json")
    jsonschema.validate(found, json.loads(resources.files("saddlepoint.metrics").joinpath("schema.json").read_text()))
    assert [each["protocol"]["num_fake"] for each in found["metrics"]] == [6]
    assert [each["protocol_since"] for each in found["metrics"]] == [24]


@pytest.mark.parametrize("harm", [b"{ half", b"[]", bytes(200_000), b"images\xff_seen,generator/total\n16,1\n"])
@pytest.mark.parametrize("name", ["metrics.json", "metrics.csv"])
def test_a_damaged_file_of_results_is_set_aside_and_begins_anew(name, harm, broken, capsys):
    made, run = broken
    (run / name).write_bytes(harm)
    resuming.delete_later_results(RunDirectory(run), 72)
    update_metrics(run, {"cost": {"evaluation_seconds": 1.0}})
    assert (run / f"{name}.damaged").read_bytes() == harm
    said = capsys.readouterr().err.splitlines()
    assert said == [f"warning: {run / name} is damaged: it is kept as {name}.damaged, and begins anew"]
    assert (run / "metrics.csv").exists() == (name == "metrics.json") and "cost" in read_json(run / "metrics.json")
    (run / name).write_bytes(b"{ again")
    resuming.delete_later_results(RunDirectory(run), 72)
    assert (run / f"{name}.damaged").read_bytes() == harm and (run / f"{name}.damaged1").read_bytes() == b"{ again"


def test_a_run_under_way_is_not_gone_on_with(broken):
    made, run = broken
    held = RunDirectory.reopen(run)
    with pytest.raises(RunDirectoryInUse, match="in use by another process"):
        go_on(made, run)
    held.close()


def test_auto_begins_where_there_is_nothing_and_says_so(tmp_path, capsys):
    made = settings(*SMALL, *NARROW, "callbacks=none", "budget.images=8")
    go_on(made, tmp_path / "new")
    assert "no checkpoint, so training starts from the beginning" in capsys.readouterr().err
    assert read_yaml(tmp_path / "new" / "status.json")["state"] == "completed"


def test_auto_begins_again_in_the_directory_of_a_run_that_died_before_its_first_checkpoint(tmp_path, monkeypatch):
    made = settings(*SMALL, *NARROW, "callbacks=none", "budget.images=32")
    train.train(made, tmp_path / "whole")
    die(made, tmp_path / "broken", 16, monkeypatch)
    assert (tmp_path / "broken" / "metrics.csv").exists()
    go_on(made, tmp_path / "broken")
    same(tmp_path / "whole", tmp_path / "broken")


def test_a_directory_that_is_no_run_is_left_as_it_is(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    made = settings(*SMALL, *NARROW, "callbacks=none")
    with pytest.raises(RequestError, match="holds no checkpoint"):
        resuming.continuation(made | {"resume": str(tmp_path)}, [], None)
    with pytest.raises(RequestError, match="is not empty"):
        go_on(made, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_auto_without_a_directory_and_a_path_that_is_none_are_refused(tmp_path):
    made = settings(*SMALL)
    with pytest.raises(RequestError, match="type run.dir=PATH as well"):
        resuming.continuation(made | {"resume": "auto"}, [], None)
    with pytest.raises(RequestError, match="is not a directory"):
        resuming.continuation(made | {"resume": str(tmp_path / "nowhere")}, [], None)


def test_temporary_files_of_the_dead_are_cleared_away(broken):
    made, run = broken
    leftovers = [run / ".metrics.json.tmp-1", run / "checkpoints" / ".last.ckpt.tmp-1"]
    for leftover in leftovers:
        leftover.write_bytes(b"half")
    go_on(made, run)
    assert not any(leftover.exists() for leftover in leftovers)

"""Several loggers of a run are shown the same; what needs a package says so. wandb and mlflow have stand-ins here."""

import csv
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy
import pytest
import torch
from pytorch_lightning.loggers import CSVLogger, MLFlowLogger, TensorBoardLogger, WandbLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from saddlepoint.errors import RequestError
from saddlepoint.runs.directory import RunDirectory
from saddlepoint.runs.resuming import continuation
from saddlepoint.training.loggers import adapter, adapters
from saddlepoint.training.loggers.adapter import End
from saddlepoint.training.loggers.mlflow import MLflow
from saddlepoint.training.loggers.wandb import Wandb
from saddlepoint.training.train import train
from tests.composing import composed, settings
from tests.training.loggers.test_hparams import TINY

END = End("completed", 96, 0.0, {"seed": 0}, {"fid_x": 12.5}, {"images_seen": 96})
PICTURE = torch.arange(6, dtype=torch.uint8).view(1, 2, 3)


class StandInWandb(WandbLogger):
    """Made as WandbLogger is, and remembers what it is told"""

    def __init__(self, **given):
        self.given, self.told, self.summary, self.exits = given, [], {}, []

    @property
    def version(self):
        return self.given["id"]

    @property
    def experiment(self):
        return SimpleNamespace(summary=self.summary, finish=lambda exit_code: self.exits.append(exit_code))

    def log_image(self, key, images, step=None):
        self.told.append((key, step, numpy.asarray(images[0]).tolist()))


class StandInMLFlow(MLFlowLogger):
    run_id, _tracking_uri = "r1", "http://nowhere"

    def __init__(self, params=None):
        self.params, self.statuses, self.metrics, self.pictures = params or {}, [], [], []

    @property
    def experiment(self):
        return SimpleNamespace(
            get_run=lambda run_id: SimpleNamespace(data=SimpleNamespace(params=self.params)),
            update_run=lambda run_id, status: self.statuses.append(status),
            log_image=lambda run_id, image, key, step: self.pictures.append((run_id, key, step, image.tolist())))

    def log_hyperparams(self, params):
        self.params = {**self.params, **params}

    def log_metrics(self, metrics, step=None):
        self.metrics.append((dict(metrics), step))


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_missing_package_is_named_before_there_is_a_directory(name, tmp_path, monkeypatch):
    found = adapter.find_spec
    monkeypatch.setattr(adapter, "find_spec", lambda package: None if package == name else found(package))
    with pytest.raises(RequestError) as refusal:
        train(settings(*TINY, f"logger={name}", f"run.dir={tmp_path / 'run'}"))
    assert str(refusal.value) == f"logger={name} needs the package {name}: type pip install 'saddlepoint[{name}]'"
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_called_as_the_package_is_not_the_package(tmp_path, monkeypatch):
    """wandb makes a folder wandb/ where it is started, which Python would import as an empty package."""
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("folder_only", "whole_package"):
        (tmp_path / name).mkdir()
    (tmp_path / "whole_package" / "__init__.py").touch()
    wanted = adapter.LoggerAdapter()
    wanted.package = "folder_only"
    assert wanted.is_missing
    wanted.package = "whole_package"
    assert not wanted.is_missing


def test_several_loggers_get_every_value_at_the_same_images_seen(tmp_path):
    run = train(settings(*TINY, "logger=[tensorboard,csv]", f"run.dir={tmp_path / 'run'}"))
    tables = [read(run / "metrics.csv", "images_seen"), read(run / "csv" / "version_0" / "metrics.csv", "step")]
    assert tables[0] == tables[1] and sorted(tables[0]) == [8, 16, 24, 32]
    events = EventAccumulator(str(run), size_guidance={"scalars": 0})
    events.Reload()
    for name, value in tables[0][32].items():
        assert {event.step: event.value for event in events.Scalars(name)}[32] == pytest.approx(value, rel=1e-6)


def read(path: Path, at: str) -> dict[int, dict[str, float]]:
    with path.open(newline="") as file:
        rows = [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]
    return {int(row.pop(at)): row for row in rows}


def test_a_run_that_goes_on_deletes_no_rows_of_the_csv_logger(tmp_path):
    run = train(settings(*TINY, "logger=csv", f"run.dir={tmp_path / 'run'}"))
    longer = settings(*TINY, "logger=csv", f"resume={run}", "budget.images=48")
    train(longer, continuation=continuation(longer, ["budget.images=48"], None))
    assert [sorted(read(run / "csv" / f"version_{start}" / "metrics.csv", "step")) for start in (0, 1)] == [
        [8, 16, 24, 32], [40, 48]]


def test_a_run_goes_on_with_other_loggers_than_it_began_with(tmp_path, capsys):
    run = train(settings(*TINY, "logger=none", f"run.dir={tmp_path / 'run'}"))
    typed = ["logger=[csv,tensorboard]", "budget.images=48"]
    longer = settings(*TINY, *typed, f"resume={run}")
    going_on = continuation(longer, typed, None)
    assert "logger=csv+tensorboard (was none)" in capsys.readouterr().err
    train(going_on.settings, continuation=going_on)
    assert sorted(read(run / "csv" / "version_0" / "metrics.csv", "step")) == [40, 48]
    events = EventAccumulator(str(run), size_guidance={"scalars": 0})
    events.Reload()
    assert [event.step for event in events.Scalars("generator/total")] == [40, 48]


def test_none_is_no_logger_and_settings_of_the_first_runs_are_still_read(tmp_path):
    assert adapters.make_loggers(settings("logger=none"), tmp_path) == []
    old = {"logger": {"_target_": "pytorch_lightning.loggers.TensorBoardLogger", "name": "", "version": ""}}
    assert [type(each) for each in adapters.make_loggers(old, tmp_path)] == [TensorBoardLogger]
    both = adapters.make_loggers(composed("logger=[csv,tensorboard]")[0], tmp_path)
    assert [type(each) for each in both] == [CSVLogger, TensorBoardLogger]


def test_other_services_call_a_run_by_its_directory_and_go_on_where_it_is_known(tmp_path):
    directory = tmp_path / "2026-11-22" / "3_loss=hinge"
    directory.mkdir(parents=True)
    first = Wandb().arguments(directory, 0)
    assert (first["name"], first["group"]) == ("3_loss=hinge", "2026-11-22")
    assert Wandb().arguments(directory, 0)["id"] != first["id"]
    adapter.write_id(directory, "wandb", first["id"])
    adapter.write_id(directory, "mlflow", "r1")
    assert Wandb().arguments(directory, 96)["id"] == first["id"]
    again = MLflow().arguments(directory, 96)
    assert (again["run_id"], again["run_name"], again["tags"]["group"]) == ("r1", "3_loss=hinge", "2026-11-22")


@pytest.fixture
def without_mlflow(monkeypatch):
    """The one class of mlflow's that is imported by name"""
    exceptions = SimpleNamespace(MlflowException=type("MlflowException", (Exception,), {}))
    monkeypatch.setitem(sys.modules, "mlflow", SimpleNamespace(exceptions=exceptions))
    monkeypatch.setitem(sys.modules, "mlflow.exceptions", exceptions)
    return exceptions.MlflowException


def test_mlflow_is_told_only_settings_it_does_not_know_since_it_refuses_to_change_them(without_mlflow, tmp_path):
    logger = StandInMLFlow(params={"budget.images": "32"})
    MLflow().begin(logger, tmp_path, {"budget.images": 64, "seed": 0})
    assert logger.params == {"budget.images": "32", "seed": 0} and logger.statuses == ["RUNNING"]
    assert adapter.read_id(tmp_path, "mlflow") == "r1"


def test_a_place_that_mlflow_cannot_use_is_named(without_mlflow, tmp_path):
    uri = f"sqlite:///{tmp_path / 'runs.db'}"
    words = f"logger.mlflow.tracking_uri={uri} cannot be used: broken"
    with pytest.raises(RequestError, match=words), MLflow().contact({"tracking_uri": uri}):
        raise without_mlflow("broken")


def test_pictures_and_final_scores_reach_every_service(tmp_path):
    wandb, mlflow = StandInWandb(id="w1"), StandInMLFlow()
    adapters.show([wandb, mlflow, CSVLogger(tmp_path)], "samples/fixed", PICTURE, 96)
    assert wandb.told == [("samples/fixed", 96, PICTURE[0].tolist())]
    assert mlflow.pictures == [("r1", "samples/fixed", 96, PICTURE[0].tolist())]
    Wandb().finish(wandb, tmp_path, END)
    MLflow().finish(mlflow, tmp_path, END)
    assert wandb.summary == {"final/fid_x": 12.5, "final/images_seen": 96} and wandb.exits == [0]
    assert mlflow.metrics == [({"final/fid_x": 12.5, "final/images_seen": 96}, 96)] and mlflow.statuses == ["FINISHED"]


@pytest.mark.parametrize(("state", "status", "exit_code"), [("stopped", "KILLED", 0), ("diverged", "FAILED", 1),
                                                            ("rollback", "RUNNING", 0)])
def test_services_are_told_how_a_run_ended(state, status, exit_code, tmp_path):
    wandb, mlflow, end = StandInWandb(id="w1"), StandInMLFlow(), End(state, 8, 0.0, {}, {}, {})
    Wandb().finish(wandb, tmp_path, end)
    MLflow().finish(mlflow, tmp_path, end)
    assert (mlflow.statuses, wandb.exits) == ([status], [exit_code])
    assert bool(mlflow.metrics) == (state == "diverged")


def test_a_run_that_died_before_its_first_checkpoint_takes_its_loggers_files_with_it(tmp_path):
    (tmp_path / "wandb" / "offline-run-1").mkdir(parents=True)
    (tmp_path / "csv" / "version_0").mkdir(parents=True)
    for file in ("environment.json", "loggers.json", "wandb/offline-run-1/x.wandb", "csv/version_0/metrics.csv"):
        (tmp_path / file).write_text("{}")
    RunDirectory.clear_unsaved(tmp_path)
    assert not [*tmp_path.glob("[!.]*")]

"""Sweeps and searches on a machine with two GPUs, for which CUDA_VISIBLE_DEVICES stands in."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.saddlepoint_processes import ProcessesLauncher
from hydra_plugins.saddlepoint_search import SearchSweeper
from saddlepoint import environment
from saddlepoint.config.folders import settings_folder
from saddlepoint.errors import RequestError
from saddlepoint.sweeps import machine
from saddlepoint.sweeps.sweep import Request
from tests.sweeps.sweeping import SWEEP, states, swept


@pytest.fixture(autouse=True)
def two_gpus(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv(environment.CALLED, "script")  # the launcher sets it for its jobs
    monkeypatch.setattr(machine, "cores", lambda: 16)


def composed(*typed: str) -> DictConfig:
    with initialize_config_dir(str(settings_folder()), version_base="1.3"):
        return compose("train", overrides=["hydra.sweep.dir=sweep", *typed], return_hydra_config=True)


def request(*typed: str) -> Request:
    """What the launcher is about to run for these settings"""
    config = composed(*typed)
    settings = OmegaConf.to_container(config.hydra.launcher)
    settings.pop("_target_")
    launcher = ProcessesLauncher(**settings)
    launcher.setup(hydra_context=None, task_function=None, config=config)
    return launcher.request


def test_each_gpu_takes_so_many_jobs_and_each_job_its_share_of_the_cores():
    made = request("hydra.launcher.jobs_per_gpu=4")
    assert [place["CUDA_VISIBLE_DEVICES"] for place in made.places] == ["0", "1"] * 4
    assert {place[environment.JOBS_ON_GPU] for place in made.places} == {"4"}
    assert "threads=2" in made.shared


def test_by_default_a_job_has_a_gpu_of_its_own_and_is_told_of_no_other():
    assert [*request().places] == [{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "1"}]


@pytest.mark.parametrize(("typed", "answer"), [
    (["hydra.launcher.jobs_per_gpu=0"], "hydra.launcher.jobs_per_gpu=0 must be a whole number of at least 1"),
    (["hydra.launcher.jobs_per_gpu=2", "trainer=ddp"], "trainer.devices=null takes a whole one for each process"),
    (["hydra.launcher.jobs_per_gpu=2", "trainer=cpu"], "trainer.accelerator=cpu no job uses one"),
    (["hydra.launcher.jobs_at_once=3"], "type hydra.launcher.jobs_at_once=2 or hydra.launcher.jobs_per_gpu=2")])
def test_what_cannot_be_is_refused_before_anything_is_written(typed, answer):
    with pytest.raises(RequestError, match=answer):
        request(*typed)
    assert not SWEEP.exists()


def test_a_machine_without_gpus_says_what_to_type_instead(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(RequestError, match="this machine has none .*hydra.launcher.jobs_at_once=3 runs as many"):
        request("hydra.launcher.jobs_per_gpu=3")
    assert [*request("hydra.launcher.jobs_at_once=3").places] == [{}] * 3


def test_trials_of_a_search_share_gpus_as_jobs_do():
    config = composed("hydra/sweeper=search", "hydra.launcher.jobs_per_gpu=3")
    settings = OmegaConf.to_container(config.hydra.sweeper)
    settings.pop("_target_")
    sweeper = SearchSweeper(**settings)
    sweeper.setup(hydra_context=SimpleNamespace(config_loader=None), task_function=None, config=config)
    assert [*sweeper.launcher.request.places] == machine.places(6, ["0", "1"], 3, 16)


def test_jobs_see_one_gpu_and_how_many_share_it():
    swept(*(f"fine{number}" for number in range(6)), places=machine.places(None, ["0", "1"], 2, 16))
    assert states() == ["completed"] * 6
    told = [log.read_text() for log in sorted(Path(SWEEP).glob("*.log"))]
    assert len(told) == 6 and all("gpu=0 of 2" in text or "gpu=1 of 2" in text for text in told)
    assert all(sum(f"gpu={gpu} of 2" in text for text in told) >= 2 for gpu in "01")
    assert environment.JOBS_ON_GPU not in os.environ

"""The page of sweeps that other launchers ran."""

import pytest
from omegaconf import OmegaConf

from saddlepoint.comparison.report.at_the_end import PageAtTheEnd
from tests.composing import CONF, read_yaml
from tests.runs.made_runs import make_run


def ended(launcher: str) -> None:
    config = {"hydra": {"runtime": {"choices": {"hydra/launcher": launcher}}, "sweep": {"dir": "sweep"}}}
    PageAtTheEnd().on_multirun_end(OmegaConf.create(config))


@pytest.fixture(autouse=True)
def somewhere_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("launcher", ["basic", "submitit_slurm"])
def test_a_page_stands_in_the_directory_of_the_sweep(launcher, somewhere_else, capsys):
    make_run(somewhere_else / "sweep" / "0")
    ended(launcher)
    assert "1 run (1 completed)" in (somewhere_else / "sweep" / "comparison.html").read_text()
    assert "sweep/comparison.html" in capsys.readouterr().out


def test_the_launcher_that_writes_its_own_is_left_alone(somewhere_else):
    make_run(somewhere_else / "sweep" / "0")
    ended("processes")
    assert not (somewhere_else / "sweep" / "comparison.html").exists()


def test_without_a_run_there_is_no_page(somewhere_else, capsys):
    (somewhere_else / "sweep").mkdir()
    ended("basic")
    assert not (somewhere_else / "sweep" / "comparison.html").exists() and capsys.readouterr().out == ""


def test_hydra_calls_it():
    assert read_yaml(CONF / "train.yaml")["hydra"]["callbacks"]["page"]["_target_"] == (
        f"{PageAtTheEnd.__module__}.{PageAtTheEnd.__name__}")

"""The short version of `make chaos`: the same code with smaller numbers, and proof that it can fail."""

import random
import shutil

import pytest
import torch
from hypothesis.strategies import just

from saddlepoint.runs import checkpoint
from saddlepoint.training import train
from tests.chaos import fuzzing, runs, saves, spoiling
from tests.chaos.processes import Training
from tests.chaos.report import Report
from tests.chaos.runs import Case
from tests.comparing_runs import NARROW, SMALL, differences
from tests.composing import settings
from tests.warm import Command

SEED = 20


@pytest.fixture
def report() -> Report:
    return Report(say=lambda line: None)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    made = settings(*SMALL, *NARROW, "callbacks=none", "logger=none", "budget.images=48")
    return train.train(made, tmp_path_factory.mktemp("trained") / "whole")


@pytest.fixture
def whole(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "whole")


@pytest.fixture
def pair(whole, tmp_path) -> spoiling.Pair:
    return spoiling.Pair(whole, tmp_path / "spoilt")


class WarmTraining(Training):
    """Which imports nothing anew, and speaks when it is over"""

    def begun(self, command, environment):
        return Command(command, self.run.parent, environment)

    def listen(self):
        """Nothing: of two threads that wait for a copy one gets its exit code, and the other takes it for lost: 255"""

    def said(self):
        return "".join(self.process.communicate())


def test_a_run_killed_three_times_ends_as_one_that_was_not(tmp_path, report, monkeypatch):
    monkeypatch.setattr(runs, "Training", WarmTraining)
    case = Case("spectral norm, hinge", 1, tmp_path / "case", ("threads=1", "budget.images=480", "logger=none"))
    train.train(settings(*case.settings), case.whole)
    case.start, case.training = 1, 1  # seconds, about, and less than it takes: all kills hit one life, most likely
    runs.kills(case, 3, random.Random(SEED), report)
    assert not report.problems and sum(report.found.values()) == 3


def test_saves_that_are_killed_leave_a_whole_checkpoint(tmp_path, report):
    saves.saves(20, tmp_path, random.Random(SEED), report)
    assert not report.problems and report.trials["saves"] == 20
    assert report.found["saves: a file was half written"], "some kills hit a save"


def test_flipped_bits_and_bytes_are_found(pair, report):
    spoiling.flips(32, pair, random.Random(SEED), report)
    assert not report.problems and report.trials["flips"] == 32


def test_cut_files_and_what_is_no_file_are_found(pair, report):
    spoiling.truncations(16, pair, random.Random(SEED), report)
    assert not report.problems and report.trials["truncations"] > 16


def test_reading_without_a_digest_would_be_noticed(pair, report, monkeypatch):
    monkeypatch.setattr(checkpoint, "_digest_holds", lambda path: True)
    spoiling.flips(16, pair, random.Random(SEED), report)
    assert any("it was loaded" in problem for problem in report.problems)


def test_losing_the_good_file_to_a_spoilt_one_would_be_noticed(pair, report, monkeypatch):
    def keep_newest(folder, count):
        (folder / "last.ckpt").replace(folder / "last-1.ckpt")

    monkeypatch.setattr(checkpoint, "keep_newest", keep_newest)
    spoiling.flips(1, pair, random.Random(SEED), report)
    assert any("put the spoilt file over the good one" in problem for problem in report.problems)


def test_odd_input_of_each_part_is_tried(report):
    fuzzing.odd_input(dict.fromkeys(fuzzing.TRIALS, 1) | {"values": 0}, random.Random(SEED), report)
    assert not report.problems and report.trials == dict.fromkeys(fuzzing.TRIALS, 1)


def test_a_fault_of_each_part_would_be_noticed(report, monkeypatch):
    def fault(*example):
        raise KeyError("a fault")

    monkeypatch.setattr(fuzzing.checks, "value_is_taken_or_refused_in_words", fault)
    monkeypatch.setattr(fuzzing, "VALUES", just("1"))
    for part in fuzzing.TRIALS:
        monkeypatch.setitem(fuzzing.TRIALS, part, (fault, just("example")))
    fuzzing.odd_input(dict.fromkeys(fuzzing.TRIALS, 1) | {"values": 6}, random.Random(SEED), report)
    assert report.trials == dict.fromkeys(fuzzing.TRIALS, 1) | {"values": 6}
    assert len(report.problems) == sum(report.trials.values()) and all("a fault" in each for each in report.problems)


@pytest.mark.parametrize("part", ["module.generator", "optimizers.0", "latest"])
def test_one_number_that_was_not_brought_back_would_be_noticed(part, whole, tmp_path):
    other = shutil.copytree(whole, tmp_path / "other")
    assert not differences(whole, other)
    saved = checkpoint.load(other / "checkpoints" / "last.ckpt")
    tensor = next(tensor for path, tensor in tensors(saved) if f".{part}" in path)
    tensor.view(-1)[0] += 1
    checkpoint.save(other / "checkpoints" / "last.ckpt", saved)
    assert [difference for difference in differences(whole, other) if f".{part}" in difference]


def tensors(value, path=""):
    if isinstance(value, torch.Tensor):
        yield path, value
    elif isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from tensors(inner, f"{path}.{key}")

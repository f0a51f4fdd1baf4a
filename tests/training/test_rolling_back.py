"""callbacks.health.on_nonfinite=roll_back: a run that diverges goes on from its newest checkpoint, more slowly."""

import json
from pathlib import Path

import pytest
import torch

from saddlepoint.errors import Diverged
from saddlepoint.game.optimizers import Optimizers
from saddlepoint.runs import checkpoint
from saddlepoint.training import train as training
from tests.comparing_runs import NARROW, SMALL, rows, status
from tests.composing import settings

RATE = 2e-4  # of conf/optimizer/adam.yaml


@pytest.fixture
def losing_its_way(monkeypatch) -> list[int]:
    """Every number appended is a count of images at which the next update is spoilt, once"""
    moments: list[int] = []
    step = Optimizers.step

    def spoilt(optimizers, module, player, terms):
        if moments and module.images_seen == moments[0]:
            moments.pop(0)
            terms = terms | {"adversarial": terms["adversarial"] * torch.nan}
        return step(optimizers, module, player, terms)

    monkeypatch.setattr(Optimizers, "step", spoilt)
    return moments


def train(run: Path, *more: str) -> None:
    training.train(settings(*SMALL, *NARROW, "callbacks=none", "callbacks.health.on_nonfinite=roll_back", *more), run)


def rates(run: Path) -> set[float]:
    saved = checkpoint.load(run / "checkpoints" / "last.ckpt")
    return {group["lr"] for optimizer in saved["optimizers"] for group in optimizer["param_groups"]}


def test_it_ends_its_budget_with_lower_learning_rates_and_says_so(losing_its_way, tmp_path, capsys):
    losing_its_way += [56]
    train(tmp_path)
    assert status(tmp_path)["state"] == "completed" and not losing_its_way
    assert rates(tmp_path) == {RATE / 2}
    assert json.loads((tmp_path / "metrics.json").read_text())["roll_backs"] == {
        "count": 1, "learning_rates_times": 0.5}
    assert "on from 48 images with learning rates times 0.5" in capsys.readouterr().err
    assert [row["images_seen"] for row in rows(tmp_path)] == ["16", "32", "48", "64", "80", "96"]


def test_a_second_time_before_the_next_checkpoint_halves_them_again(losing_its_way, tmp_path):
    losing_its_way += [56, 64]
    train(tmp_path)
    assert rates(tmp_path) == {RATE / 4}


def test_a_second_time_after_the_next_checkpoint_halves_them_again(losing_its_way, tmp_path):
    losing_its_way += [56, 80]
    train(tmp_path)
    assert rates(tmp_path) == {RATE / 4}


def test_not_for_ever(losing_its_way, tmp_path):
    losing_its_way += [56, 64]
    with pytest.raises(Diverged, match="adversarial"):
        train(tmp_path, "callbacks.health.roll_backs=1")
    assert status(tmp_path)["state"] == "diverged"
    assert checkpoint.load(tmp_path / "checkpoints" / "last.ckpt")["images_seen"] == 48


def test_before_the_first_checkpoint_there_is_nothing_to_go_back_to(losing_its_way, tmp_path):
    losing_its_way += [8]
    with pytest.raises(Diverged, match="nothing to roll back to"):
        train(tmp_path)
    assert not (tmp_path / ".lock").exists()
    found = status(tmp_path)
    assert found["state"] == "diverged" and "nothing to roll back to" in found["reason"] and found["images_seen"] == 8

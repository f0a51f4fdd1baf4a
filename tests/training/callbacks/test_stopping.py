"""A signal waits for the end of the step and for the checkpoint, also one that somebody else waits for."""

import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl

from saddlepoint import build
from saddlepoint.errors import Stopped
from saddlepoint.runs import checkpoint, resuming
from saddlepoint.training import train
from saddlepoint.training.callbacks import stopping
from saddlepoint.training.callbacks.stopping import StopOnSignal
from tests.comparing_runs import NARROW, SMALL, same, status
from tests.composing import settings


class Sender(pl.Callback):
    def __init__(self, number: int, at: int = 40):
        self.number, self.at = number, at

    def on_train_batch_start(self, trainer, module, batch, batch_index) -> None:
        if module.images_seen == self.at:
            signal.raise_signal(self.number)


@pytest.mark.parametrize("alone", [True, False])
def test_a_signal_ends_a_visit_of_several_steps_in_a_process_that_is_alone(alone, monkeypatch):
    """Several processes end theirs together: they agree after the visit."""
    monkeypatch.setattr(stopping, "is_alone", lambda: alone)
    stop, trainer = StopOnSignal(), SimpleNamespace(should_stop=False)
    stop.on_train_start(trainer, None)
    signal.raise_signal(signal.SIGUSR1)
    assert trainer.should_stop == alone and stop.received == signal.SIGUSR1


def stop_by(number: int, run: Path, monkeypatch, sender: Callable[[int], pl.Callback] = Sender) -> Stopped:
    configured = build.callbacks
    with monkeypatch.context() as patch:
        patch.setattr(build, "callbacks", lambda *given: [*configured(*given), sender(number)])
        with pytest.raises(Stopped) as stopped:
            train.train(settings(*SMALL, *NARROW, "callbacks=none", f"run.dir={run}"))
    assert status(run)["state"] == "stopped"
    return stopped.value


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGUSR1, 143), (signal.SIGINT, 130)])
def test_the_step_is_finished_and_saved(number, exit_code, tmp_path, monkeypatch):
    before = signal.getsignal(number)
    assert stop_by(number, tmp_path / "run", monkeypatch).exit_code == exit_code
    assert checkpoint.load(tmp_path / "run" / "checkpoints" / "last.ckpt")["images_seen"] == 48
    assert signal.getsignal(number) == before


class SenderAtStart(pl.Callback):
    """Before training begins: before Lightning sets its handlers, or after"""

    def __init__(self, number: int, hook: str):
        self.number, self.hook = number, hook

    def on_fit_start(self, trainer, module) -> None:
        if self.hook == "on_fit_start":
            signal.raise_signal(self.number)

    def on_train_start(self, trainer, module) -> None:
        if self.hook == "on_train_start":
            signal.raise_signal(self.number)


class Impatient(StopOnSignal):
    """Who types Ctrl-C twice; the second time in the middle of the step"""

    def note(self, number, frame) -> None:
        super().note(number, frame)
        signal.raise_signal(number)


@pytest.mark.parametrize(("number", "hook", "exit_code"), [
    (signal.SIGINT, "on_fit_start", 130), (signal.SIGINT, "on_train_start", 130),
    (signal.SIGTERM, "on_train_start", 143)])
def test_a_run_that_has_not_begun_is_stopped_and_begins_anew(number, hook, exit_code, tmp_path, monkeypatch):
    before, told = signal.getsignal(number), []
    monkeypatch.setattr(train.adapters, "finish", lambda loggers, given, run, state, images: told.append(state))
    end = stop_by(number, tmp_path / "run", monkeypatch, partial(SenderAtStart, hook=hook))
    assert told == ["stopped"]
    assert end.exit_code == exit_code
    assert str(end) == f"Stopped by {signal.Signals(number).name} at once; there is no checkpoint of the run yet"
    assert signal.getsignal(number) == before
    made = settings(*SMALL, *NARROW, "callbacks=none", "resume=auto", f"run.dir={tmp_path / 'run'}")
    assert resuming.continuation(made, [], None) is None
    train.train(made)
    assert status(tmp_path / "run")["state"] == "completed"


def test_a_second_interrupt_ends_the_step_too_and_the_run_goes_on_from_its_checkpoint(tmp_path, monkeypatch):
    run, before = tmp_path / "run", signal.getsignal(signal.SIGINT)
    made = settings(*SMALL, *NARROW, "callbacks=none", f"run.dir={run}")
    train.train({**made, "run": {"dir": str(tmp_path / "whole")}})
    stop_by(signal.SIGINT, run, monkeypatch, partial(Sender, at=24))
    going_on = resuming.continuation({**made, "resume": str(run)}, [], None)
    assert going_on.saved["images_seen"] == 32
    with monkeypatch.context() as patch:
        configured = build.callbacks
        patch.setattr(build, "callbacks", lambda *given: [*configured(*given), Sender(signal.SIGINT)])
        patch.setattr(train, "StopOnSignal", Impatient)
        with pytest.raises(Stopped) as stopped:
            train.train(going_on.settings, None, going_on)
    last = run / "checkpoints" / "last.ckpt"
    assert stopped.value.exit_code == 130 and str(stopped.value) == (
        f"Stopped by SIGINT at once; {last} holds the run as it was last saved. To go on, type "
        f"python train.py resume={run}")
    assert status(run)["state"] == "stopped" and signal.getsignal(signal.SIGINT) == before
    going_on = resuming.continuation({**made, "resume": str(run)}, [], None)
    assert going_on.saved["images_seen"] == 32
    train.train(going_on.settings, None, going_on)
    same(tmp_path / "whole", run)


def test_who_waits_for_sigusr2_gets_it_when_the_run_is_saved(tmp_path, monkeypatch):
    """As submitit does, which then requeues the job; to SLURM's SIGTERM it turns a deaf ear"""
    heard = []

    def requeue(number, frame) -> None:
        run = tmp_path / "run"
        heard.append((signal.Signals(number), status(run)["state"], (run / ".lock").exists(),
                      checkpoint.load(run / "checkpoints" / "last.ckpt")["images_seen"]))

    before = {signal.SIGUSR2: signal.signal(signal.SIGUSR2, requeue),
              signal.SIGTERM: signal.signal(signal.SIGTERM, lambda number, frame: heard.append(signal.SIGTERM))}
    try:
        configured = build.callbacks
        monkeypatch.setattr(build, "callbacks", lambda *given: [*configured(*given), Sender(signal.SIGTERM)])
        stop_by(signal.SIGUSR2, tmp_path / "run", monkeypatch)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert heard == [signal.SIGTERM, (signal.SIGUSR2, "stopped", False, 48)]


def test_a_job_that_slurm_requeued_goes_on_by_itself(tmp_path, monkeypatch):
    made = settings(*SMALL, *NARROW, "callbacks=none", f"run.dir={tmp_path / 'run'}")
    train.train({**made, "run": {"dir": str(tmp_path / "whole")}})
    stop_by(signal.SIGUSR1, tmp_path / "run", monkeypatch)
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    going_on = resuming.continuation(made, [], None)
    assert going_on.saved["images_seen"] == 48
    train.train(going_on.settings, None, going_on)
    same(tmp_path / "whole", tmp_path / "run")

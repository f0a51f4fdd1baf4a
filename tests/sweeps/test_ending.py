"""Jobs that have to be ended: by a signal to the sweep, by a limit, by an error of our own."""

import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from saddlepoint.sweeps.process import Process
from saddlepoint.sweeps.run_files import RunFiles
from saddlepoint.sweeps.runner import Limits, Runner
from tests.sweeps.sweeping import SWEEP, an_hour_passes, starts, states, summary, swept


def send_when(condition: Callable[[], bool], number: signal.Signals) -> None:
    """A signal to this process, which a sweep runs in"""
    def wait() -> None:
        while not condition():
            time.sleep(0.02)
        os.kill(os.getpid(), number)
    threading.Thread(target=wait, daemon=True).start()


def holds(file: Path) -> bool:
    return file.exists() and bool(file.read_text())


def is_gone(pid: str) -> bool:
    """Within a minute: a process that was killed may take a moment"""
    stat = Path(f"/proc/{pid}/stat")
    for _ in range(1200):
        with suppress(FileNotFoundError, ProcessLookupError):
            if stat.read_text().split()[2] != "Z":
                time.sleep(0.05)
                continue
        return True
    return False


def test_what_a_killed_job_started_does_not_outlive_it():
    swept("parent")
    assert is_gone((SWEEP / "0_seed=0,job=parent" / "child").read_text())


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 143)])
def test_a_stopped_sweep_hands_the_signal_on_and_goes_on_with_what_is_missing(number, exit_code):
    before = signal.getsignal(number)
    send_when(lambda: holds(SWEEP / "1_job=patient.log"), number)
    _, end = swept("fine", "patient", "good", places=[{}])
    assert end.exit_code == exit_code and states() == ["completed", "stopped", "waiting"]
    assert json.loads((SWEEP / "1_job=patient" / "status.json").read_text())["reason"] == f"Stopped by {number.name}"
    assert (SWEEP / "1_job=patient" / "checkpoints" / "last.ckpt").is_file()
    assert signal.getsignal(number) == before
    assert swept("fine", "patient", "good")[1] is None
    assert starts() == [1, 2, 1]


def test_a_terminal_that_is_closed_may_say_so_twice():
    """Or after another signal, and kills nobody who writes a checkpoint; another signal does."""
    said = []
    process = SimpleNamespace(ask_to_end=lambda number, *given: said.append(number), kill=lambda: said.append("killed"))
    runner = Runner(lambda job: [], [], Limits(), watcher=None)
    runner.running[0] = process
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGHUP):
        runner.received.append(number)
        runner._handle_signals()
        runner._handle_signals()
    assert said == [signal.SIGINT]
    runner.received.append(signal.SIGTERM)
    runner._handle_signals()
    assert said == [signal.SIGINT, "killed"]


def test_a_second_signal_ends_jobs_that_are_deaf_to_the_first(monkeypatch):
    asked, ask_to_end = [], Process.ask_to_end
    monkeypatch.setattr(Process, "ask_to_end", lambda *arguments: asked.append(ask_to_end(*arguments)))
    send_when(lambda: holds(SWEEP / "0_seed=0,job=deaf.log"), signal.SIGTERM)
    send_when(lambda: bool(asked), signal.SIGTERM)
    assert swept("deaf", limits=Limits(grace_seconds=3600))[1].exit_code == 143 and states() == ["stopped"]


def test_a_limit_ends_a_job_whatever_its_progress(monkeypatch):
    an_hour_passes(monkeypatch, "patient")
    _, end = swept("patient", limits=Limits(limit_minutes=30))
    assert states() == ["hung"] and "not over after 30 minutes" in summary()["jobs"][0]["reason"]
    assert (SWEEP / "0_seed=0,job=patient" / "checkpoints" / "last.ckpt").is_file()  # it was asked, and not killed


def test_an_error_of_the_sweep_itself_leaves_no_job_behind(monkeypatch):
    def fails(files) -> bool:
        if "pid=" in (SWEEP / "0_seed=0,job=deaf.log").read_text():
            raise RuntimeError("of ours")
        return False
    monkeypatch.setattr(RunFiles, "refresh", fails)
    with pytest.raises(RuntimeError, match="of ours"):
        swept("deaf")
    assert is_gone(re.search(r"pid=(\d+)", (SWEEP / "0_seed=0,job=deaf.log").read_text())[1])

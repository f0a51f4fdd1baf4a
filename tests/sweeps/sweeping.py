"""Sweeps of stand-ins for train.py, in the current directory."""

import json
import sys
from pathlib import Path

import pytest

from saddlepoint.comparison.report.writing import write_page
from saddlepoint.errors import EndOfRun
from saddlepoint.sweeps.jobs import Job
from saddlepoint.sweeps.process import Process
from saddlepoint.sweeps.runner import Limits
from saddlepoint.sweeps.sweep import Request, sweep

SWEEP = Path("sweep")
AGAIN = ("failed", "killed", "hung", "stopped")
CALLED = ["python", "stand_in.py"]
STAND_IN = [sys.executable, "-S", str(Path(__file__).with_name("stand_in.py"))]


def request(**changes) -> Request:
    return Request(**{"directory": SWEEP, "program": STAND_IN, "called": CALLED,
                      "shared": ["threads=1"], "places": [{}] * 2,
                      "limits": Limits(), "again": AGAIN, "typed": ["job=a,b", "-m"],
                      "write_page": write_page, **changes})


def swept(*jobs: str, **changes) -> tuple[list[Job], EndOfRun | None]:
    return sweep(request(**changes), [["seed=0", f"job={job}"] for job in jobs])


def an_hour_passes(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """For a job that stands still, as soon as it does: a limit of seconds would end those that the machine holds up"""
    refresh = Process.refresh

    def refreshed(process: Process) -> bool:
        progress = refresh(process)
        if not progress and f"job={name}" in process.job.overrides and "pid=" in process.job.log.read_text():
            process.started, process.progressed = process.started - 3600, process.progressed - 3600
        return progress

    monkeypatch.setattr(Process, "refresh", refreshed)


def summary() -> dict:
    return json.loads((SWEEP / "summary.json").read_text())


def states() -> list[str]:
    return [job["state"] for job in summary()["jobs"]]


def starts() -> list[int]:
    return [job["starts"] for job in summary()["jobs"]]

"""Sweeps of stand-ins for train.py, in the current directory."""

import json
import sys
from pathlib import Path

from saddlepoint.errors import EndOfRun
from saddlepoint.sweeps.jobs import Job
from saddlepoint.sweeps.runner import Limits
from saddlepoint.sweeps.sweep import Request, sweep

SWEEP = Path("sweep")
AGAIN = ("failed", "killed", "hung", "stopped")
STAND_IN = [sys.executable, "-S", str(Path(__file__).with_name("stand_in.py"))]


def request(**changes) -> Request:
    return Request(**{"directory": SWEEP, "program": STAND_IN, "shared": ["threads=1"], "places": [{}] * 2,
                      "limits": Limits(), "again": AGAIN, "typed": ["job=a,b", "-m"], **changes})


def swept(*jobs: str, **changes) -> tuple[list[Job], EndOfRun | None]:
    return sweep(request(**changes), [["seed=0", f"job={job}"] for job in jobs])


def summary() -> dict:
    return json.loads((SWEEP / "summary.json").read_text())


def states() -> list[str]:
    return [job["state"] for job in summary()["jobs"]]


def starts() -> list[int]:
    return [job["starts"] for job in summary()["jobs"]]

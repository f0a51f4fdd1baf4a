"""One directory per run: lock, resolved config, environment, status, metrics, and where everything else goes."""

import json
import os
import platform
import shutil
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import filelock

from saddlepoint.config import extensions
from saddlepoint.environment import command, revision, versions
from saddlepoint.errors import RequestError, RunDirectoryInUse
from saddlepoint.files.json_files import now, write_json
from saddlepoint.parallel.collectives import place

WRITTEN = ("config.yaml", "status.json", "metrics.csv", "metrics.json", "hparams.yaml", "diagnosis.json",
           "loggers.json", "environment.json")
OF_LOGGERS = ("csv", "wandb")  # folders


def new_path(root: Path, experiment: str) -> Path:
    """root/<experiment>/<date>_<time>_<4 hex>: runs started in the same second stay apart."""
    return root / experiment / f"{datetime.now():%Y-%m-%d_%H%M%S}_{os.urandom(2).hex()}"


class RunDirectory:
    """Open one with `create`; `close` gives the lock back and says how the run ended."""

    def __init__(self, path: Path):
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.samples = path / "samples"
        self.last = self.checkpoints / "last.ckpt"
        self.lock_file = path / ".lock"
        self.lock = filelock.FileLock(self.lock_file)
        self.started = now()

    @classmethod
    def create(cls, path: Path) -> "RunDirectory":
        """A new run in an empty or missing directory, locked."""
        try:
            occupied = path.is_dir() and any(entry.name != ".lock" for entry in path.iterdir())
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RequestError(f"run.dir={path} cannot be made: {error.strerror or error}. "
                               "Choose a directory you may write to") from error
        run = cls(path)
        if not occupied or run.lock_file.exists():  # a lock tells a run under way from one that is over
            run.acquire()
        if occupied:
            run.close()
            raise RequestError(f"run.dir={path} is not empty, and a run never writes over another: "
                               "choose another directory")
        for folder in (run.checkpoints, run.samples):
            folder.mkdir(exist_ok=True)
        return run

    @classmethod
    def clear_unsaved(cls, path: Path) -> None:
        """What a run left that died before its first checkpoint goes, so that it can begin again there; no more."""
        if not (path / "environment.json").is_file() and not only_begun(path):
            return
        run = cls(path)
        run.acquire()
        try:
            patterns = ("events.out.tfevents.*", "samples/*.png", ".*.tmp*", "*/.*.tmp*", "checkpoints/best.ckpt")
            written = [path / name for name in WRITTEN]  # environment.json last: it says whose the others are
            for folder in OF_LOGGERS:
                shutil.rmtree(path / folder, ignore_errors=True)
            for file in [*(file for each in patterns for file in path.glob(each)), *written]:
                file.unlink(missing_ok=True)
            for folder in (run.checkpoints, run.samples):
                with suppress(OSError):  # it holds something of somebody else's: the new run refuses the directory
                    folder.rmdir()
        finally:
            run.close()

    @classmethod
    def reopen(cls, path: Path) -> "RunDirectory":
        """An existing run, locked, to go on with; it keeps the time it was first started."""
        run = cls(path)
        run.acquire()
        with suppress(OSError, ValueError, KeyError):  # it may have died before it said anything: it starts now
            run.started = json.loads((path / "status.json").read_text(encoding="utf-8"))["started"]
        for folder in (run.checkpoints, run.samples):
            folder.mkdir(exist_ok=True)
        return run

    def acquire(self) -> None:
        try:
            self.lock.acquire(timeout=0)
        except filelock.Timeout as error:
            raise RunDirectoryInUse(f"run.dir={self.path} is in use by another process ({self._owner()}): "
                                    "wait for it or choose another directory") from error
        except OSError as error:
            raise RequestError(f"run.dir={self.path} cannot be written to: {error.strerror or error}. "
                               "Choose a directory you may write to") from error

    def _owner(self) -> str:
        try:
            environment = json.loads((self.path / "environment.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return "it has not said who it is"
        return f"process {environment['process']} on {environment['host']}"

    def describe(self, config_yaml: str, seed: int, threads: int, data: Mapping[str, Any] | None = None) -> None:
        """The resolved configuration, where it runs, and the identity of what it is trained on."""
        (self.path / "config.yaml").write_text(config_yaml, encoding="utf-8")
        write_json(self.path / "environment.json", {
            "command": command(),
            "seed": seed,
            "threads": threads,
            "python": platform.python_version(),
            "platform": platform.platform(),
            "host": platform.node(),
            "process": os.getpid(),
            "processes": place()[1],
            "versions": versions(),
            "revision": revision(),
            "extensions": [each.provenance() for each in extensions.in_use()],
            "data": data,
        })

    def status(self, state: str, reason: str = "", images_seen: int = 0) -> None:
        """state: running, completed, diverged, stopped or failed"""
        write_json(self.path / "status.json", {
            "state": state, "reason": reason, "images_seen": images_seen, "started": self.started,
            "ended": None if state == "running" else now(),
        })

    @property
    def is_completed(self) -> bool:
        try:
            return json.loads((self.path / "status.json").read_text(encoding="utf-8"))["state"] == "completed"
        except (OSError, ValueError, KeyError):
            return False

    def write_metrics(self, content: dict) -> None:
        update_metrics(self.path, content)

    def close(self) -> None:
        if self.lock.is_locked:
            self.lock.release()
            self.lock_file.unlink(missing_ok=True)


class Onlooker(RunDirectory):
    """A run as the other processes see it: the first one writes and holds the lock."""

    def describe(self, config_yaml: str, seed: int, threads: int, data: Mapping[str, Any] | None = None) -> None: ...

    def status(self, state: str, reason: str = "", images_seen: int = 0) -> None: ...

    def write_metrics(self, content: dict) -> None: ...


def only_begun(path: Path) -> bool:
    """A run that died before environment.json stood: empty folders and at most its settings"""
    entries = [entry for entry in path.glob("*") if not entry.name.startswith(".")]
    empty = all(not any(entry.iterdir()) for entry in entries if entry.is_dir())
    return empty and {"checkpoints"} <= {entry.name for entry in entries} <= {"checkpoints", "samples", "config.yaml"}


def update_metrics(run: Path, content: dict) -> None:
    """Parts of metrics.json (metrics/schema.json describes it) take the place of earlier ones; costs are added to."""
    path = run / "metrics.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    cost = before.get("cost", {}) | content.get("cost", {})
    write_json(path, {"metrics": []} | before | content | ({"cost": cost} if cost else {}))

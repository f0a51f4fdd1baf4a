"""Makes, locks and reopens the directory of a run, and writes its settings, environment, status and metrics."""

import json
import os
import platform
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import filelock

from saddlepoint.config import extensions
from saddlepoint.environment import changes, command, processor, revision, versions
from saddlepoint.errors import RequestError, RunDirectoryInUse
from saddlepoint.files.atomic import write_atomically
from saddlepoint.files.json_files import now, read_json, write_json
from saddlepoint.parallel.collectives import place

FILES_OF_A_RUN = ("config.yaml", "status.json", "metrics.csv", "metrics.json", "hparams.yaml", "diagnosis.json",
                  "loggers.json", "environment.json")
FOLDERS_OF_LOGGERS = ("csv", "wandb")


def new_path(root: Path, experiment: str) -> Path:
    """Returns root/<experiment>/<date>_<time>_<4 random hex digits>. The digits differ for runs of the same second."""
    return root / experiment / f"{datetime.now():%Y-%m-%d_%H%M%S}_{os.urandom(2).hex()}"


class RunDirectory:
    """A run's directory with its lock. `create` or `reopen` locks it, `close` unlocks it."""

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
        """Returns a locked directory for a new run. Raises a RequestError if it is not empty or cannot be made, and
        RunDirectoryInUse if another process has locked it."""
        try:
            occupied = path.is_dir() and any(entry.name != ".lock" for entry in path.iterdir())
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RequestError(f"run.dir={path} cannot be made: {error.strerror or error}. "
                               "Choose a directory you may write to") from error
        run = cls(path)
        if not occupied or run.lock_file.exists():  # if another run goes on there, acquiring says so
            run.acquire()
        if occupied:
            run.close()
            raise RequestError(f"run.dir={path} is not empty, and a run never writes over another: choose another "
                               "directory, or type resume=auto as well to go on with the run there")
        for folder in (run.checkpoints, run.samples):
            folder.mkdir(exist_ok=True)
        return run

    @classmethod
    def clear_unsaved(cls, path: Path) -> None:
        """Deletes the files of a run that died before its first checkpoint, so that it can begin again there. Files
        that no run writes stay."""
        if not (path / "environment.json").is_file() and not only_begun(path):
            return
        run = cls(path)
        run.acquire()
        try:
            patterns = ("events.out.tfevents.*", "samples/*.png", ".*.tmp*", "*/.*.tmp*", "checkpoints/best.ckpt")
            # environment.json is last: while it exists, the others are known to be a run's
            files = [path / name for name in FILES_OF_A_RUN]
            for folder in FOLDERS_OF_LOGGERS:
                shutil.rmtree(path / folder, ignore_errors=True)
            for file in [*(file for each in patterns for file in path.glob(each)), *files]:
                file.unlink(missing_ok=True)
            for folder in (run.checkpoints, run.samples):
                with suppress(OSError):  # it holds other files, so the new run will refuse the directory
                    folder.rmdir()
        finally:
            run.close()

    @classmethod
    def reopen(cls, path: Path) -> "RunDirectory":
        """Returns the locked directory of an existing run that will be resumed; it keeps the time of its first
        start."""
        run = cls(path)
        run.acquire()
        with suppress(OSError, ValueError, KeyError):  # a run that died before it wrote its status starts now
            run.started = json.loads((path / "status.json").read_text(encoding="utf-8"))["started"]
        for folder in (run.checkpoints, run.samples):
            folder.mkdir(exist_ok=True)
        return run

    def acquire(self) -> None:
        """Locks the directory. Raises RunDirectoryInUse if another process has locked it, and a RequestError if it
        cannot be written to."""
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

    def describe(self, config_yaml: str, seed: int, threads: int, data: Mapping[str, Any] | None = None,
                 device: Mapping[str, Any] | None = None, first_weights: Mapping[str, Any] | None = None) -> None:
        """Writes config.yaml, and environment.json with command, machine, device, versions, the identity of the data
        and where first weights come from. Of a run that is resumed, `earlier_starts` keeps the commands and the code of
        the starts before."""
        write_atomically(self.path / "config.yaml", lambda file: file.write_text(config_yaml, encoding="utf-8"))
        start = {"command": command(), "revision": revision(), "changes": changes()}
        write_json(self.path / "environment.json", {
            "command": start["command"],
            "seed": seed,
            "threads": threads,
            "python": platform.python_version(),
            "platform": platform.platform(),
            "host": platform.node(),
            "processor": processor(),
            "process": os.getpid(),
            "processes": place()[1],
            "device": device,
            "versions": versions(),
            "revision": start["revision"],
            "changes": start["changes"],
            "earlier_starts": self._earlier_starts(start),
            "extensions": [each.provenance() for each in extensions.in_use()],
            "data": data,
            "first_weights": first_weights or {},
        })

    def _earlier_starts(self, start: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Returns command, revision and changes of the starts before this one, those alike once."""
        before = read_json(self.path / "environment.json")
        if before is None:
            return []
        last = {name: before.get(name) for name in start}
        earlier = [*before.get("earlier_starts", ())]
        earlier += [last] if last not in earlier else []
        return [] if earlier == [start] else earlier

    def write_status(self, state: str, reason: str = "", images_seen: int = 0) -> None:
        """Writes status.json. `state`: running, completed, diverged, collapsed, rollback, stopped or failed."""
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
            self.lock_file.unlink(missing_ok=True)  # before others may lock it, who would lose the file they locked
            self.lock.release()


class Onlooker(RunDirectory):
    """A run's directory in the other processes than the first one, which alone holds the lock and writes."""

    def describe(self, config_yaml: str, seed: int, threads: int, data: Mapping[str, Any] | None = None,
                 device: Mapping[str, Any] | None = None, first_weights: Mapping[str, Any] | None = None) -> None: ...

    def write_status(self, state: str, reason: str = "", images_seen: int = 0) -> None: ...

    def write_metrics(self, content: dict) -> None: ...


def only_begun(path: Path) -> bool:
    """Returns whether the directory is of a run that died before it wrote environment.json: it holds empty folders and
    at most the run's settings."""
    entries = [entry for entry in path.glob("*") if not entry.name.startswith(".")]
    empty = all(not any(entry.iterdir()) for entry in entries if entry.is_dir())
    return empty and {"checkpoints"} <= {entry.name for entry in entries} <= {"checkpoints", "samples", "config.yaml"}


def update_metrics(run: Path, content: dict) -> None:
    """Replaces the parts of a run's metrics.json that `content` has, and keeps the others. Of `cost`, only the given
    entries are replaced. metrics/schema.json describes the file."""
    before = read_metrics(run)
    cost = before.get("cost", {}) | content.get("cost", {})
    write_json(run / "metrics.json", {"metrics": []} | before | content | ({"cost": cost} if cost else {}))


def read_metrics(run: Path) -> dict[str, Any]:
    """Returns the content of a run's metrics.json; {} if there is none. A file that is read and holds something else is
    set aside."""
    path = run / "metrics.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        content = None
    if isinstance(content, dict):
        return content
    set_aside(path)
    return {}


def set_aside(path: Path) -> None:
    """Renames a damaged file, and warns that the run writes it anew."""
    names = (path.with_name(f"{path.name}.damaged{number or ''}") for number in count())
    aside = next(name for name in names if not name.exists())
    path.replace(aside)
    print(f"warning: {path} is damaged: it is kept as {aside.name}, and begins anew", file=sys.stderr)

"""`python train.py` as processes that are started, watched and killed: each with a group of its own, so that its data
workers end with it, and nobody else."""

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOO_LONG = 600  # seconds
GRACE = 10  # seconds for the last words of a process that is over
GLANCE = 0.005  # seconds between two looks at a process


class Training:
    """run.dir=`run` resume=auto; what it says is added to `run`.log, beside the run."""

    def __init__(self, settings: tuple[str, ...], run: Path, launcher: tuple[str, ...] = ()):
        self.run, self.log = run, run.with_name(f"{run.name}.log")
        command = [sys.executable, *launcher, str(ROOT / "train.py"), *settings, f"run.dir={run}", "resume=auto"]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "SADDLEPOINT_CACHE": str(run.parent / "cache")}
        self.lines: list[str] = []
        self.process = self.begun(command, environment)
        self.listening = threading.Thread(target=self.listen, daemon=True)
        self.listening.start()

    def begun(self, command: list[str], environment: dict[str, str]) -> subprocess.Popen:
        return subprocess.Popen(command, cwd=self.run.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                env=environment, start_new_session=True, text=True, errors="replace")

    def listen(self) -> None:
        """Through a pipe, which no limit of a file's size cuts short"""
        with self.log.open("a") as log:
            for line in self.process.stdout:
                self.lines.append(line)
                log.write(line)

    @property
    def is_over(self) -> bool:
        return self.process.poll() is not None

    @property
    def is_running(self) -> bool:
        """It has its run directory and says so, and not a process before it"""
        try:
            environment = json.loads((self.run / "environment.json").read_text())
            status = json.loads((self.run / "status.json").read_text())
        except (OSError, ValueError):
            return False
        return environment["process"] == self.process.pid and status["state"] == "running"

    def wait_for(self, condition: Callable[[], bool]) -> bool:
        """Whether it came before the process was over"""
        ends = time.monotonic() + TOO_LONG
        while not condition() and not self.is_over and time.monotonic() < ends:
            time.sleep(GLANCE)
        return not self.is_over

    def is_over_within(self, seconds: float) -> bool:
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self.process.wait()

    def send(self, number: signal.Signals) -> None:
        """To the whole group. A process that nobody waited for keeps its number, so this hits nobody else"""
        if not self.is_over:
            os.killpg(self.process.pid, number)

    def limit_files(self, size: int) -> None:
        """From now on no file grows beyond `size` bytes: as on a full disk, a write fails"""
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def end(self) -> int:
        """The exit code; what hangs is killed and has another one"""
        if not self.is_over_within(TOO_LONG):
            self.kill()
        return self.process.returncode

    def said(self) -> str:
        self.listening.join(GRACE)
        return "".join(self.lines)

    def last_line(self) -> str:
        return (self.said().strip().splitlines() or ["nothing"])[-1]

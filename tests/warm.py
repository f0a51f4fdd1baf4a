"""Commands in processes of their own that need not import torch and Lightning anew, which takes 6 s of CPU time: copies
of one process that imported them and did nothing else. A test whose claim is about the start or the very end of the
interpreter, or about what is imported, starts a fresh one instead: processes.py does."""

import atexit
import multiprocessing
import os
import runpy
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.processes import ROOT, ended, ending, free_port


@cache
def server() -> BaseContext:
    """What copies itself, running"""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.imports"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("OPENBLAS_NUM_THREADS", "1")  # others would be missing in the copies
        forkserver.ensure_running()
    return context


class Command:
    """What a test needs of subprocess.Popen, of a copy."""

    def __init__(self, args: Sequence[str | Path], where: Path, environment: dict[str, str]):
        self.args, self.folder = [*map(str, args)], TemporaryDirectory()
        self.streams = [Path(self.folder.name) / name for name in ("out", "err")]
        self.process = server().Process(target=become, args=(self.args[1:], str(where), environment, *self.streams))
        self.process.start()
        self.pid = self.process.pid
        while self.poll() is None and os.getpgid(self.pid) != self.pid:  # until os.killpg would reach it
            time.sleep(0.001)

    @property
    def returncode(self) -> int | None:
        return self.process.exitcode

    poll = returncode.fget

    def wait(self, timeout: float | None = None) -> int:
        self.process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """As subprocess does, and again as often as it is asked for"""
        self.wait(timeout)
        return tuple(path.read_text() if path.exists() else "" for path in self.streams)

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def become(args: list[str], where: str, environment: dict[str, str], *streams: Path) -> None:
    """A session of its own, which hears Ctrl-C, with these streams: what subprocess.Popen makes of a fresh process"""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(where)
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, stream in enumerate(streams, 1):
        os.dup2(os.open(stream, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
    is_module = args[0] == "-m"
    sys.argv = args[is_module:]
    sys.path[0] = where if is_module else str(Path(args[0]).parent)
    try:
        if is_module:
            runpy.run_module(args[1], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(args[0], run_name="__main__")
    finally:
        atexit._run_exitfuncs()


def warm(command: Sequence[str | Path], where: Path, **environment: str) -> AbstractContextManager[Command]:
    """As processes.started: this Python's own path, then a script or -m and a module, then arguments"""
    return ending(Command(command, where, {**os.environ, **environment}))


def typed(line: str, where: Path, **environment: str) -> subprocess.CompletedProcess:
    script, *arguments = shlex.split(line)
    return alone([sys.executable, ROOT / script, *arguments], where, **environment)


def alone(command: Sequence[str | Path], where: Path, **environment: str) -> subprocess.CompletedProcess:
    with warm(command, where, **environment) as process:
        return ended(process)


def shared(command: Sequence[str | Path], where: Path, count: int) -> list[subprocess.CompletedProcess]:
    """That command in `count` processes of one group at once"""
    with ExitStack() as stack:
        return [*map(ended, [stack.enter_context(warm(command, where, **each)) for each in environments(here=count)])]


def environments(machines: int = 1, here: int = 1) -> list[dict[str, str]]:
    """What torchrun would tell the processes of a group, `here` on each of so many machines"""
    port = str(free_port())
    everyones = {"WORLD_SIZE": str(machines * here), "LOCAL_WORLD_SIZE": str(here), "MASTER_ADDR": "127.0.0.1",
                 "MASTER_PORT": port, "TORCHELASTIC_RUN_ID": port}
    return [everyones | {"RANK": str(machine * here + number), "LOCAL_RANK": str(number), "GROUP_RANK": str(machine)}
            for machine in range(machines) for number in range(here)]

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
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import cache
from importlib import import_module
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, BinaryIO

import pytest
from pytorch_lightning.strategies.launchers import subprocess_script

from saddlepoint.sweeps import process as jobs
from tests.processes import ROOT, ended, ending, free_port

TORCHRUN_STARTS = "torch.distributed.elastic.multiprocessing.subprocess_handler.subprocess_handler"


@cache
def server() -> BaseContext:
    """What copies itself, running"""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.imports", "tests.warm"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("OPENBLAS_NUM_THREADS", "1")  # others would be missing in the copies
        forkserver.ensure_running()
    return context


class Copy:
    """What a test, our launcher of jobs and Lightning's of a group need of subprocess.Popen, of a copy"""

    def __init__(self, args: Sequence[str | Path], process: BaseProcess):
        self.args, self.process, self.pid = [*map(str, args)], process, process.pid

    @property
    def returncode(self) -> int | None:
        return self.process.exitcode

    poll = returncode.fget

    def wait(self, timeout: float | None = None) -> int:
        self.process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Command(Copy):
    """`starts`: how many processes it starts that may be copies too, jobs of a sweep, the others of a group or the
    processes of a torchrun"""

    def __init__(self, args: Sequence[str | Path], where: Path, environment: dict[str, str], starts: int = 0):
        self.folder = TemporaryDirectory()
        self.streams = [Path(self.folder.name) / name for name in ("out", "err")]
        own = (str(where), environment, *self.streams)
        process = server().Process(target=lead, args=(starts, [*map(str, args)], *own))
        process.start()
        super().__init__(args, process)
        while self.poll() is None and os.getpgid(self.pid) != self.pid:  # until os.killpg would reach it
            time.sleep(0.001)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """As subprocess does, and again as often as it is asked for"""
        self.wait(timeout)
        return tuple(path.read_text() if path.exists() else "" for path in self.streams)


class Spares:
    """Copies of a copy that did nothing yet, which wait to be told what to become. They leave with it."""

    def __init__(self, count: int, *streams: Path):
        self.streams = streams
        self.waiting: list[tuple[BaseProcess, Connection]] = []
        for _ in range(count):
            hears, tells = multiprocessing.Pipe(duplex=False)
            process = multiprocessing.get_context("fork").Process(target=self.wait, args=(hears, tells))
            process.start()
            self.waiting.append((process, tells))

    def wait(self, hears: Connection, *inherited: Connection) -> None:
        for tells in (*inherited, *(tells for _, tells in self.waiting)):
            tells.close()  # so that nobody is waited for who has gone
        try:
            has_session, *told = hears.recv()
        except EOFError:
            return
        if has_session:
            os.setsid()
        become(*told)

    def told(self, command: Sequence[str], *told: Any) -> Copy:
        assert self.waiting, f"more processes are started than were announced: {command}"
        process, tells = self.waiting.pop()
        tells.send((*told[:1], [*command], *told[1:]))
        tells.close()
        return Copy(command, process)

    def job(self, command: Sequence[str], environment: Mapping[str, str], log: BinaryIO) -> Copy:
        """In place of saddlepoint.sweeps.process.start"""
        return self.told(command, True, str(Path.cwd()), dict(environment), Path(log.name), Path(log.name))

    def member(self, command: Sequence[str], env: Mapping[str, str], cwd: str | None) -> Copy:
        """In place of subprocess.Popen, where Lightning starts the other processes of a group"""
        return self.told(command, False, cwd or str(Path.cwd()), dict(env), *self.streams)

    def worker(self, args: Sequence[str], env: Mapping[str, str], **session_and_streams: Any) -> Copy:
        """In place of subprocess.Popen, where torchrun starts the processes of its machine"""
        return self.told(args, True, str(Path.cwd()), dict(env), *self.streams)

    def leave(self) -> None:
        for process, tells in self.waiting:
            tells.close()
            process.join()


def lead(starts: int, command: list[str], where: str, environment: dict[str, str], *streams: Path) -> None:
    """A session of its own, as subprocess.Popen makes one for a fresh process"""
    os.setsid()
    spares = Spares(starts, *streams)
    if starts:
        jobs.start, subprocess_script.subprocess = spares.job, SimpleNamespace(Popen=spares.member)
        if "torch.distributed.run" in command:
            import_module(TORCHRUN_STARTS).Popen = spares.worker
    become(command, where, environment, *streams, leave=spares.leave)


def become(command: list[str], where: str, environment: dict[str, str], *streams: Path,
           leave: Callable[[], None] = lambda: None) -> None:
    """It hears Ctrl-C, and has these streams and the environment's PYTHONPATH, as a fresh process would."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(where)
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, stream in enumerate(streams, 1):
        os.dup2(os.open(stream, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
    is_safe = command[1] == "-P"
    args = command[1 + (command[1] in ("-P", "-u")):]
    is_module = args[0] == "-m"
    sys.argv = args[is_module:]
    first = [] if is_safe else [where if is_module else str(Path(args[0]).parent)]
    sys.path[:1] = [*first, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    try:
        if is_module:
            sys.modules.pop(args[1], None)
            runpy.run_module(args[1], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(args[0], run_name="__main__")
    finally:
        leave()
        atexit._run_exitfuncs()


def warm(command: Sequence[str | Path], where: Path, starts: int = 0,
         **environment: str) -> AbstractContextManager[Command]:
    """As processes.started: this Python's own path, then a script or -m and a module, then arguments"""
    return ending(Command(command, where, {**os.environ, **environment}, starts))


def typed(line: str, where: Path, starts: int = 0, **environment: str) -> subprocess.CompletedProcess:
    script, *arguments = shlex.split(line)
    return alone([sys.executable, ROOT / script, *arguments], where, starts, **environment)


def alone(command: Sequence[str | Path], where: Path, starts: int = 0,
          **environment: str) -> subprocess.CompletedProcess:
    with warm(command, where, starts, **environment) as process:
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

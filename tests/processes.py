"""Commands as processes that a test watches and signals, and that never outlive it. How long they take depends on what
else the machine does, so nobody here counts seconds: what hangs is ended by pytest's limit for a test."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).parent.parent
GLANCE = 0.05  # seconds between two looks
GRACE = 30  # seconds to end what it started itself, for a process that the test did not wait for
BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"  # not longer than who started it


def started(command: Sequence[str | Path], where: Path,
            **environment: str) -> AbstractContextManager[subprocess.Popen]:
    """In a session of its own, so that os.killpg reaches all of it and nobody else. It hears Ctrl-C, to which a shell
    makes those deaf that it starts in its background, these tests perhaps among them."""
    return ending(subprocess.Popen(command, cwd=where, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env={**os.environ, "PYTHONUNBUFFERED": "1", **environment}, start_new_session=True,
                                   preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)))


@contextmanager
def ending(process: subprocess.Popen) -> Iterator[subprocess.Popen]:
    """It does not outlive the block."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.communicate(timeout=GRACE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()


def ended(process: subprocess.Popen) -> subprocess.CompletedProcess:
    out, err = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def wait_until(condition: Callable[[], bool], process: subprocess.Popen) -> None:
    while not condition():
        assert process.poll() is None, "".join(process.communicate())
        time.sleep(GLANCE)


def free_port() -> int:
    """Below those that the system hands out by itself: nobody takes it meanwhile who does not ask for it"""
    for port in random.sample(range(20_000, 30_000), 100):
        with socket.socket() as taken, suppress(OSError):
            taken.bind(("127.0.0.1", port))
            return port
    raise OSError("no port is free")


@contextmanager
def beside_two_busy_processes() -> Iterator[None]:
    """What a machine with other work does to the order in which threads and processes come to run"""
    companions = [subprocess.Popen([sys.executable, "-S", "-c", BUSY]) for _ in range(2)]
    try:
        yield
    finally:
        for companion in companions:
            companion.kill()
            companion.wait()

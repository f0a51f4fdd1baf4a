"""A process ends when another one has died, though its main thread waits for something that will never come."""

import json
import signal
import socket
import sys
import threading
from collections.abc import Iterator

import pytest

from saddlepoint.parallel import collectives, launching, watching
from saddlepoint.parallel.watching import Watch
from tests.processes import ROOT
from tests.warm import shared

SECONDS = 15  # that a dead process may go unnoticed


class Process:
    """One of several in this process: its watch, and whether that has ended it"""

    def __init__(self, number: int, count: int, shared: list, patch: pytest.MonkeyPatch):
        self.has_ended = threading.Event()
        self.watch = Watch(self.has_ended.set)
        patch.setattr(watching, "place", lambda: (number, count))
        patch.setattr(watching, "gather_objects", lambda value: shared if number else shared.append(value) or shared)
        self.watch.begin()

    def die(self) -> None:
        """What the system does of a process that was killed; its watch is not asked"""
        self.watch.left.set()
        for connection in self.watch.connections:
            connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def processes(monkeypatch) -> Iterator[list[Process]]:
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setattr(watching, "SECONDS_TO_END", 0.2)
    shared: list = []
    made = [Process(number, 3, shared, monkeypatch) for number in range(3)]
    while len(made[0].watch.connections) < 2:  # its thread is about to accept them
        made[0].has_ended.wait(0.01)
    yield made
    for each in made:
        each.watch.leave(agreed=True)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_where_one_dies_all_others_end(number, processes):
    processes[number].die()
    assert all(each.has_ended.wait(SECONDS) for each in processes if each is not processes[number])


def test_where_one_leaves_as_agreed_nobody_ends(processes):
    processes[1].watch.leave(agreed=True)
    assert not any(each.has_ended.wait(3 * watching.SECONDS_TO_END) for each in processes)
    processes[2].die()
    assert processes[0].has_ended.wait(SECONDS)


def test_a_process_that_ends_by_itself_is_not_ended_by_its_watch(processes):
    processes[0].watch.left.set()
    processes[1].die()
    assert not processes[0].has_ended.wait(3 * watching.SECONDS_TO_END)
    processes[0].watch.leave(agreed=False)
    assert processes[2].has_ended.wait(SECONDS)


def test_a_stranger_is_no_process_of_the_run(monkeypatch):
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    shared: list = []
    first = Process(0, 2, shared, monkeypatch)
    with socket.create_connection(("127.0.0.1", shared[0][0])) as stranger:
        stranger.sendall(bytes(watching.TOKEN_BYTES))
        assert stranger.recv(1) == b""
    other = Process(1, 2, shared, monkeypatch)
    other.die()
    assert first.has_ended.wait(SECONDS)
    first.watch.leave(agreed=True)


def test_only_nccl_needs_a_watch(monkeypatch):
    begun = []
    monkeypatch.setattr(launching, "is_alone", lambda: False)
    for backend in ("gloo", "nccl"):
        monkeypatch.setattr(launching.distributed, "get_backend", lambda name=backend: name)
        launching.watch_processes(type("AWatch", (), {"begin": lambda self, name=backend: begun.append(name)})())
    assert begun == ["nccl"]


@pytest.mark.parametrize("text", ["NCCL communicator was aborted on rank 1.", "[gloo/tcp/pair.cc:552] closed by peer"])
def test_both_libraries_say_it_in_their_words(text):
    assert collectives.is_lost_process(RuntimeError(text))
    assert collectives.is_lost_process(collectives.distributed.DistBackendError("ncclRemoteError"))
    assert not collectives.is_lost_process(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_a_run_whose_main_thread_waits_for_ever_ends_with_the_sentence(tmp_path):
    """The other process dies while the first is in a callback that does not return, as it would be in a kernel"""
    command = [sys.executable, ROOT / "tests" / "parallel" / "stuck.py", "1", tmp_path / "run"]
    first, other = shared(command, ROOT, 2)
    assert other.returncode == -signal.SIGKILL and first.returncode not in (0, None)
    assert "A process of this run died" in first.stderr
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert status["state"] == "failed" and f"resume={tmp_path / 'run'}" in status["reason"]

"""Notices the death of another process of a run, where NCCL would let this one wait for it until a timeout.

gloo notices by itself, as its connections break. A kernel of NCCL spins on its GPU instead, and Python, which waits for
it, can neither raise an error nor handle a signal. So each process keeps a connection of its own to the first one, in a
thread: when a process dies, its system closes its connection, however it died."""

import os
import secrets
import selectors
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from saddlepoint.parallel.collectives import gather_objects, place

SECONDS_TO_END = 3.0  # that the main thread gets to end by itself, for a reason of its own, after another has died
TOKEN_BYTES = 16  # by which the first process knows the others
LEAVING, LOST = b".", b"!"
# A machine that vanishes closes nothing: it is asked after 4 silent seconds, then every 2, and lost after 3 answers
# that did not come.
KEEPALIVE = {"TCP_KEEPIDLE": 4, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3}


class Watch:
    """A thread that calls `end` when another process has died and this one has not ended by itself soon after.

    `end` must end the process, also while its main thread waits for a GPU.
    """

    def __init__(self, end: Callable[[], None]):
        self.end = end
        self.connections: list[socket.socket] = []
        self.listener: socket.socket | None = None
        self.left = threading.Event()  # the main thread is about to end this process

    def begin(self) -> None:
        """Connects the processes; all must call it. Where they cannot reach each other like this, nobody is
        watched."""
        if self.connections or self.listener or place()[1] == 1:
            return
        number, self.count = place()
        if number == 0:
            self.listener = socket.create_server(("", 0), backlog=self.count)
            self.token = secrets.token_bytes(TOKEN_BYTES)
        port, token = gather_objects(self.listener and (self.listener.getsockname()[1], self.token))[0]
        if number:
            with suppress(OSError):
                connection = socket.create_connection((os.environ["MASTER_ADDR"], port), timeout=10)
                connection.sendall(token)
                self._keep(connection)
        threading.Thread(target=self._watch, name="watching processes", daemon=True).start()

    def leave(self, agreed: bool) -> None:
        """Ends the watch before this process ends. `agreed`: the others need not end because of it."""
        self.left.set()
        for connection in self.connections:
            with suppress(OSError):
                if agreed:
                    connection.sendall(LEAVING)
                connection.shutdown(socket.SHUT_RDWR)
        if self.listener:
            self.listener.close()

    def _keep(self, connection: socket.socket) -> None:
        connection.settimeout(None)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in KEEPALIVE.items():
            if hasattr(socket, name):  # macOS has other names for them
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        self.connections.append(connection)

    def _watch(self) -> None:
        if self.listener:
            self._accept(self.count - 1)
        with selectors.DefaultSelector() as selector:
            for connection in self.connections:
                selector.register(connection, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select():
                    message = self._received(key.fileobj)
                    if message != LEAVING and not self.left.is_set():
                        self._tell_and_end()
                        return
                    selector.unregister(key.fileobj)

    def _accept(self, count: int) -> None:
        """Takes the connections of `count` processes, and of nobody else."""
        while len(self.connections) < count:
            try:
                connection, _ = self.listener.accept()
                connection.settimeout(5)
                token = connection.recv(TOKEN_BYTES, socket.MSG_WAITALL)
            except OSError:
                if self.left.is_set():
                    return
                continue
            if secrets.compare_digest(token, self.token):
                self._keep(connection)
            else:
                connection.close()

    @staticmethod
    def _received(connection: socket.socket) -> bytes:
        """Returns the first byte that came, or nothing if the other process has closed the connection."""
        try:
            return connection.recv(1)
        except OSError:
            return b""

    def _tell_and_end(self) -> None:
        """Lets the other processes know, if this is the first one, and ends this one unless it ends by itself."""
        if self.listener:
            for connection in self.connections:
                with suppress(OSError):
                    connection.sendall(LOST)
        if not self.left.wait(SECONDS_TO_END):
            self.end()

"""A TCP proxy in front of a server, whose gate a test can shut in every way a network shuts one."""

import contextlib
import random
import socket
import threading
from enum import Enum, auto
from typing import Final

_WAIT: Final = 5.0  # seconds to reach the server; it is on this machine


class Gate(Enum):
    """What happens to what comes through."""

    OPEN = auto()  # it is passed on
    REFUSED = auto()  # nobody listens, and connections are cut
    SWALLOWED = auto()  # connections stay and are taken, every byte is lost (a black hole)
    DEAF = auto()  # what is asked for happens, no answer comes back
    LOSSY = auto()  # as DEAF for one answer in three, and the connection is cut in its place


class GateProxy:
    """Listens on 127.0.0.1:`port` before a server on `target` (its port; may be set later).

    `lost` counts the answers that LOSSY has cut. The random numbers come from `seed`.
    """

    def __init__(self, target: int = 0, *, seed: int = 0) -> None:
        self.target = target
        self.lost = 0
        self._random = random.Random(seed)
        self._gate = Gate.OPEN
        self._ends: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = self._listen(0)
        self.port = int(self._listener.getsockname()[1])

    def set(self, gate: Gate) -> None:
        """Shut or open the gate. A connection that has lost bytes is of no use any more: opening the gate cuts it."""
        before, self._gate = self._gate, gate
        if gate is Gate.REFUSED:
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            self._listener.close()
        if gate is Gate.REFUSED or (gate is Gate.OPEN and before in (Gate.SWALLOWED, Gate.DEAF)):
            self._cut_all()
        if before is Gate.REFUSED and gate is not Gate.REFUSED:
            self._listener = self._listen(self.port)

    def close(self) -> None:
        """Listen no longer, cut every connection."""
        if self._gate is not Gate.REFUSED:
            self.set(Gate.REFUSED)

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        address = ("127.0.0.1", self.target)
        with contextlib.suppress(OSError), client, socket.create_connection(address, _WAIT) as server:
            server.settimeout(None)
            with self._lock:
                self._ends |= {client, server}
            try:
                asking = threading.Thread(target=self._pump, args=(client, server), daemon=True)
                asking.start()
                self._pump(server, client, answers=True)
                asking.join()
            finally:
                with self._lock:
                    self._ends -= {client, server}

    def _pump(self, source: socket.socket, target: socket.socket, *, answers: bool = False) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                gate = self._gate
                if gate is Gate.SWALLOWED or (gate is Gate.DEAF and answers):
                    continue
                if gate is Gate.LOSSY and answers and self._random.random() < 1 / 3:
                    self.lost += 1
                    break
                target.sendall(data)
        _cut(source)
        _cut(target)

    def _cut_all(self) -> None:
        with self._lock:
            for end in self._ends:
                _cut(end)


def _cut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)

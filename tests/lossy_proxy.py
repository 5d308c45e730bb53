"""A TCP proxy between a client and a server that loses answers: what was asked for happens, the client never hears."""

import contextlib
import random
import socket
import threading


class LossyProxy:
    """Listens on `port`; with the chance `loss` it cuts a connection just before an answer would be passed on.

    `lost` counts how often it did, `lost_inserts` how often the answer to an INSERT was lost.
    The random numbers come from `seed`. With `record`, `asked` holds every byte that clients sent.
    """

    def __init__(self, target_port: int, loss: float, seed: int, *, record: bool = False) -> None:
        self.asked = bytearray()
        self._record = record
        self.lost = self.lost_inserts = 0
        self._target = ("127.0.0.1", target_port)
        self._loss = loss
        self._random = random.Random(seed)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._closing = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where to connect to."""
        return int(self._listener.getsockname()[1])

    def close(self) -> None:
        """Listen no longer."""
        self._closing = True
        self._listener.close()

    def _accept(self) -> None:
        while not self._closing:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client, socket.create_connection(self._target) as server:
            inserting = threading.Event()
            upstream = threading.Thread(target=self._pump, args=(client, server, inserting), daemon=True)
            upstream.start()
            while data := server.recv(65536):
                if self._random.random() < self._loss:
                    self.lost += 1
                    self.lost_inserts += inserting.is_set()
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)

    def _pump(self, source: socket.socket, target: socket.socket, inserting: threading.Event) -> None:
        """Pass requests on. A client waits for one answer before it asks again, so each begins with a chunk."""
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self._record:
                    self.asked += data
                if data.startswith((b"POST ", b"GET ")):
                    inserting.clear()
                if b"INSERT" in data:
                    inserting.set()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

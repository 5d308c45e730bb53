"""A TCP proxy between a client and a server that loses answers: what was asked for happens, the client never hears."""

import contextlib
import random
import socket
import threading

from tests.tcp_server import TcpServer


class LossyProxy(TcpServer):
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
        super().__init__()

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

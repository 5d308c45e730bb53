"""TLS in front of a plain HTTP server: it wants a client's certificate, and may want one login."""

import base64
import contextlib
import re
import socket
import ssl
import threading
from pathlib import Path
from typing import Final

from tests.certificates import Authority
from tests.tcp_server import TcpServer

_AUTHORIZATION: Final = re.compile(rb"^authorization: basic ([\w+/=]+)", re.IGNORECASE | re.MULTILINE)
_REFUSED: Final = (
    b"HTTP/1.1 403 Forbidden\r\nX-ClickHouse-Exception-Code: 516\r\nContent-Length: 57\r\nConnection: close\r\n\r\n"
    b"Code: 516. DB::Exception: Authentication failed (AUTHENT)"
)


class TlsProxy(TcpServer):
    """Listens on `localhost:port`. Clients have to show a certificate of its authority.

    `subjects`: the common names of the certificates shown; `asked`: every byte that clients sent. With `login`
    (`user:password`), requests with another one are refused as ClickHouse does it.
    """

    def __init__(self, directory: Path, target_port: int, login: str = "") -> None:
        directory.mkdir(parents=True)
        authority = Authority(directory)
        certificate, key = authority.issue("clickhouse")
        (directory / "server.pem").write_bytes(key + certificate)
        self.ca_file = authority.ca_file
        self.cert_file, self.key_file = authority.write("pushtokens")
        self.subjects: set[str] = set()
        self.asked = bytearray()
        self._target = ("127.0.0.1", target_port)
        self._login = login
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.ca_file))
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._context.load_cert_chain(directory / "server.pem")
        super().__init__()

    @property
    def url(self) -> str:
        """Where to connect to."""
        return f"https://localhost:{self.port}"

    def _serve(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError), plain:
            plain.settimeout(10.0)
            with self._context.wrap_socket(plain, server_side=True) as client:
                client.settimeout(None)
                shown = dict(pair for part in (client.getpeercert() or {})["subject"] for pair in part)  # type: ignore[misc]
                self.subjects.add(str(shown["commonName"]))
                with socket.create_connection(self._target) as server:
                    threading.Thread(target=self._answer, args=(server, client), daemon=True).start()
                    try:
                        self._ask(client, server)
                    finally:
                        server.shutdown(socket.SHUT_RDWR)  # or the other thread would wait for ever

    def _ask(self, client: ssl.SSLSocket, server: socket.socket) -> None:
        while data := client.recv(65536):
            self.asked += data
            if self._login and any(
                base64.b64decode(found).decode() != self._login for found in _AUTHORIZATION.findall(data)
            ):
                client.sendall(_REFUSED)
                client.settimeout(1.0)
                while client.recv(65536):  # what is unread as a socket closes makes it a reset, and the answer is lost
                    continue
                return
            server.sendall(data)

    def _answer(self, server: socket.socket, client: ssl.SSLSocket) -> None:
        with contextlib.suppress(OSError, ValueError):
            while data := server.recv(65536):
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)

"""A raw connection that reads HTTP answers one by one, each with a deadline."""

import json
import re
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.fuzz.case import TOKEN

DRIP_SECONDS = 0.1


@dataclass(frozen=True)
class Answer:
    """One response."""

    status: int
    headers: dict[str, str]
    body: bytes

    def check(self) -> None:
        """It is what the ingress promises of each status, and quotes no secret."""
        if self.status == 100:
            assert (self.headers, self.body) == ({}, b"")
            return
        if self.status == 200:
            assert self.headers.pop("connection", "close") == "close"
            assert self.headers.keys() == {"date", "content-length"} and self.headers["content-length"] == "0"
            assert self.body == b""
            return
        assert TOKEN[:12].encode() not in self.body and TOKEN[:12] not in str(self.headers)
        assert self.headers["content-type"] == "application/problem+json"
        if self.body:  # HEAD has none
            problem = json.loads(self.body)
            assert problem["status"] == self.status and problem["reason"] and problem["detail"]
        assert ("allow" in self.headers) == (self.status == 405)
        assert ("retry-after" in self.headers) == (self.status in (429, 503))


class Wire:
    """One connection to `port`; everything on it must be over within `seconds`."""

    def __init__(self, port: int, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._socket = socket.create_connection(("127.0.0.1", port), seconds)
        self._got = b""
        self.closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send; a server that has refused may be gone before all is out."""
        self._socket.settimeout(max(0.001, self._end - time.monotonic()))
        with suppress(ConnectionError):
            self._socket.sendall(data)

    def end(self) -> None:
        """Nothing more will be sent."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def drip(self) -> None:
        """A byte now and then, until the server has said or done something."""
        while not self._receive(DRIP_SECONDS):
            self.send(b"a")

    def answers(self, wanted: int, *, head: bool = False) -> list[Answer]:
        """The next `wanted` answers (to HEAD: without bodies), fewer if the connection closes before."""
        found: list[Answer] = []
        while len(found) < wanted and (answer := self._answer(head)) is not None:
            found.append(answer)
        return found

    def rest(self, *, head: bool = False) -> list[Answer]:
        """All answers up to the end of the connection."""
        found = self.answers(1_000_000, head=head)
        assert self._got == b"", self._got
        return found

    def _answer(self, head: bool) -> Answer | None:
        while b"\r\n\r\n" not in self._got:
            if not self._more():
                return None
        top, _, rest = self._got.partition(b"\r\n\r\n")
        first, *lines = top.decode("latin-1").split("\r\n")
        match = re.fullmatch(r"HTTP/1\.1 (\d{3}) [\w -]+", first)
        assert match is not None, first
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = 0 if head or match[1] == "100" else int(headers["content-length"])
        self._got = rest
        while len(self._got) < length:
            assert self._more(), "an answer is cut off"
        body, self._got = self._got[:length], self._got[length:]
        return Answer(int(match[1]), headers, body)

    def _more(self) -> bool:
        """Receive something; False at the end of the connection."""
        while not self.closed and not self._receive(max(0.001, self._end - time.monotonic())):
            assert time.monotonic() < self._end, f"no end in time; got {self._got[:300]!r}"
        return not self.closed

    def _receive(self, seconds: float) -> bool:
        """Whether something came, or the end, within `seconds`."""
        self._socket.settimeout(seconds)
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            return False
        except ConnectionError:
            data = b""
        self._got += data
        self.closed = not data
        return True

"""The body of a request that asks for an `Upgrade`.

httptools takes what follows such a header for another protocol. Clients that offer HTTP/2 in every first request (h2c;
Java's, curl's) send reports like others, and what is in their bodies must not be lost.
"""

from collections.abc import Callable
from typing import Any, Protocol

import httptools


class Reader(Protocol):
    """Takes a body."""

    def on_body(self, body: bytes) -> None:
        """Some of it."""

    def end_reading(self) -> None:
        """That was all."""


class _Body:
    """What the parser calls."""

    def __init__(self, reader: Reader) -> None:
        self.on_body: Callable[[bytes], None] = reader.on_body
        self.on_message_complete: Callable[[], None] = reader.end_reading


def body_parser(reader: Reader, length: int | None) -> Any:
    """A parser (httptools.HttpRequestParser) that expects a body of `length` bytes (None: chunks), no more."""
    parser = httptools.HttpRequestParser(_Body(reader))
    size = b"Transfer-Encoding: chunked" if length is None else b"Content-Length: %d" % length
    parser.feed_data(b"POST / HTTP/1.1\r\nConnection: close\r\n" + size + b"\r\n\r\n")
    return parser

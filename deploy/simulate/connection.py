"""One HTTP/1.1 keep-alive connection of a phone: a request at a time, every wait with a deadline."""

import asyncio
import ssl
from typing import Final, cast
from urllib.parse import urlsplit

import httptools
from msgspec import Struct

MAX_BODY: Final = 1 << 20  # bytes of an answer worth keeping; a token service has none to send


class NoAnswerError(ConnectionError):
    """Nothing (whole) came back: refused, broken off or not within the deadline. The request may have counted."""


class Target(Struct, frozen=True):
    """Where the ingress is; with `tls` what proves it: `own_file`, its very certificate (PEM), or one from
    an authority in `ca_file` (PEM; empty: the system's)."""

    host: str
    port: int
    tls: bool = False
    ca_file: str = ""
    own_file: str = ""

    @property
    def authority(self) -> str:
        """`host:port`, as in the Host header."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Answer(Struct, frozen=True, kw_only=True):
    """One response: status, whether the connection stays, and what the promises speak of (design.md section 3)."""

    status: int
    keep: bool
    retry_after: float | None
    content_type: str | None
    body: bytes


def target(url: str) -> Target:
    """The target that `url` (`http[s]://host[:port]`) names.

    Raises:
        ValueError: anything else; the text says what is expected.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.query:
        raise ValueError("the target must be http://HOST[:PORT] or https://HOST[:PORT], without a path")
    tls = parts.scheme == "https"
    return Target(parts.hostname, parts.port or (443 if tls else 80), tls)


class Connection:
    """A phone's way to the ingress; opens itself when needed."""

    def __init__(self, where: Target, tls: ssl.SSLContext | None = None) -> None:
        self._where = where
        self._tls = tls
        self._protocol: _Protocol | None = None

    async def ask(self, request: bytes, timeout: float) -> Answer:
        """Send one request and return its answer within `timeout` s.

        Raises:
            NoAnswerError: no whole answer; the connection is closed.
        """
        try:
            async with asyncio.timeout(timeout):
                if self._protocol is None or self._protocol.closed:
                    self._protocol = await self._open()
                answer = await self._protocol.ask(request)
        except (TimeoutError, OSError) as error:
            self.close()
            raise NoAnswerError(type(error).__name__) from None
        if not answer.keep:
            self.close()
        return answer

    async def _open(self) -> "_Protocol":
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_connection(_Protocol, self._where.host, self._where.port, ssl=self._tls)
        return protocol

    def close(self) -> None:
        """Give up the connection, if there is one."""
        if self._protocol is not None:
            self._protocol.close()
            self._protocol = None


class _Protocol(asyncio.Protocol):
    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self.closed = False

    async def ask(self, request: bytes) -> Answer:
        if self._transport is None or self.closed:
            raise NoAnswerError("closed")
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[bytes, bytes] = {}
        self._body = b""
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiter

    def close(self) -> None:
        self.closed = True
        if self._transport is not None:
            # `close` would wait for the other side's end of TLS, and the loop may be gone before it comes.
            self._transport.abort()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its base class

    def data_received(self, data: bytes) -> None:
        if self._waiter is None or self._waiter.done():
            self._fail("an answer without a question")
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._fail("not HTTP")

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(type(exc).__name__ if exc else "closed")

    def _fail(self, why: str) -> None:
        self.close()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(NoAnswerError(why))

    # What httptools calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_body(self, part: bytes) -> None:
        if len(self._body) + len(part) > MAX_BODY:
            self._fail("an answer too large")
            return
        self._body += part

    def on_message_complete(self) -> None:
        if self._waiter is None or self._waiter.done():
            return
        content_type = self._headers.get(b"content-type")
        self._waiter.set_result(
            Answer(
                status=self._parser.get_status_code(),
                keep=self._parser.should_keep_alive(),
                retry_after=_seconds(self._headers.get(b"retry-after")),
                content_type=None if content_type is None else content_type.decode("latin-1"),
                body=self._body,
            )
        )


def _seconds(value: bytes | None) -> float | None:
    """Retry-After in its delay form (RFC 9110, 10.2.3); the date form counts as none."""
    return float(value) if value is not None and value.isdigit() else None

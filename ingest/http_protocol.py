"""uvicorn's httptools protocol with the bounds it lacks: sizes and deadlines of header and body, idle and slow clients.

uvicorn leaves half-sent requests open and lets a header of any size through (design.md section 8); docs/ingress.md
compares the ways to mend that.
"""

import asyncio
from typing import Any, Final

import httptools
from uvicorn.config import Config
from uvicorn.server import ServerState

from ingest.http_connection import Connection
from ingest.http_cycle import AcceptedText, IngressCycle
from ingest.http_limits import LINGER_SECONDS, MAX_HEADER_LINES, MAX_PIPELINED
from ingest.http_scope import scope
from ingest.http_upgrade import body_parser

# Header fields that this layer itself must understand.
_OWN: Final = frozenset({b"host", b"content-length", b"transfer-encoding", b"expect"})
# What a body may take on the wire: a chunk of one byte takes six, and extensions have no bound of their own.
_CHUNKS: Final = 8


class Cut(Exception):  # noqa: N818 - control flow inside this file, raised through the C parser
    """Stops the parser in the middle of a request that is refused."""


class IngressProtocol(Connection):
    """One connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.accepted_text: AcceptedText = app_state["accepted_text"]
        self._refusal = (400, "not_http", "this is not a valid HTTP/1.1 request")
        self._head_size = 0
        self._body_size = 0
        self._length = 0  # what the header announces
        self._coded = False  # a body in chunks
        self._hosts = 0  # lines of `Host`

    def data_received(self, data: bytes) -> None:
        """Parse, within bounds."""
        if self._over:
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as stop:
            self._upgrade(data[stop.args[0] :])
        except httptools.HttpParserError:  # an error, or a bound
            self._refuse(*self._refusal)
        # The parser keeps an unfinished line to itself, so its size is counted here.
        if self._in_head and not self._over:
            self._head_size += len(data)
            if self._head_size > 2 * (self.limits.max_url + self.limits.max_header):
                self._refuse(431, "too_large", "the header is too large")
        if (self._in_head or self._in_body or self.pipeline) and not self._over:
            self._hold(len(data))
            if self._in_body and self.held > _CHUNKS * self.limits.max_body:
                self._refuse(413, "too_large", "the body is too large in its chunks")

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client will send nothing more. Returns whether the connection stays open: an answer is still due."""
        if self.scheme == "https":
            return False  # TLS ends as a whole here: uvloop would close all the same, and log a warning each time
        if self._owed is not None:
            return True
        if self._in_head or self._in_body or self._idle():
            return False
        self._over = True
        self.cycle.keep_alive = False
        return True

    def on_message_begin(self) -> None:
        """A new request: its header has a deadline."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._in_head = True
        self._head_size = self._body_size = self._length = self._hosts = 0
        self._coded = False
        self.deadline = self.loop.time() + self.limits.header_timeout

    def on_url(self, url: bytes) -> None:
        """Bound the request line."""
        self.url += url
        if len(self.url) > self.limits.max_url:
            self._cut(414, "too_large", "the URL is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Bound the header."""
        name = name.lower()
        self.headers.append((name, value))
        self._head_size += len(name) + len(value)
        if self._head_size > self.limits.max_header or len(self.headers) > MAX_HEADER_LINES:
            self._cut(431, "too_large", "the header is too large")
        if name in _OWN:
            self._note(name, value)

    def _note(self, name: bytes, value: bytes) -> None:
        """Keep what a field says about the request's frame."""
        if name == b"host":
            self._hosts += 1
        elif name == b"content-length":
            digits = value.strip(b" \t").lstrip(b"0")  # the parser takes spaces behind it, and zeros in front
            self._length = int(digits[:20]) if digits.isdigit() else 0
        elif name == b"expect":
            self.expect_100_continue = value.lower() == b"100-continue"
        elif self._coded or value.strip().lower() != b"chunked":
            raise Cut  # of codings that nobody here decodes (RFC 9112 section 6.1)
        else:
            self._coded = True

    def _check(self, version: str) -> None:
        """A version that is spoken here, one `Host` (RFC 9112 section 3.2), no chunks in HTTP/1.0 (section 6.1)."""
        least = 1 if version == "1.1" else 0
        if version not in ("1.0", "1.1") or not least <= self._hosts <= 1 or (self._coded and version == "1.0"):
            raise Cut
        if version == "1.0":
            self.expect_100_continue = False  # RFC 9110 section 10.1.1

    def on_headers_complete(self) -> None:
        """The header is whole; the body has a deadline, and must not announce too much."""
        if len(self.pipeline) >= MAX_PIPELINED:
            self._cut(503, "busy", "too many requests at once")
        if self._length > self.limits.max_body:
            self._cut(413, "too_large", f"the body is larger than {self.limits.max_body} bytes")
        version = self.parser.get_http_version()
        if version != "1.1" or self._hosts != 1:
            self._check(version)
        found = scope(self, version)
        if self._coded:
            found["headers"] = list(self.headers)  # without the trailers, which follow (RFC 9110 section 6.5.1)
        self._in_head = False
        self._in_body = True
        self.deadline = self.loop.time() + self.limits.body_timeout
        # As in uvicorn, HTTP/1.0 ends its connection.
        keep_alive = version == "1.1" and self.parser.should_keep_alive()
        cycle = IngressCycle(self, found, asyncio.Event(), keep_alive=keep_alive)
        cycle.waiting_for_100_continue = self.expect_100_continue
        before, self.cycle = self.cycle, cycle
        if before is None or before.response_complete:
            self._start_asgi_task(cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._running, cycle.task = cycle, self.loop.create_task(cycle.run_asgi(app))
        self.tasks.add(cycle.task)

    def on_body(self, body: bytes) -> None:
        """Bound a body that does not say its size."""
        self._body_size += len(body)
        if self._body_size > self.limits.max_body:
            self._cut(413, "too_large", f"the body is larger than {self.limits.max_body} bytes")
        if self.cycle.response_complete:
            return
        self.cycle.body += body
        self.cycle.message_event.set()

    def on_message_complete(self) -> None:
        """The request is whole; its answer has a deadline."""
        self._in_body = False
        if self.held and not self.pipeline:
            self._release()
        if self.cycle.response_complete:  # before its body was read: a 401, say
            self.deadline = self.loop.time() + self.limits.idle_timeout
            return
        self.deadline = self.loop.time() + self.limits.answer_timeout
        self.cycle.more_body = False
        self.cycle.message_event.set()

    def on_response_complete(self) -> None:
        """Wait for the next request; uvicorn's own timer is not needed."""
        self.server_state.total_requests += 1
        now = self.loop.time()
        if self.held and not self.pipeline and not self._in_head and not self._in_body:
            self._release()
        if self.transport.is_closing():
            self.deadline = now + LINGER_SECONDS
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif self._owed is not None:
            self._say(*self._owed)
        elif self._over:
            self._linger()
        elif not self._in_head and not self._in_body:
            self.deadline = now + self.limits.idle_timeout

    def _upgrade(self, rest: bytes) -> None:
        """An `Upgrade` is ignored (RFC 9110 section 7.8), but the parser goes no further: another one reads the body,
        and the connection ends with this request."""
        self.cycle.keep_alive = False
        if not self._length and not self._coded:
            self._over = True
            return
        self._in_body = self.cycle.more_body = True
        self.deadline = self.loop.time() + self.limits.body_timeout
        self.parser = body_parser(self, None if self._coded else self._length)
        self.data_received(rest)

    def end_reading(self) -> None:
        """The body after an `Upgrade` is whole."""
        self.on_message_complete()
        self._over = True

    def _cut(self, status: int, reason: str, detail: str) -> None:
        self._refusal = (status, reason, detail)
        raise Cut

"""uvicorn's httptools protocol with the bounds it lacks: sizes and deadlines of header and body, idle and slow clients.

uvicorn leaves half-sent requests open and lets a header of any size through (design.md section 8); docs/ingress.md
compares the ways to mend that. Deadlines are one number a connection, checked by the server's tick, so that a request
costs no timer.
"""

import asyncio
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from ingest import metrics
from ingest.http_limits import LINGER_SECONDS, MAX_HEADER_LINES, HttpLimits
from ingest.refusal import PROBLEM_TYPE, problem

_NEVER: Final = float("inf")


class Cut(Exception):  # noqa: N818 - control flow inside this file, raised through the C parser
    """Stops the parser in the middle of a request that is refused."""


class IngressProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.access_log = False  # an access log line holds the URL, and the URL holds tokens
        self.limits: HttpLimits = app_state["limits"]
        self.deadline = _NEVER
        self._refusal = (400, "not_http", "this is not a valid HTTP/1.1 request")
        self._in_head = False  # of the request being received
        self._in_body = False
        self._head_size = 0
        self._head_lines = 0
        self._body_size = 0
        self._over = False  # nothing more is read from this client

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock: a request must follow."""
        super().connection_made(transport)
        self.deadline = self.loop.time() + self.limits.header_timeout
        if len(self.connections) > self.limits.max_connections:
            self._refuse(503, "busy", "too many connections")

    def data_received(self, data: bytes) -> None:
        """Parse, within bounds."""
        if self._over:
            return
        super().data_received(data)
        # The parser keeps an unfinished line to itself, so its size is counted here.
        if self._in_head and not self._over:
            self._head_size += len(data)
            if self._head_size > 2 * (self.limits.max_url + self.limits.max_header):
                self._refuse(431, "too_large", "the header is too large")

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client will send nothing more. Returns whether the connection stays open: an answer is still due."""
        if self._in_head or self._in_body or self._idle():
            return False
        self._over = True
        self.cycle.keep_alive = False
        return True

    def on_message_begin(self) -> None:
        """A new request: its header has a deadline."""
        super().on_message_begin()
        self._in_head = True
        self._head_size = self._head_lines = self._body_size = 0
        self.deadline = self.loop.time() + self.limits.header_timeout

    def on_url(self, url: bytes) -> None:
        """Bound the request line."""
        super().on_url(url)
        if len(self.url) > self.limits.max_url:
            self._cut(414, "too_large", "the URL is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Bound the header."""
        self._head_size += len(name) + len(value)
        self._head_lines += 1
        if self._head_size > self.limits.max_header or self._head_lines > MAX_HEADER_LINES:
            self._cut(431, "too_large", "the header is too large")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The header is whole; the body has a deadline, and must not announce too much."""
        for name, value in self.headers:
            if name == b"content-length" and value.isdigit() and int(value[:20]) > self.limits.max_body:
                self._cut(413, "too_large", f"the body is larger than {self.limits.max_body} bytes")
        self._in_head = False
        self._in_body = True
        self.deadline = self.loop.time() + self.limits.body_timeout
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Bound a body that does not say its size."""
        self._body_size += len(body)
        if self._body_size > self.limits.max_body:
            self._cut(413, "too_large", f"the body is larger than {self.limits.max_body} bytes")
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole; its answer has a deadline."""
        self._in_body = False
        answered = self.cycle.response_complete  # before its body was read: a 401, say
        self.deadline = self.loop.time() + (self.limits.idle_timeout if answered else self.limits.answer_timeout)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request; uvicorn's own timer is not needed."""
        self.server_state.total_requests += 1
        now = self.loop.time()
        if self.transport.is_closing():
            self.deadline = now + LINGER_SECONDS
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif self._over:
            self._linger()
        elif not self._in_head and not self._in_body:
            self.deadline = now + self.limits.idle_timeout

    def sweep(self, now: float) -> None:
        """Called by the server several times a second: act on a deadline that has passed at `now` (loop time, s)."""
        if now < self.deadline:
            return
        self.deadline = now + LINGER_SECONDS
        if self.transport.is_closing() or self._over:
            self.transport.abort()
        elif self._in_head or self._in_body:
            self._refuse(408, "timeout", "the request did not arrive in time")
        elif self._idle():
            self.transport.close()
        else:
            self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls when the parser stops: at an error, or at a bound."""
        self._refuse(*self._refusal)

    def _unsupported_upgrade_warning(self) -> None:
        """An `Upgrade` is ignored (RFC 9110 section 7.8), but the parser stops there: so does the connection."""
        if self.cycle is not None:
            self.cycle.keep_alive = False
        self._over = True

    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _cut(self, status: int, reason: str, detail: str) -> None:
        self._refusal = (status, reason, detail)
        raise Cut

    def _refuse(self, status: int, reason: str, detail: str) -> None:
        """Answer from here, in the place of the application, and end the connection."""
        if self._over or self.transport.is_closing():
            return
        self._over = True
        if self.pipeline or (not self._in_body and not self._idle()):
            # Answers go out in order (RFC 9112 section 9.3.2): those before it, then the end of the connection.
            self.cycle.keep_alive = False
            return
        if self._in_body and self.cycle.response_started:
            self.transport.close()  # the answer to this request is out already
            return
        if self._in_body:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        metrics.refused(status)
        self.transport.write(self._answer(status, reason, detail))
        self._linger()

    def _answer(self, status: int, reason: str, detail: str) -> bytes:
        body = problem(status, reason, detail)
        lines = [*self.server_state.default_headers, (b"content-type", PROBLEM_TYPE)]
        lines += [(b"content-length", str(len(body)).encode()), (b"connection", b"close")]
        if status == 503:
            lines.append((b"retry-after", b"5"))
        head = b"".join(name + b": " + value + b"\r\n" for name, value in lines)
        return STATUS_LINE[status] + head + b"\r\n" + body

    def _linger(self) -> None:
        """End our side and read on for a moment: closing at once would take the answer away from a client that is still
        sending (RFC 9112 section 9.6)."""
        self.deadline = self.loop.time() + LINGER_SECONDS
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

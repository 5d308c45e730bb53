"""One connection: its deadline, what it holds in memory, its refusal and its end; `http_protocol.py` parses.

Deadlines are one number a connection, checked by the server's tick, so that a request costs no timer.
"""

import asyncio
from inspect import CORO_CREATED, getcoroutinestate
from typing import Any, Final, Literal, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from ingest import metrics
from ingest.crowd import Crowd, Member
from ingest.http_cycle import IngressCycle, refusal_text
from ingest.http_limits import LINGER_SECONDS, HttpLimits
from ingest.journal import About, Journal

_NEVER: Final = float("inf")


class Connection(HttpToolsProtocol):
    """What is known of a connection, and how it ends."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.limits: HttpLimits = app_state["limits"]
        self.crowd: Crowd = app_state["crowd"]
        self.journal: Journal = app_state["journal"]
        self.deadline = _NEVER
        self._in_head = False  # of the request being received
        self._in_body = False
        self.held = 0  # bytes received that are not dealt with yet
        self._over = False  # nothing more is read from this client
        self._owed: tuple[int, str, str] | None = None  # a refusal that waits for the answers before it
        self._running: IngressCycle | None = None  # the request that is being answered, or was last

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock: a request must follow."""
        super().connection_made(transport)
        now = self.loop.time()
        self.deadline = now + self.limits.header_timeout
        full = len(self.connections) > self.limits.max_connections
        if full and not self.crowd.make_room(cast(set[Member], self.connections), now):
            metrics.connection_refused("too_many")
            self._refuse(503, "busy", "too many connections", linger=False)

    def connection_lost(self, exc: Exception | None) -> None:
        """The end. Nothing may stay in a circle of references: the collector comes by too seldom (`ingest.server`)."""
        self._release()
        if self._running is not None:  # not `cycle` if requests wait behind it: its answer has nowhere to go
            self._running.disconnected = True
        super().connection_lost(exc)
        self.pipeline.clear()
        self.cycle = self._running = None  # type: ignore[assignment]

    def sweep(self, now: float) -> None:
        """Called by the server several times a second: act on a deadline that has passed at `now` (loop time, s)."""
        if now < self.deadline:
            return
        self.deadline = now + LINGER_SECONDS
        metrics.connection_timeout(self._waiting_for())
        if self.transport.is_closing() or self._over:
            self.transport.abort()
        elif self._in_head or self._in_body:
            self._refuse(408, "timeout", "the request did not arrive in time")
        elif self._idle():
            self.transport.close()
        else:
            self.transport.abort()

    def _waiting_for(self) -> Literal["end", "header", "body", "idle", "answer"]:
        """Which deadline is running."""
        if self.transport.is_closing() or self._over:
            return "end"
        if self._in_head:
            return "header"
        if self._in_body:
            return "body"
        return "idle" if self._idle() else "answer"

    def waits_since(self) -> float | None:
        """Since when (loop time) it is the client's turn: the connection is idle, or half a request is there.

        None: an answer is due to it, or it is on its end.
        """
        if self._over or self.transport.is_closing():
            return None
        if self._in_head:
            return self.deadline - self.limits.header_timeout
        if self._in_body:
            return self.deadline - self.limits.body_timeout
        if self._idle():
            return self.deadline - (self.limits.header_timeout if self.cycle is None else self.limits.idle_timeout)
        return None

    def give_way(self) -> None:
        """End, for another client's sake; only while `waits_since`. An idle client must expect it (RFC 9112, 9.5)."""
        metrics.connection_refused("gave_way")
        if self._in_head or self._in_body:
            self._refuse(503, "busy", "too many connections", linger=False)
        else:
            self._over = True
            self.transport.abort()

    def _hold(self, size: int) -> None:
        """Note `size` bytes that wait for the rest of their request, or for the answers before it."""
        self.held += size
        if not self.crowd.hold(size, cast(set[Member], self.connections), self.loop.time()):
            self._refuse(503, "busy", "too many unfinished requests")

    def _release(self) -> None:
        """Nothing is held any more."""
        self.crowd.release(self.held)
        self.held = 0

    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _refuse(self, status: int, reason: str, detail: str, *, linger: bool = True) -> None:
        """Answer from here, in the place of the application, and end the connection."""
        if self._over or self.transport.is_closing():
            return
        self._over = True
        if self.pipeline or (not self._in_body and not self._idle()):
            # Answers go out in order (RFC 9112 section 9.3.2): this one is the last, and its request is not begun.
            if self._in_body:
                self.pipeline.popleft()
            self._owed = (status, reason, detail)
            self.deadline = self.loop.time() + self.limits.answer_timeout
            return
        if self._in_body and self.cycle.response_started:
            self.transport.close()  # the answer to this request is out already
            return
        if self._in_body:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            cycle = cast(IngressCycle, self.cycle)
            if getcoroutinestate(cast(Any, cycle.task.get_coro())) == CORO_CREATED:
                cycle.task.cancel()  # a GET reads no body, and would report
                self.tasks.discard(cycle.task)
                del cycle.task  # a circle too: its error holds the cycle
        self._say(status, reason, detail, linger=linger)

    def _say(self, status: int, reason: str, detail: str, *, linger: bool = True) -> None:
        """Write a refusal, and end the connection."""
        found = self.journal.refused(status, reason, About(self.headers or []))
        again, fixed = self.limits.retry_after, self.server_state.default_headers
        self.transport.write(refusal_text(fixed, status, reason, detail, found, again))
        if linger:
            self._linger()
        else:
            self.deadline = self.loop.time() + LINGER_SECONDS
            self.transport.close()

    def _linger(self) -> None:
        """End our side and read on for a moment: closing at once would take the answer away from a client that is still
        sending (RFC 9112 section 9.6)."""
        self._release()
        self.deadline = self.loop.time() + LINGER_SECONDS
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

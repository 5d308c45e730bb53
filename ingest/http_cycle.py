"""One request and its answer, with a short way for the answer that nearly every request gets."""

import asyncio
from typing import Any, Final
from uuid import UUID

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from ingest.http_request import id_header
from ingest.refusal import PROBLEM_HEADERS, problem
from ingest.retry_after import retry_after

# The specification: "200 OK, no content type header and no body". An application that sends these very two objects gets
# the short way.
ACCEPTED: Final[dict[str, Any]] = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-length", b"0")],
}
EMPTY: Final[dict[str, Any]] = {"type": "http.response.body", "body": b""}


class AcceptedText:
    """The bytes of `ACCEPTED`, made again when the default headers (the date) change, once a second."""

    def __init__(self) -> None:
        self._headers: list[tuple[bytes, bytes]] | None = None
        self._text = b""

    def of(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        """The whole answer (bytes) with `headers`, uvicorn's list of default headers."""
        if headers is not self._headers:
            lines = (name + b": " + value + b"\r\n" for name, value in [*headers, *ACCEPTED["headers"]])
            self._headers, self._text = headers, STATUS_LINE[200] + b"".join(lines) + b"\r\n"
        return self._text


class IngressCycle(RequestResponseCycle):
    """A request and its answer. What is the same for nearly all of them stands on the class: an instance pays for less.

    uvicorn's own constructor sets 18 attributes, and its `send` checks and joins every header by name: together a
    quarter of what the HTTP layer costs (docs/ingress.md).
    """

    access_log = False  # an access log line holds the URL, and the URL holds tokens
    disconnected = False
    waiting_for_100_continue = False
    more_body = True
    response_started = False
    response_complete = False
    chunked_encoding = None
    expected_content_length = 0
    task: "asyncio.Task[None]"

    def __init__(self, protocol: Any, scope: dict[str, Any], event: Any, *, keep_alive: bool) -> None:
        """A cycle of `protocol` (an `IngressProtocol`); `event` is set when more of the request is there."""
        self.protocol = protocol
        self.scope = scope  # type: ignore[assignment]
        self.transport = protocol.transport
        self.flow = protocol.flow
        self.default_headers = protocol.server_state.default_headers
        self.logger = protocol.logger
        self.message_event = event
        self.keep_alive = keep_alive
        self.on_response = protocol.on_response_complete
        self.body = bytearray()
        self.accepted = False

    async def run_asgi(self, app: Any) -> None:
        """Run the application for this request; uvicorn's own way where it fails, or does not answer."""
        try:
            await app(self.scope, self.receive, self.send)
            if not self.response_complete:
                await super().run_asgi(_answered)
        except BaseException as error:
            await super().run_asgi(_failed(error))
        finally:
            self.on_response = _nothing  # uvicorn breaks this circle of references too
            self.protocol.tasks.discard(self.task)  # a callback of the task would cost a turn of the loop

    async def receive(self) -> Any:
        """As ASGI's `receive`; a body that is there as a whole is handed over at once."""
        there = self.message_event.is_set() and not self.more_body
        # A client that waits for 100 Continue is told to go on, though its body is there.
        if not there or self.disconnected or self.response_complete or self.waiting_for_100_continue:
            return await super().receive()
        self.message_event.clear()
        body, self.body = self.body, bytearray()
        return {"type": "http.request", "body": bytes(body), "more_body": False}

    async def send(self, message: Any) -> None:
        """As ASGI's `send`."""
        if message is ACCEPTED and self.keep_alive and not self.response_started and not self.flow.write_paused:
            self.response_started = self.accepted = True
        elif message is EMPTY and self.accepted and not self.response_complete:
            self._finish()
        else:
            await super().send(message)

    def _finish(self) -> None:
        if self.disconnected:
            return
        self.transport.write(self.protocol.accepted_text.of(self.default_headers))
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


def _nothing() -> None:
    """What there is to do after an answer that is over."""


async def _answered(*_: Any) -> None:
    """An application that has nothing more to do."""


def _failed(error: BaseException) -> Any:
    async def app(*_: Any) -> None:
        raise error

    return app


def refusal_text(
    default_headers: list[tuple[bytes, bytes]], status: int, reason: str, detail: str, request_id: str, again: float
) -> bytes:
    """The bytes of an answer that the server layer gives itself, and that ends the connection.

    A 503 says to come again after `again` seconds or somewhat more.
    """
    body = problem(status, reason, detail, instance=UUID(request_id).urn)
    lines = [*default_headers, *PROBLEM_HEADERS, id_header(request_id)]
    lines += [(b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    if status == 503:
        lines.append((b"retry-after", retry_after(again)))
    head = b"".join(name + b": " + value + b"\r\n" for name, value in lines)
    return STATUS_LINE[status] + head + b"\r\n" + body

"""Calls the ingress application without a network."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from starlette.types import ASGIApp

from ingest.app import IngressApp, Sinks
from ingest.memory_sink import MemorySink
from ingest.record import Message
from ingest.template_set import template_set
from schemas.settings import Settings


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: str) -> str | None:
        """One header, or None."""
        return next((value.decode() for key, value in self.headers if key.lower() == name.encode()), None)


@dataclass
class Bench:
    """The application over a sink in memory; `rejected` holds what was offered to the rejected topic."""

    settings: Settings
    sink: Any = field(default_factory=MemorySink)
    rejected: list[Message] = field(default_factory=list)
    _started: bool = False

    def __post_init__(self) -> None:
        self.app = IngressApp(template_set(self.settings), self.settings.ingest, self._open)

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Sinks]:
        yield self.sink, self.rejected.append

    async def start(self) -> None:
        """The application's lifespan begins; a request does it too."""
        if not self._started:
            self._started = True
            # Entered and not left: nothing in memory has to be let go of.
            await self.app._lifespan(self.app._pages).__aenter__()

    async def send(self, request: dict[str, Any], client: str = "127.0.0.1") -> Answer:
        """Send one request (as in the examples)."""
        await self.start()
        return await call(self.app, request, client)


async def call(app: ASGIApp, request: dict[str, Any], client: str = "127.0.0.1") -> Answer:
    """One ASGI call."""
    path, _, query = request["target"].partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request["method"],
        "path": unquote(path),
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "scheme": "http",
        "headers": [(name.lower().encode(), str(value).encode()) for name, value in request["headers"].items()],
        "client": (client, 50000),
        "server": ("127.0.0.1", 8080),
        "state": {},
    }
    events: list[Any] = []
    body = request.get("body", "")
    # In two parts, as the network may deliver it.
    parts = [body.encode()[:7], body.encode()[7:]]

    async def receive() -> dict[str, Any]:
        if not parts:
            return {"type": "http.disconnect"}
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    async def send(event: Any) -> None:
        events.append(event)

    await app(scope, receive, send)
    start = events[0]
    return Answer(start["status"], list(start["headers"]), b"".join(event.get("body", b"") for event in events[1:]))

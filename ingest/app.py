"""The ASGI application: health and metrics as Starlette routes, everything else to the endpoint."""

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ingest import metrics
from ingest.crowd import Crowd
from ingest.endpoint import Endpoint
from ingest.http_cycle import AcceptedText
from ingest.http_limits import HttpLimits
from ingest.journal import Journal
from ingest.kafka_sink import KafkaSink
from ingest.record import Message
from ingest.refusal import PROBLEM_HEADERS, problem
from ingest.reject_sink import RejectSink
from ingest.report_sink import ReportSink
from ingest.retry_after import retry_after
from ingest.template import RESERVED
from ingest.template_set import TemplateSet, template_set
from schemas.pipeline_id import pipeline_id
from schemas.settings import Ingest, Settings

# Where accepted reports go, and where refusals are offered.
Sinks = tuple[ReportSink, Callable[[Message], None]]

_REJECT_CLOSE_SECONDS: Final = 1.0
_SETTLE_SECONDS: Final = 1.0  # well below the 2 s in which Kafka's absence must be answered
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


class IngressApp:
    """The ASGI application of one worker: its own pages by Starlette, everything else straight to the endpoint.

    Starlette's own stack would cost a fifth of a request, for routes that a report never takes.
    """

    def __init__(
        self,
        templates: TemplateSet,
        settings: Ingest,
        open_sinks: Callable[[], AbstractAsyncContextManager[Sinks]],
        metrics_directory: str = "",
    ) -> None:
        self._templates = templates
        self._settings = settings
        self._open_sinks = open_sinks
        self._directory = metrics_directory
        self._endpoint: Endpoint | None = None
        self._pages = Starlette(lifespan=self._lifespan)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """One request, or the lifespan."""
        if scope["type"] != "http" or scope["path"] in RESERVED or self._endpoint is None:
            return self._pages(scope, receive, send)
        return self._endpoint(scope, receive, send)

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[dict[str, Any]]:
        async with self._open_sinks() as (sink, reject):
            own = _Own(sink, self._settings, self._directory)
            app.router.redirect_slashes = False
            app.router.routes[:] = [
                Route("/healthz", own.healthz),
                Route("/readyz", own.readyz),
                Route("/metrics", own.metrics),
            ]
            journal = Journal(self._settings)
            endpoint = Endpoint(self._templates, sink, self._settings, reject, journal)
            await endpoint.open()
            self._endpoint = endpoint
            await _settle(sink)
            telling = asyncio.create_task(_tell(journal))
            try:
                limits = HttpLimits.of(self._settings)
                yield {
                    "limits": limits,
                    "crowd": Crowd(limits),
                    "accepted_text": AcceptedText(),
                    "journal": journal,
                }
            finally:
                telling.cancel()
                await endpoint.close()
        metrics.flush()


def make_app(settings: Settings, metrics_directory: str = "") -> IngressApp:
    """The application of one worker, with Kafka behind it.

    Args:
        settings: all of them.
        metrics_directory: where several workers keep their counts; empty: this is the only one.

    Raises:
        TemplateError: a template that cannot be used.
    """

    @contextlib.asynccontextmanager
    async def open_sinks() -> AsyncIterator[Sinks]:
        sink = KafkaSink(settings)
        rejects = RejectSink(settings, metrics.reject_dropped)
        gauge = asyncio.create_task(_watch(sink))
        metrics.belongs(pipeline_id(settings))
        try:
            yield sink, rejects.offer
        finally:
            gauge.cancel()
            await sink.close(settings.ingest.drain_timeout)
            await rejects.close(_REJECT_CLOSE_SECONDS)

    return IngressApp(template_set(settings), settings.ingest, open_sinks, metrics_directory)


class _Own:
    """The ingress's own pages."""

    def __init__(self, sink: ReportSink, settings: Ingest, metrics_directory: str) -> None:
        self._sink = sink
        self._public_metrics = settings.public_metrics
        self._retry_after = settings.retry_after
        self._directory = metrics_directory

    async def healthz(self, request: Request) -> Response:
        """The process answers."""
        return JSONResponse({"status": "ok"})

    async def readyz(self, request: Request) -> Response:
        """Reports can be confirmed now: 200, or 503 with the reason."""
        trouble = self._sink.trouble()
        if trouble is None:
            return JSONResponse({"status": "ok"})
        return _problem(503, "not_ready", trouble, {"retry-after": retry_after(self._retry_after).decode()})

    async def metrics(self, request: Request) -> Response:
        """Prometheus text, for peers on this machine unless the settings open it."""
        if not self._public_metrics and not _is_local(request):
            return _problem(403, "not_local", "metrics are for this machine: see ingest.public_metrics", {})
        metrics.flush()
        text = await asyncio.to_thread(metrics.exposition, self._directory)
        return Response(text, headers={"content-type": metrics.CONTENT_TYPE})


def _problem(status: int, reason: str, detail: str, headers: dict[str, str]) -> Response:
    fixed = {name.decode(): value.decode() for name, value in PROBLEM_HEADERS}
    return Response(problem(status, reason, detail), status, headers=fixed | headers)


def _is_local(request: Request) -> bool:
    """Whether the peer is this machine itself, and not a proxy on it that speaks for somebody else."""
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(request.client.host)
        mapped = getattr(address, "ipv4_mapped", None)
        return (mapped or address).is_loopback
    return False


async def _settle(sink: ReportSink) -> None:
    """Give Kafka a moment before the first request is taken: a worker that joins others should not answer 503 first."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_SETTLE_SECONDS):
            while sink.trouble() is not None:  # noqa: ASYNC110 - the port has no event for this, and needs none else
                await asyncio.sleep(0.02)


async def _tell(journal: Journal) -> None:
    while True:
        metrics.flush()
        journal.tell()
        await asyncio.sleep(metrics.FLUSH_SECONDS)


async def _watch(sink: KafkaSink) -> None:
    while True:
        metrics.in_flight(sink.in_flight, sink.in_flight_bytes)
        await asyncio.sleep(metrics.FLUSH_SECONDS)

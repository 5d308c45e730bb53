"""The ASGI endpoint of reports and removals: thin, since it runs for every request of the fleet.

A plain ASGI callable rather than a Starlette `Request`: a third faster (design.md section 8).
"""

import logging
import time
import traceback
from collections.abc import Callable
from typing import Final

from starlette.types import Receive, Scope, Send

from ingest import metrics
from ingest.auth.gates import gates
from ingest.gate import Asked
from ingest.http_cycle import ACCEPTED, EMPTY
from ingest.limits.rates import address_rate, field_rates
from ingest.read import fill
from ingest.reading import MismatchError, Reading
from ingest.record import Message, report_message
from ingest.refusal import PROBLEM_HEADERS, BusyError, RefusedError, problem
from ingest.rejected import RECORDED, rejected_message
from ingest.report_sink import ReportSink
from ingest.retry_after import retry_after
from ingest.template_set import Candidate, TemplateSet
from ingest.values import Limits
from schemas.settings import Ingest

log = logging.getLogger(__name__)

_WITH_BODY: Final = frozenset({"POST", "PUT"})
# After these the rest of what came on the connection cannot be trusted to start a request.
_CLOSING: Final = frozenset({"not_json"})


class ClientGoneError(Exception):
    """The client went away before its request was complete: there is nobody to answer."""


class Call:
    """One request on its way: what is known of it so far, for the record of a refusal."""

    __slots__ = ("body", "content_type", "kind", "reading")

    def __init__(self) -> None:
        self.content_type = ""
        self.body: bytes | None = None
        self.reading: Reading | None = None
        self.kind = ""


class Endpoint:
    """Answers every path but those of the ingress itself."""

    def __init__(
        self, templates: TemplateSet, sink: ReportSink, settings: Ingest, reject: Callable[[Message], None]
    ) -> None:
        self._templates = templates
        self._sink = sink
        self._limits = Limits(max_field=settings.max_field, strict_selector=settings.strict_selector)
        self._gates = gates(templates.templates, settings)
        self._retry_after = settings.retry_after
        self._field_rates = field_rates(settings)
        self._address_rate = address_rate(settings)
        self._reject = reject

    async def open(self) -> None:
        """Start what the gates need, before the first request."""
        for gate in self._gates.values():
            await gate.open()

    async def close(self) -> None:
        """Let go of it, after the last."""
        for gate in self._gates.values():
            await gate.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        call = Call()
        try:
            await self._take(call, scope, receive)
        except RefusedError as error:
            await self._refuse(call, error, send)
        except BusyError as error:
            metrics.refused(error.status, call.kind)
            again = (b"retry-after", retry_after(max(error.wait, self._retry_after)))
            await _send_problem(send, error.status, error.reason, error.detail, None, [again])
        except ClientGoneError:
            return
        except Exception as error:
            # Neither the message of an exception nor its locals may reach a log: they may hold what was sent.
            trace = "".join(traceback.format_tb(error.__traceback__))
            log.error("a request failed: %s\n%s", type(error).__name__, trace)
            metrics.refused(500, call.kind)
            await _send_problem(send, 500, "internal", "the ingress failed", None, [])
        else:
            await send(ACCEPTED)
            await send(EMPTY)

    async def _take(self, call: Call, scope: Scope, receive: Receive) -> None:
        """All the way from a request to its confirmation."""
        if self._address_rate is not None:
            self._address_rate.check(scope["client"], scope["headers"], time.monotonic())
        method: str = scope["method"]
        candidates = self._candidates(scope["raw_path"].decode("latin-1"), method)
        call.kind = candidates[0].template.kind
        authorization, content_type, encoding, user_agent = _headers(scope["headers"])
        # A compressed body is one that cannot be read, like any other of a strange type.
        call.content_type = "application/octet-stream" if encoding else content_type
        gate = self._gates.get(candidates[0].template.name) if len(candidates) == 1 else None
        asked = Asked(method, _target(scope), authorization, scope["headers"]) if self._gates else None
        username = await gate.before(asked) if gate is not None and asked is not None else None
        if method in _WITH_BODY:
            call.body = await _body(receive)
        received_at = time.time_ns() // 1_000_000
        started = time.perf_counter()
        reading = self._read(call, candidates, scope["query_string"])
        template = reading.template
        call.kind = template.kind
        if asked is not None and (known := self._gates.get(template.name)) is not None:
            if gate is None:
                # Which of several templates it is, only the fixed values tell; each may ask for something else.
                username = await known.before(asked)
            username = await known.after(asked, reading, username)
        if self._field_rates is not None:
            self._field_rates.check(reading.values, time.monotonic())
        await self._sink.publish(report_message(template.kind, reading.values, received_at, user_agent, username))
        metrics.accepted(template.kind, time.perf_counter() - started)

    def _candidates(self, raw_path: str, method: str) -> list[Candidate]:
        found = self._templates.find(raw_path)
        if not found:
            raise RefusedError(404, "not_found", "no template has this path")
        fitting = [candidate for candidate in found if method in candidate.template.methods]
        if not fitting:
            allow = ", ".join(sorted({method for candidate in found for method in candidate.template.methods}))
            detail = f"this path takes {allow}"
            raise RefusedError(405, "method_not_allowed", detail, headers=((b"allow", allow.encode()),))
        return fitting

    def _read(self, call: Call, candidates: list[Candidate], query: bytes) -> Reading:
        """Read by the template whose fixed values are there; if none can be read, raise what the nearest says."""
        refusal: RefusedError | None = None
        for candidate in candidates:
            reading = Reading(candidate.template, self._limits)
            try:
                fill(reading, candidate, query, call.content_type, call.body)
            except RefusedError as error:
                if refusal is None or isinstance(refusal, MismatchError):
                    refusal, call.reading = error, reading
                continue
            call.reading = reading
            return reading
        assert refusal is not None
        raise refusal

    async def _refuse(self, call: Call, error: RefusedError, send: Send) -> None:
        metrics.refused(error.status, call.kind)
        if error.status in RECORDED:
            reading = call.reading
            name = None if reading is None else reading.template.name
            values = {} if reading is None else reading.values
            now = time.time_ns() // 1_000_000
            self._reject(rejected_message(error, now, name, values, call.content_type, call.body))
        headers = [*error.headers, (b"connection", b"close")] if error.reason in _CLOSING else list(error.headers)
        await _send_problem(send, error.status, error.reason, error.detail, error.field, headers)


def _headers(found: list[tuple[bytes, bytes]]) -> tuple[str, str, bytes, bytes]:
    """Authorization, content type, content encoding (empty for none) and user agent."""
    authorization = content_type = ""
    encoding = user_agent = b""
    for name, value in found:
        if name == b"user-agent":
            user_agent = value
        elif name == b"content-type":
            content_type = value.decode("latin-1")
        elif name == b"authorization":
            authorization = value.decode("latin-1")
        elif name == b"content-encoding" and value.strip().lower() != b"identity":
            encoding = value
    return authorization, content_type, encoding, user_agent


def _target(scope: Scope) -> str:
    raw: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    return (raw + b"?" + query if query else raw).decode("latin-1")


async def _body(receive: Receive) -> bytes:
    """The whole body; the server layer bounds its size and time."""
    event = await receive()
    chunks = []
    while True:
        if event["type"] == "http.disconnect":
            raise ClientGoneError
        chunks.append(event.get("body", b""))
        if not event.get("more_body", False):
            return b"".join(chunks)
        event = await receive()


async def _send_problem(
    send: Send, status: int, reason: str, detail: str, field: str | None, headers: list[tuple[bytes, bytes]]
) -> None:
    body = problem(status, reason, detail, field)
    headers = [*PROBLEM_HEADERS, (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

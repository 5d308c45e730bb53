"""The ASGI endpoint of reports and removals: thin, since it runs for every request of the fleet.

A plain ASGI callable rather than a Starlette `Request`: a third faster (design.md section 8).
"""

import time
from collections.abc import Callable
from typing import Final

from starlette.types import Receive, Scope, Send

from ingest import metrics
from ingest.auth.gates import gates
from ingest.gate import Asked
from ingest.http_cycle import ACCEPTED, EMPTY
from ingest.http_request import ClientGoneError, body_of, head_of, send_problem, target_of
from ingest.journal import About, Journal
from ingest.limits.rates import address_rate, field_rates
from ingest.read import fill
from ingest.reading import MismatchError, Reading
from ingest.record import Message, report_message
from ingest.refusal import BusyError, RefusedError
from ingest.rejected import RECORDED, rejected_message
from ingest.report_sink import ReportSink
from ingest.retry_after import retry_after
from ingest.template import Compiled
from ingest.template_set import Candidate, TemplateSet
from ingest.values import Limits
from schemas.settings import Ingest

_WITH_BODY: Final = frozenset({"POST", "PUT"})
# After these the rest of what came on the connection cannot be trusted to start a request.
_CLOSING: Final = frozenset({"not_json"})


class Call:
    """One request on its way: what is known of it so far, for the record of a refusal."""

    __slots__ = ("body", "content_type", "reading", "scope", "started", "template")

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.content_type = ""
        self.body: bytes | None = None
        self.reading: Reading | None = None
        self.template: Compiled | None = None
        self.started = 0.0

    def about(self) -> About:
        """The same for the journal."""
        scope = self.scope
        return About(scope["headers"], scope["method"], self.template, len(self.body or b""), self.started)


class Endpoint:
    """Answers every path but those of the ingress itself."""

    def __init__(
        self,
        templates: TemplateSet,
        sink: ReportSink,
        settings: Ingest,
        reject: Callable[[Message], None],
        journal: Journal,
    ) -> None:
        self._templates = templates
        self._sink = sink
        self._limits = Limits(max_field=settings.max_field, strict_selector=settings.strict_selector)
        self._gates = gates(templates.templates, settings)
        self._retry_after = settings.retry_after
        self._field_rates = field_rates(settings)
        self._address_rate = address_rate(settings)
        self._reject = reject
        self._journal = journal
        self._logs_accepted = journal.logs_accepted
        metrics.serve((template.name, template.kind) for template in templates.templates)

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
        call = Call(scope)
        try:
            await self._take(call, scope, receive)
        except RefusedError as error:
            await self._refuse(call, error, send)
        except BusyError as error:
            again = (b"retry-after", retry_after(max(error.wait, self._retry_after)))
            found = self._journal.refused(error.status, error.cause, call.about())
            await send_problem(send, error.status, error.reason, error.detail, found, headers=(again,))
        except ClientGoneError:
            return
        except Exception as error:
            found = self._journal.failed(error, call.about())
            await send_problem(send, 500, "internal", "the ingress failed", found)
        else:
            await send(ACCEPTED)
            await send(EMPTY)

    async def _take(self, call: Call, scope: Scope, receive: Receive) -> None:
        """All the way from a request to its confirmation."""
        if self._address_rate is not None:
            self._address_rate.check(scope["client"], scope["headers"], time.monotonic())
        method: str = scope["method"]
        candidates = self._candidates(scope["raw_path"].decode("latin-1"), method)
        call.template = candidates[0].template
        head = head_of(scope["headers"])
        # A compressed body is one that cannot be read, like any other of a strange type.
        call.content_type = "application/octet-stream" if head.encoding else head.content_type
        gate = self._gates.get(candidates[0].template.name) if len(candidates) == 1 else None
        asked = Asked(method, target_of(scope), head.authorization, scope["headers"]) if self._gates else None
        username = await gate.before(asked) if gate is not None and asked is not None else None
        if method in _WITH_BODY:
            call.body = await body_of(receive)
        elif head.framed:
            await body_of(receive)  # it means nothing, but the request is no request before its end has come
        received_at = time.time_ns() // 1_000_000
        started = call.started = time.perf_counter()
        reading = self._read(call, candidates, scope["query_string"])
        template = call.template = reading.template
        if asked is not None and (known := self._gates.get(template.name)) is not None:
            if gate is None:
                # Which of several templates it is, only the fixed values tell; each may ask for something else.
                username = await known.before(asked)
            username = await known.after(asked, reading, username)
        if self._field_rates is not None:
            self._field_rates.check(reading.values, username, time.monotonic())
        message = report_message(template.kind, reading.values, received_at, head.user_agent, username, head.trace)
        await self._sink.publish(message)
        metrics.accepted(template.name, time.perf_counter() - started)
        if self._logs_accepted:
            self._journal.accepted(call.about())

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
            _count_absent(reading)
            return reading
        assert refusal is not None and call.reading is not None
        _count_absent(call.reading)
        try:
            raise refusal
        finally:
            del refusal  # it holds this frame, which would hold it, and the body, until the collector comes

    async def _refuse(self, call: Call, error: RefusedError, send: Send) -> None:
        if error.status in RECORDED:
            reading = call.reading
            name = None if reading is None else reading.template.name
            values = {} if reading is None else reading.values
            now = time.time_ns() // 1_000_000
            self._reject(rejected_message(error, now, name, values, call.content_type, call.body))
        headers = [*error.headers, (b"connection", b"close")] if error.reason in _CLOSING else list(error.headers)
        found = self._journal.refused(error.status, error.cause, call.about())
        await send_problem(send, error.status, error.reason, error.detail, found, error.field, headers)


def _count_absent(reading: Reading) -> None:
    for field, form in reading.absent:
        metrics.absent(reading.template.name, field, form)

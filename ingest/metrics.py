"""The ingress's metrics (Prometheus; docs/operations.md says what each means).

No label ever holds anything a client sent: labels are the operator's template names and words of this code. Counting is
`ingest.counts`; `flush` hands the sums over, twice a second, before a scrape, and at the end.
"""

from collections.abc import Iterable
from typing import Any, Final, Literal

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from ingest.counts import BOUNDS, Counts
from schemas.pipeline_id import LABEL, METRIC

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
FLUSH_SECONDS: Final = 0.5  # how old another worker's part of an exposition may be, and what a kill -9 takes along

OUTCOMES: Final = {
    200: "accepted",
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    413: "too_large",
    414: "too_large",
    415: "content_type",
    429: "busy",
    431: "too_large",
    503: "unavailable",
}
disable_created_metrics()  # type: ignore[no-untyped-call]


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(f"pushtokens_ingest_{name}_total", text, labels)


def _gauge(name: str, text: str) -> Gauge:
    # livesum: of the workers that live; the parent drops a dead one's.
    return Gauge(f"pushtokens_ingest_{name}", text, multiprocess_mode="livesum")


_REQUESTS: Final = _counter("requests", "Requests answered.", "template", "kind", "outcome", "reason")
_SECONDS: Final = Histogram(
    "pushtokens_ingest_confirm_seconds",
    "From the complete request to Kafka's confirmation.",
    buckets=BOUNDS,
)
_COUNTERS: Final = {
    "auth_failures": _counter("auth_failures", "Requests answered with 401 or 403.", "template", "mode", "reason"),
    "absent": _counter("absent_values", "Values that say `none`, by their form.", "template", "field", "form"),
    "late_batches": _counter("late_batches", "Batches that ended after requests of theirs got 503.", "end"),
    "late_reports": _counter("late_reports", "Reports answered with 503 that may be in the topic.", "end"),
    "producers": _counter("producer_replaced", "Kafka producers given up and replaced."),
    "connections_refused": _counter("connections_refused", "Connections refused.", "reason"),
    "connection_timeouts": _counter("connection_timeouts", "Connections ended by a deadline.", "deadline"),
    "rejected_dropped": _counter("rejected_dropped", "Refusals not noted on the rejected topic: quota, or no Kafka."),
    "log_suppressed": _counter("log_suppressed", "Refusals beyond what is logged in a second."),
}
_IN_FLIGHT: Final = _gauge("in_flight", "Reports waiting for Kafka's confirmation.")
_IN_FLIGHT_BYTES: Final = _gauge("in_flight_bytes", "Memory of the reports waiting for Kafka's confirmation.")
_CONNECTIONS: Final = _gauge("connections", "Open connections.")
_PIPELINE: Final = Gauge(METRIC, "Which pipeline this is part of.", [LABEL], multiprocess_mode="max")

_COUNTS: Final = Counts()
_KINDS: Final[dict[str, str]] = {}  # template name to its kind

# `accepted(template, seconds)`: a request answered with 200, confirmed `seconds` after it was complete.
accepted: Final = _COUNTS.accepted


def serve(templates: Iterable[tuple[str, str]]) -> None:
    """Know the templates (name and kind) whose requests will be counted."""
    _KINDS.update(templates)
    _COUNTS.known(_KINDS)


def belongs(pipeline: str) -> None:
    """Say which pipeline this is part of (`schemas.pipeline_id`)."""
    _PIPELINE.labels(pipeline).set(1)


def refused(status: int, reason: str, template: str = "", kind: str = "", mode: str = "none") -> None:
    """Count a request answered with anything but 200.

    Args:
        status: the answer's.
        reason: a word of ours. A 429 says here which limit it was, a 401 or 403 what was wrong.
        template, kind, mode: name, kind and way of authentication; empty where no template fitted.
    """
    _COUNTS.count("requests", (template, kind, OUTCOMES.get(status, "error"), reason))
    if status in (401, 403):
        _COUNTS.count("auth_failures", (template, mode, reason))


def absent(template: str, field: str, form: str) -> None:
    """Count a value that says `none` (`ingest.values.absent_form`)."""
    _COUNTS.count("absent", (template, field, form))


def late(end: Literal["confirmed", "given_up"], reports: int) -> None:
    """Count a batch that ended after `reports` of its requests had been answered 503: their records may be there."""
    _COUNTS.count("late_batches", (end,))
    _COUNTS.count("late_reports", (end,), reports)


def producer_replaced() -> None:
    """Count a producer that was given up."""
    _COUNTS.count("producers")


def connection_refused(reason: str) -> None:
    """Count a connection that was not served, for a reason in a word of ours."""
    _COUNTS.count("connections_refused", (reason,))


def connection_timeout(deadline: Literal["header", "body", "answer", "idle", "end"]) -> None:
    """Count a connection that was ended by a deadline."""
    _COUNTS.count("connection_timeouts", (deadline,))


def reject_dropped(number: int) -> None:
    """Count refused requests that leave no record."""
    _COUNTS.count("rejected_dropped", (), number)


def log_suppressed() -> None:
    """Count a refusal that was not logged."""
    _COUNTS.count("log_suppressed")


def in_flight(reports: int, size: int) -> None:
    """Set how many reports wait for their confirmation, and their bytes."""
    _IN_FLIGHT.set(reports)
    _IN_FLIGHT_BYTES.set(size)


def connections(number: int) -> None:
    """Set how many connections are open."""
    _CONNECTIONS.set(number)


def flush() -> None:
    """Hand the sums to prometheus-client; called by the thread that counts."""
    sums = _COUNTS.take()
    for template, number in sums.accepted.items():
        _REQUESTS.labels(template, _KINDS.get(template, ""), "accepted", "").inc(number)
    # A histogram can be told only one time after the other; a test watches that these parts of it are there.
    for bucket, number in zip(_SECONDS._buckets, sums.slots, strict=True):
        bucket.inc(number)
    _SECONDS._sum.inc(sums.seconds)
    for (name, labels), number in sums.events.items():
        counter = _REQUESTS if name == "requests" else _COUNTERS[name]
        (counter.labels(*labels) if labels else counter).inc(number)


def exposition(directory: str) -> bytes:
    """All metrics as Prometheus text; of every worker if `directory` is where they keep them (else empty)."""
    if not directory:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    collector: Any = MultiProcessCollector
    collector(registry, path=directory)
    return generate_latest(registry)

"""What the ingress counts (Prometheus). No label ever holds anything a client sent."""

from typing import Any, Final

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

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

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
    429: "rate_limited",
    431: "too_large",
    503: "unavailable",
}
disable_created_metrics()  # type: ignore[no-untyped-call]
_REQUESTS: Final = Counter("pushtokens_ingest_requests_total", "Requests answered, by outcome.", ["outcome", "kind"])
_SECONDS: Final = Histogram(
    "pushtokens_ingest_confirm_seconds",
    "From the complete request to Kafka's confirmation.",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 1.5, 2.0),
)
_REJECTS_DROPPED: Final = Counter(
    "pushtokens_ingest_rejected_dropped_total", "Refused requests not noted on the rejected topic: quota or Kafka away."
)
_IN_FLIGHT: Final = Gauge(
    "pushtokens_ingest_in_flight", "Reports waiting for Kafka's confirmation.", multiprocess_mode="livesum"
)
# Looked up once: `labels()` costs as much as the count itself.
_ACCEPTED: Final = {kind: _REQUESTS.labels("accepted", kind) for kind in ("report", "removal")}


def accepted(kind: str, seconds: float) -> None:
    """Count a request answered with 200 (`kind` is the template's), confirmed after `seconds`."""
    _ACCEPTED[kind].inc()
    _SECONDS.observe(seconds)


def refused(status: int, kind: str = "") -> None:
    """Count a request answered with anything else; `kind` is empty where no template fitted."""
    _REQUESTS.labels(OUTCOMES.get(status, "error"), kind).inc()


def reject_dropped(count: int) -> None:
    """Count refused requests that leave no record."""
    _REJECTS_DROPPED.inc(count)


def in_flight(count: int) -> None:
    """Set how many reports wait for their confirmation."""
    _IN_FLIGHT.set(count)


def exposition(directory: str) -> bytes:
    """All metrics as Prometheus text; of every worker if `directory` is where they keep them (else empty)."""
    if not directory:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    collector: Any = MultiProcessCollector
    collector(registry, path=directory)
    return generate_latest(registry)

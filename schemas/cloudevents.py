"""CloudEvents 1.0 headers in binary mode (Kafka protocol binding, section 3.2): `ce_*` and `content-type`."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

SOURCE: Final = "/push-token-pipeline"
TYPE_PREFIX: Final = "push-token."

Headers = list[tuple[str, bytes]]

_SOURCE: Final = ("ce_source", SOURCE.encode())


def headers(event_type: str, event_id: str, time_ms: int, subject: str | None = None) -> Headers:
    """Headers of one message.

    Args:
        event_type: what it is, without the prefix (`report`, `removal`, `latest`, `change`, `rejected`).
        event_id: unique per event; with `ce_source` it identifies a repeated one.
        time_ms: when it happened, ms since the epoch, UTC.
        subject: what it is about; left out when None. Never a token.
    """
    found: Headers = [
        ("ce_specversion", b"1.0"),
        _type(event_type),
        _SOURCE,
        ("ce_id", event_id.encode()),
        _time(time_ms),
        ("content-type", b"application/json"),
    ]
    if subject is not None:
        found.append(("ce_subject", subject.encode()))
    return found


def rfc3339(time_ms: int) -> str:
    """`time_ms` (ms since the epoch) as RFC 3339 in UTC with milliseconds: `2026-11-24T03:00:00.000Z`."""
    return f"{_second(time_ms // 1000)}.{time_ms % 1000:03d}Z"


@lru_cache(maxsize=64)
def _type(event_type: str) -> tuple[str, bytes]:
    return ("ce_type", (TYPE_PREFIX + event_type).encode())


@lru_cache(maxsize=64)
def _time(time_ms: int) -> tuple[str, bytes]:
    """Kept for a while: under load a dozen messages share a millisecond."""
    return ("ce_time", rfc3339(time_ms).encode())


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    """Kept for a while: thousands of messages share a second, and `strftime` is a tenth of what a message costs."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")

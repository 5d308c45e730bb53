"""The status line: what came in, what was compacted, what was sunk, and how far behind (pure)."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

Metric = tuple[str, Mapping[str, str]]

# The metrics of each role that the line reads: name, and labels that must match.
ACCEPTED: Final[Metric] = ("pushtokens_ingest_requests_total", {"outcome": "accepted"})
COMPACTED: Final[Metric] = ("pushtokens_compactor_records_total", {})
COMPACT_LAG: Final[Metric] = ("pushtokens_compactor_lag_records", {})
SUNK: Final[Metric] = ("pushtokens_sink_rows_total", {})
SINK_LAG: Final[Metric] = ("pushtokens_sink_lag_records", {})

Samples = list[tuple[str, Mapping[str, str], float]]
"""A role's metrics: name, labels, value."""


def total(samples: Samples, metric: Metric) -> float | None:
    """The sum of a metric's samples whose labels match; None if there is none."""
    name, labels = metric
    found = [value for sample, given, value in samples if sample == name and labels.items() <= given.items()]
    return sum(found) if found else None


class Counter:
    """A role's counter over its restarts: it begins at 0 again each time, this one does not."""

    def __init__(self) -> None:
        self._before = 0.0
        self._last = 0.0

    def read(self, value: float | None) -> float:
        """Take the newest value (None: no answer) and return the count since `up` started."""
        if value is not None:
            if value < self._last:
                self._before += self._last
            self._last = value
        return self._before + self._last


class Figures(Struct, frozen=True, kw_only=True):
    """What the line shows; a lag is None while its role gives no answer."""

    accepted: float
    rate: float
    compacted: float
    compact_lag: float | None
    sunk: float
    sink_lag: float | None
    troubles: tuple[str, ...] = ()


def status_line(figures: Figures) -> str:
    """One line, e.g. `in 1,200 (40/s) | compacted 1,200, lag 0 | sunk 1,100, lag 100 | all well`."""
    parts = (
        f"in {figures.accepted:,.0f} ({figures.rate:,.0f}/s)",
        f"compacted {figures.compacted:,.0f}, lag {_lag(figures.compact_lag)}",
        f"sunk {figures.sunk:,.0f}, lag {_lag(figures.sink_lag)}",
        ", ".join(figures.troubles) or "all well",
    )
    return " | ".join(parts)


class Meter:
    """Turns the newest samples of the roles into figures; `now` is seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._accepted, self._compacted, self._sunk = Counter(), Counter(), Counter()
        self._last: tuple[float, float] | None = None
        self._rate = 0.0

    def read(self, samples: Mapping[str, Samples], now: float, troubles: tuple[str, ...]) -> Figures:
        """The figures for the line; `samples` by role name, empty for a role without an answer."""
        accepted = self._accepted.read(total(samples.get("ingest", []), ACCEPTED))
        if self._last is None or now - self._last[0] >= 1.0:
            if self._last is not None:
                self._rate = max(0.0, accepted - self._last[1]) / (now - self._last[0])
            self._last = (now, accepted)
        return Figures(
            accepted=accepted,
            rate=self._rate,
            compacted=self._compacted.read(total(samples.get("compact", []), COMPACTED)),
            compact_lag=total(samples.get("compact", []), COMPACT_LAG),
            sunk=self._sunk.read(total(samples.get("sink", []), SUNK)),
            sink_lag=total(samples.get("sink", []), SINK_LAG),
            troubles=troubles,
        )


def _lag(value: float | None) -> str:
    return "?" if value is None else f"{value:,.0f}"

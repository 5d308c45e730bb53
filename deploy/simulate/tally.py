"""What became of the requests, counted."""

from collections import Counter
from typing import Any, Final, Literal

from deploy.simulate.connection import Answer
from deploy.simulate.request import Request

Outcome = Literal["accepted", "refused", "gave_up", "unexpected"]

OUTCOMES: Final[tuple[Outcome, ...]] = ("accepted", "refused", "gave_up", "unexpected")
_BUSY: Final = (429, 503)
_PROBLEM: Final = "application/problem+json"


def judge(request: Request, answer: Answer) -> tuple[Outcome | None, str]:
    """What `answer` means for `request`: an outcome, and of an unexpected one the reason; None means: later again."""
    if answer.status in _BUSY:
        return (None, "") if answer.retry_after is not None else ("unexpected", f"{answer.status} without Retry-After")
    if answer.status != request.expect:
        return "unexpected", f"{answer.status} instead of {request.expect}"
    if request.expect != 200:
        fits = answer.content_type == _PROBLEM
        return ("refused", "") if fits else ("unexpected", f"{answer.status} with content type {answer.content_type}")
    if answer.body or answer.content_type is not None:
        return "unexpected", "200 with a body or a content type"
    return "accepted", ""


class Tally:
    """Counts by kind, shape and outcome; latencies of answered attempts."""

    def __init__(self) -> None:
        self.by_kind: Counter[tuple[str, Outcome]] = Counter()
        self.by_shape: Counter[tuple[str, Outcome]] = Counter()
        self.outcomes: Counter[Outcome] = Counter()
        self.retries: Counter[str] = Counter()
        self.surprises: Counter[str] = Counter()
        self._latencies: Counter[int] = Counter()  # by tenths of ms: a few thousand keys at most, however long the run

    @property
    def done(self) -> int:
        """Requests that have an outcome."""
        return self.outcomes.total()

    @property
    def as_expected(self) -> bool:
        """Whether every request was accepted, or refused as it should be."""
        return not (self.outcomes["gave_up"] or self.outcomes["unexpected"])

    def count(self, request: Request, outcome: Outcome, reason: str = "") -> None:
        """Note what became of `request`."""
        self.outcomes[outcome] += 1
        self.by_kind[request.kind, outcome] += 1
        self.by_shape[request.shape, outcome] += 1
        if outcome in ("unexpected", "gave_up"):
            self.surprises[f"{request.kind}, {request.shape}: {reason}"] += 1

    def retry(self, reason: str) -> None:
        """Note that a request has to be sent again (`503`, `429`, `no answer`)."""
        self.retries[reason] += 1

    def latency(self, seconds: float) -> None:
        """Note how long one answer took; above a second in steps of 100 ms."""
        tenths = int(seconds * 10_000)
        self._latencies[tenths if tenths < 10_000 else tenths // 1_000 * 1_000] += 1

    def percentile(self, share: float) -> float | None:
        """The latency (ms) that `share` (0 to 1) of the answers did not exceed; None: no answers."""
        left = share * self._latencies.total()
        for tenths in sorted(self._latencies):
            left -= self._latencies[tenths]
            if left <= 0:
                return tenths / 10
        return None

    def summary(self) -> dict[str, Any]:
        """Everything as a JSON object (dict)."""
        return {
            "outcomes": {outcome: self.outcomes[outcome] for outcome in OUTCOMES},
            "kinds": _nested(self.by_kind),
            "shapes": _nested(self.by_shape),
            "retries": dict(self.retries),
            "surprises": dict(self.surprises.most_common(20)),
            "latency_ms": {"p50": self.percentile(0.5), "p99": self.percentile(0.99), "max": self.percentile(1.0)},
        }


def _nested(counts: Counter[tuple[str, Outcome]]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for (name, outcome), count in sorted(counts.items()):
        found.setdefault(name, {})[outcome] = count
    return found

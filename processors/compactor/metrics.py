"""What the compactor counts, for `GET /metrics` (Prometheus text)."""

from collections import Counter as Counts

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from processors.compactor.rules import DISPOSITIONS, REFUSED


class Metrics:
    """The counters of one worker, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._records = self._counter("records", "Records of the log that are applied and committed")
        self._dispositions = self._counter("dispositions", "Records by what they did to their selector", "disposition")
        self._changes = self._counter("changes", "Messages written to the topic changes")
        self._rejected = self._counter("rejected", "Bad records by reason", "reason")
        self._refused = self._counter("bound_refused", "Records refused: their selector is bound to another account")
        self._batches = self._counter("batches", "Committed transactions")
        self._failures = self._counter("failures", "Batches or take-overs that had to be tried again")
        self._followed = self._counter("followed", "Changelog records read into local copies")
        self._lookups = self._counter("lookups", "Lookup requests by outcome", "outcome")
        self._seconds = Histogram(
            "pushtokens_compactor_batch_seconds", "Time of a batch, merge to commit", registry=self._registry
        )
        self._gauges = {
            name: Gauge(f"pushtokens_compactor_{name}", text, registry=self._registry)
            for name, text in {
                "lag_records": "Records of the owned partitions that are not applied yet",
                "partitions_owned": "Partitions that this worker applies",
                "partitions_ready": "Owned partitions that are caught up with their changelog and answer lookups",
                "partitions_standby": "Partitions that this worker keeps a copy of",
            }.items()
        }
        for disposition in DISPOSITIONS:
            self._dispositions.labels(disposition)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"pushtokens_compactor_{name}", text, labels, registry=self._registry)

    def batch(
        self, records: int, dispositions: Counts[str], changes: int, rejected: Counts[str], seconds: float
    ) -> None:
        """A batch was committed: how many records, and what became of them."""
        self._records.inc(records)
        self._changes.inc(changes)
        self._refused.inc(dispositions[REFUSED])
        self._batches.inc()
        self._seconds.observe(seconds)
        for disposition, count in dispositions.items():
            self._dispositions.labels(disposition).inc(count)
        for reason, count in rejected.items():
            self._rejected.labels(reason).inc(count)

    def failure(self) -> None:
        """A partition had to be taken up again."""
        self._failures.inc()

    def followed(self, records: int) -> None:
        """Records of the changelog went into a local copy."""
        self._followed.inc(records)

    def lookup(self, outcome: str) -> None:
        """A lookup was answered: `found`, `unknown`, `unavailable` or `refused`."""
        self._lookups.labels(outcome).inc()

    def now(self, lag: int, owned: int, ready: int, standby: int) -> None:
        """How things stand."""
        for name, value in (
            ("lag_records", lag),
            ("partitions_owned", owned),
            ("partitions_ready", ready),
            ("partitions_standby", standby),
        ):
            self._gauges[name].set(value)

    def text(self) -> bytes:
        """Everything, as Prometheus text."""
        return generate_latest(self._registry)

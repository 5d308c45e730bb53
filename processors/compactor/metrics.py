"""What the compactor counts, for `GET /metrics` (Prometheus text)."""

from collections import Counter as Counts
from collections.abc import Sequence
from shutil import disk_usage

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from processors.compactor.reading import REASONS
from processors.compactor.rules import DISPOSITIONS, REFUSED
from processors.waits import AGE_BUCKETS, Wait
from schemas.pipeline_id import LABEL, METRIC


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
        self._age = Histogram(
            "pushtokens_compactor_age_seconds",
            "Of a batch's oldest record when it was in the table, since Kafka took it",
            buckets=AGE_BUCKETS,
            registry=self._registry,
        )
        self._gauges = {
            name: Gauge(f"pushtokens_compactor_{name}", text, registry=self._registry)
            for name, text in {
                "lag_records": "Records of the owned partitions that are not applied yet",
                "lag_seconds": "How long the oldest of them has waited, at most",
                "partitions_owned": "Partitions that this worker applies",
                "partitions_ready": "Owned partitions that are caught up with their changelog and answer lookups",
                "partitions_standby": "Partitions that this worker keeps a copy of",
                "disk_free_bytes": "Room left on the disk of the local copies",
            }.items()
        }
        for disposition in DISPOSITIONS:
            self._dispositions.labels(disposition)
        for reason in REASONS:
            self._rejected.labels(reason)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"pushtokens_compactor_{name}", text, labels, registry=self._registry)

    def batch(
        self, records: int, dispositions: Counts[str], changes: int, rejected: Counts[str], seconds: float, age: float
    ) -> None:
        """A batch was committed: how many records, what became of them, how long it took and how old (s) the oldest
        was."""
        self._age.observe(age)
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

    def now(self, ready: Sequence[tuple[Wait, int]], owned: int, standby: int) -> None:
        """How things stand; `ready`: of each partition that is caught up, its wait and its lag in records."""
        for name, value in (
            ("lag_records", sum(lag for _, lag in ready)),
            ("lag_seconds", max((wait.seconds(lag) for wait, lag in ready), default=0.0)),
            ("partitions_owned", owned),
            ("partitions_ready", len(ready)),
            ("partitions_standby", standby),
        ):
            self._gauges[name].set(value)

    def belongs(self, pipeline: str) -> None:
        """Say which pipeline this is part of (`schemas.pipeline_id`)."""
        Gauge(METRIC, "Which pipeline this is part of", [LABEL], registry=self._registry).labels(pipeline).set(1)

    def watch_disk(self, directory: str) -> None:
        """Say with each scrape how much room there is on the disk of `directory`, where the local copies are."""
        self._gauges["disk_free_bytes"].set_function(lambda: disk_usage(directory).free)

    def text(self) -> bytes:
        """Everything, as Prometheus text."""
        return generate_latest(self._registry)

"""What the sink counts, for `GET /metrics` (Prometheus text)."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from processors.waits import AGE_BUCKETS
from schemas.pipeline_id import LABEL, METRIC


class Metrics:
    """The counters of one sink, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.rows = self._counter("rows", "Rows in ClickHouse, recorded and committed")
        self.left_out = self._counter("left_out", "Records without a row: bad, erased, refused", "why")
        self.retries = self._counter("retries", "Inserts and commits that had to be tried again")
        self.seconds = Histogram(
            "pushtokens_sink_insert_seconds", "Time of a range, record to commit", registry=self._registry
        )
        self.age = Histogram(
            "pushtokens_sink_age_seconds",
            "Of a range's oldest record when its row was in ClickHouse, since Kafka took it",
            buckets=AGE_BUCKETS,
            registry=self._registry,
        )
        self.waited = Gauge(
            "pushtokens_sink_lag_seconds",
            "How long the oldest record not yet sunk waits, at most",
            registry=self._registry,
        )
        self.lag = Gauge(
            "pushtokens_sink_lag_records", "Records of the owned partitions not yet sunk", registry=self._registry
        )
        self.buffered = Gauge(
            "pushtokens_sink_buffered_bytes", "Bytes of rows waiting or under way", registry=self._registry
        )
        for why in ("bad", "erased", "refused"):
            self.left_out.labels(why)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"pushtokens_sink_{name}", text, labels, registry=self._registry)

    def belongs(self, pipeline: str) -> None:
        """Say which pipeline this is part of (`schemas.pipeline_id`)."""
        Gauge(METRIC, "Which pipeline this is part of", [LABEL], registry=self._registry).labels(pipeline).set(1)

    def text(self) -> bytes:
        """Everything, as Prometheus text."""
        return generate_latest(self._registry)

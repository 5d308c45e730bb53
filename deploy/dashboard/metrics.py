"""The dashboard's own metrics (Prometheus)."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from deploy.dashboard.refresher import Refresher
from schemas.pipeline_id import LABEL, METRIC


class Metrics:
    """Query times by metric, and how old and how costly the roll-ups are."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, refresher: Refresher, pipeline: str) -> None:
        """`pipeline`: which one this is part of (`schemas.pipeline_id`)."""
        self._registry = CollectorRegistry()
        Gauge(METRIC, "Which pipeline this is part of", [LABEL], registry=self._registry).labels(pipeline).set(1)
        self._seconds = Histogram(
            "pushtokens_dashboard_query_seconds", "Time of one churn query", ["metric"], registry=self._registry
        )
        self._failed = Counter(
            "pushtokens_dashboard_failed_queries_total",
            "Churn queries that failed",
            ["metric"],
            registry=self._registry,
        )
        age = Gauge("pushtokens_dashboard_rollup_age_seconds", "Since the newest build began", registry=self._registry)
        age.set_function(lambda: -1.0 if (seconds := refresher.age()) is None else seconds)
        length = Gauge("pushtokens_dashboard_rollup_build_seconds", "Length of that build", registry=self._registry)
        length.set_function(lambda: refresher.build.seconds if refresher.build else 0.0)
        failures = Gauge("pushtokens_dashboard_rollup_failures", "Builds that failed", registry=self._registry)
        failures.set_function(lambda: float(refresher.failures))

    @contextmanager
    def query(self, metric: str) -> Iterator[None]:
        """Time one query of `metric`, and count it if it fails."""
        with self._failed.labels(metric).count_exceptions(), self._seconds.labels(metric).time():
            yield

    def text(self) -> bytes:
        """All of them as Prometheus text."""
        return generate_latest(self._registry)

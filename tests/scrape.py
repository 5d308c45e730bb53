"""What a role says on /metrics."""

from prometheus_client.parser import text_string_to_metric_families

from tests.ingress import ask, get


def metrics_text(port: int) -> str:
    """The exposition of the ingress at `port`."""
    return ask(port, get("/metrics")).partition(b"\r\n\r\n")[2].decode()


def total(text: str, name: str, **labels: str) -> float:
    """The sum of the samples of a metric with these labels; 0 if there is none."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def requests_counted(port: int, **labels: str) -> float:
    """How many requests with these labels the ingress has answered."""
    return total(metrics_text(port), "pushtokens_ingest_requests_total", **labels)

"""Alerts and boards ask for metrics and labels that the code has; every alert has a page, and every page an alert."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client import REGISTRY, CollectorRegistry

import ingest.tls  # noqa: F401  (has a metric of its own)
from deploy.dashboard.metrics import Metrics as DashboardMetrics
from deploy.grafana.ingress import INGRESS
from deploy.grafana.pipeline import PIPELINE
from ingest.metrics import OUTCOMES
from processors.compactor.metrics import Metrics as CompactorMetrics
from processors.sink.metrics import Metrics as SinkMetrics
from schemas.settings import Settings

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = ROOT / "docs" / "runbook"
GROUPS = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))["groups"]
ALERTS: dict[str, dict[str, Any]] = {rule["alert"]: rule for group in GROUPS for rule in group["rules"]}
PANELS = [
    (panel.title, query.expr) for board in (INGRESS, PIPELINE) for panel in board.panels() for query in panel.queries
]
SECTIONS = ("## What it means for subscribers", "## How to look", "## What to do", "## How it ends")
TARGET = {"job", "instance"}  # what Prometheus adds to each sample


def registries() -> list[CollectorRegistry]:
    refresher: Any = SimpleNamespace(age=lambda: None, build=None, failures=0)
    own: list[Any] = [CompactorMetrics(), SinkMetrics(), DashboardMetrics(refresher, "p")]
    return [REGISTRY, *(metrics._registry for metrics in own)]


def metrics() -> dict[str, set[str]]:
    """Every name a scrape may have, and its labels."""
    found = {"up": set(TARGET)}
    for registry in registries():
        for name, collector in registry._names_to_collectors.items():
            labels = set(getattr(collector, "_labelnames", ())) | TARGET
            found[name] = labels | {"le"} if name.endswith("_bucket") else labels
    return found


METRICS = metrics()


def selectors(expression: str) -> Iterator[promql_parser.VectorSelector]:
    """What an expression (PromQL) reads. Raises ValueError if it is none."""
    found: list[promql_parser.VectorSelector] = []

    def visit(part: promql_parser.Expr) -> None:
        if isinstance(part, promql_parser.MatrixSelector):
            found.append(part.vector_selector)
        elif isinstance(part, promql_parser.VectorSelector):
            found.append(part)

    promql_parser.walk(promql_parser.parse(expression.replace("$__rate_interval", "5m")), visit)
    return iter(found)


def grouped(expression: str) -> set[str]:
    """The labels by which it sums."""
    return {label.strip() for labels in re.findall(r"\bby \(([^)]*)\)", expression) for label in labels.split(",")}


def check(expression: str) -> None:
    read = list(selectors(expression))
    assert read
    for selector in read:
        assert selector.name in METRICS
        asked = {matcher.name for matcher in selector.matchers.matchers}
        assert asked <= METRICS[selector.name], selector.name
        for matcher in selector.matchers.matchers:
            if matcher.name == "outcome":
                assert set(matcher.value.split("|")) <= {*OUTCOMES.values(), "error"}
    assert grouped(expression) <= set.union(*(METRICS[str(selector.name)] for selector in read))


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_asks_for_what_there_is(name: str) -> None:
    check(ALERTS[name]["expr"])


@pytest.mark.parametrize(("title", "expression"), PANELS, ids=[title for title, _ in PANELS])
def test_a_panel_asks_for_what_there_is(title: str, expression: str) -> None:
    check(expression)


@pytest.mark.parametrize("broken", ["pushtokens_sink_lag > 1", "sum(rate(pushtokens_sink_rows_total{why='bad'}[5m]))"])
def test_what_there_is_not_is_noticed(broken: str) -> None:
    with pytest.raises(AssertionError):
        check(broken)


def test_a_broken_expression_is_noticed() -> None:
    with pytest.raises(ValueError, match="unclosed left parenthesis"):
        check("sum(rate(pushtokens_sink_rows_total[5m])")


def test_every_metric_of_ours_is_on_a_board_but_for_a_few() -> None:
    shown = {selector.name for _, expression in PANELS for selector in selectors(expression)}
    ours = {name for name in METRICS if name.startswith("pushtokens_") and name.endswith(("_total", "_bucket"))}
    left_out = {
        "pushtokens_compactor_batches_total",
        "pushtokens_compactor_followed_total",
        "pushtokens_dashboard_failed_queries_total",
        "pushtokens_dashboard_query_seconds_bucket",
        "pushtokens_ingest_late_batches_total",
        "pushtokens_ingest_log_suppressed_total",
    }
    assert ours - shown == left_out


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_how_bad_it_is_and_where_to_read_on(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["runbook"] == f"docs/runbook/{name}.md"
    text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {name}\n")
    assert [line for line in text.splitlines() if line.startswith("## ")] == list(SECTIONS)


def test_every_page_has_an_alert_and_is_in_the_list() -> None:
    pages = {page.stem for page in PAGES.glob("*.md")} - {"index"}
    assert pages == set(ALERTS)
    listed = re.findall(r"\]\((\w+)\.md\)", (PAGES / "index.md").read_text(encoding="utf-8"))
    assert listed == list(ALERTS)


def test_thresholds_follow_from_the_settings() -> None:
    ingress = Settings().ingest
    assert f"> {ingress.confirm_timeout / 2:g}" in ALERTS["IngestConfirmSlow"]["expr"]
    assert f"in_flight > {ingress.max_in_flight // 2} " in ALERTS["IngestInFlightHigh"]["expr"]
    assert f"in_flight_bytes > {ingress.max_in_flight_bytes // 2}" in ALERTS["IngestInFlightHigh"]["expr"]


def test_the_jobs_that_alerts_name_are_scraped() -> None:
    scraped = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    jobs = {job["job_name"] for job in scraped["scrape_configs"]}
    named = {
        value
        for rule in ALERTS.values()
        for selector in selectors(rule["expr"])
        for matcher in selector.matchers.matchers
        if matcher.name == "job"
        for value in matcher.value.split("|")
    }
    assert named == {"ingest", "compact", "sink", "dashboard"} <= jobs
    assert scraped["rule_files"] == ["alerts.yml"]

"""The catalogue of metrics, their files and their page in the manual belong together."""

import re

import pytest

from deploy.dashboard.charts import CHARTS
from processors.churn.metrics import METRICS, definition, sql
from tests.unit.test_house import ROOT

# What the issue asks for, by the name of the metric that answers it.
ASKED = {
    "active_selectors", "new", "rotated", "removed", "stale_ratio", "survival", "joint_rotation", "reinstall",
    "token_sharing", "token_handover", "missing_slot", "reach", "redundancy", "removal_vs_silent", "resurrection",
    "app_migration", "flapping",
}  # fmt: skip
PLACEHOLDERS = {"from:Date", "to:Date", "slot:String", "app_id:String", "platform:String", "weeks:UInt16"}


def test_every_metric_asked_for_is_there() -> None:
    assert set(METRICS) >= ASKED


@pytest.mark.parametrize("name", METRICS)
def test_a_query_is_one_statement_with_known_placeholders(name: str) -> None:
    text = sql(name)
    assert ";" not in re.sub(r"^--.*$", "", text, flags=re.MULTILINE)
    code = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    found = set(re.findall(r"\{([^}]+)\}", code))
    assert {"from:Date", "to:Date"} <= found <= PLACEHOLDERS
    assert "FINAL" not in code


@pytest.mark.parametrize("name", METRICS)
def test_only_the_metrics_that_say_so_read_the_history(name: str) -> None:
    read = {table for table in re.findall(r"FROM (\w+)", sql(name)) if table != "numbers"}
    rolled_up = {"churn_events", "churn_levels", "churn_lifetimes"}
    assert bool(read - rolled_up) is METRICS[name].needs_history


@pytest.mark.parametrize("name", METRICS)
def test_the_manual_has_the_definition_word_for_word(name: str) -> None:
    manual = " ".join((ROOT / "docs" / "churn.md").read_text(encoding="utf-8").split())
    assert len(definition(name)) > 60
    assert f"### `{name}`" in manual
    assert definition(name) in manual


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_is_of_a_metric_and_says_what_it_shows_in_a_line(name: str) -> None:
    chart = CHARTS[name]
    assert chart.metric in METRICS
    assert chart.title.endswith("?") and len(chart.title) < 50
    assert 20 < len(chart.help) <= 120
    assert chart.x in METRICS[chart.metric].keys and set(chart.by) <= set(METRICS[chart.metric].keys)
    assert (chart.unit == "share") is (set(chart.figures) <= set(METRICS[chart.metric].shares))

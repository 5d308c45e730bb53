"""The Grafana dashboard (JSON model, schema 39) for Grafana's own ClickHouse data source, with this project's queries.

A panel's SQL is the query file's text; only the placeholders are Grafana's: `{from:Date}` and `{to:Date}` become the
time range, the rest dashboard variables (Grafana manual, "Variable syntax"; `:sqlstring` quotes and escapes).
"""

import re
from typing import Any, Final

from deploy.dashboard.charts import CHARTS, Chart
from processors.churn.metrics import METRICS, definition, sql

DATABASE: Final = "push_tokens"
_PLACEHOLDERS: Final = {
    "from:Date": "toDate($__fromTime)",
    "to:Date": "toDate($__toTime)",
    "slot:String": "${slot:sqlstring}",
    "app_id:String": "${app_id:sqlstring}",
    "platform:String": "${platform:sqlstring}",
    "weeks:UInt16": "toUInt16($weeks)",
}
_TABLES: Final = re.compile(r"\b(FROM|IN) (churn_\w+|token_lifetimes\w*|reports)\b")
_SOURCE: Final = {"type": "grafana-clickhouse-datasource", "uid": "${source}"}
_WIDTH, _HEIGHT, _COLUMNS = 12, 9, 24


def panel_sql(name: str) -> str:
    """The SQL (str) of one metric for a Grafana panel; tables are named with their database."""
    text = sql(name)
    for placeholder, replacement in _PLACEHOLDERS.items():
        text = text.replace("{" + placeholder + "}", replacement)
    return _TABLES.sub(rf"\1 {DATABASE}.\2", text)


def grafana() -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    charted = {chart.metric: chart for chart in CHARTS.values()}
    names = [*charted, *(name for name in METRICS if name not in charted and name != "app_ids")]
    return {
        "uid": "pushtokens-churn",
        "title": "Push tokens: churn",
        "description": "Who can be reached, what changes, who is lost. Definitions: docs/churn.md.",
        "tags": ["push-token-pipeline"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "timezone": "utc",
        "time": {"from": "now-90d", "to": "now"},
        "refresh": "5m",
        "templating": {"list": _variables()},
        "panels": [_panel(place, name, charted.get(name)) for place, name in enumerate(names)],
    }


def _panel(place: int, name: str, chart: Chart | None) -> dict[str, Any]:
    metric = METRICS[name]
    kind = "timeseries" if chart is not None and chart.x == "day" else "table"
    columns = _COLUMNS // _WIDTH
    share = chart is not None and chart.unit == "share"
    return {
        "id": place + 1,
        "type": kind,
        "title": chart.title if chart else metric.title,
        "description": f"{chart.help if chart else metric.help}\n\n{definition(name)}",
        "gridPos": {
            "x": place % columns * _WIDTH,
            "y": place // columns * _HEIGHT,
            "w": _WIDTH,
            "h": _HEIGHT,
        },
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": _field(chart, share), "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}} if kind == "timeseries" else {},
        # The plugin's own numbers: 0 a time series, 1 a table.
        "targets": [
            {
                "refId": "A",
                "datasource": _SOURCE,
                "editorType": "sql",
                "queryType": kind,
                "format": 0 if kind == "timeseries" else 1,
                "rawSql": panel_sql(name),
            }
        ],
    }


def _field(chart: Chart | None, share: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"unit": "percentunit" if share else "short", "min": 0}
    if chart is not None and chart.kind == "bars":
        found["custom"] = {"drawStyle": "bars", "fillOpacity": 80, "stacking": {"mode": "normal"}}
    return found


def _variables() -> list[dict[str, Any]]:
    apps = (  # fixed text
        f"SELECT '' AS app_id UNION ALL SELECT DISTINCT app_id FROM {DATABASE}.churn_events "  # noqa: S608
        "WHERE app_id NOT IN ('', '*') ORDER BY app_id"
    )
    return [
        {"name": "source", "label": "ClickHouse", "type": "datasource", "query": "grafana-clickhouse-datasource"},
        _choice("slot", "Slot", {"Both": "", "Calls": "calls", "Other": "other"}),
        {
            "name": "app_id",
            "label": "App id (empty: all)",
            "type": "query",
            "datasource": _SOURCE,
            "query": apps,
            "refresh": 1,
            "sort": 1,
            "current": {"text": "", "value": ""},
        },
        _choice("platform", "Platform", {"All": "", "iOS": "ios", "Android": "android", "Unknown": "unknown"}),
        _choice("weeks", "Weeks in a cohort", {"4": "4", "1": "1", "13": "13", "All": "0"}),
    ]


def _choice(name: str, label: str, values: dict[str, str]) -> dict[str, Any]:
    options = [
        {"text": text, "value": value, "selected": place == 0} for place, (text, value) in enumerate(values.items())
    ]
    return {
        "name": name,
        "label": label,
        "type": "custom",
        "query": ",".join(f"{text} : {value}" for text, value in values.items()),
        "options": options,
        "current": options[0],
    }

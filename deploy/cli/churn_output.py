"""The forms in which `pushtokens churn` gives its rows: a table for people, JSON and CSV for programs."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from processors.churn.filters import Filters
from processors.churn.metrics import METRICS, Metric, definition
from processors.churn.rollup import Build
from processors.clickhouse import Rows


def as_json(metric: Metric, filters: Filters, build: Build, rows: Rows) -> str:
    """One JSON document (str): metric, definition, filters, as_of, and rows as objects; days as `2026-11-24`."""
    document = {
        "metric": metric.name,
        "title": metric.title,
        "definition": definition(metric.name),
        "filters": filters.parameters(),
        "as_of": build.built_at.isoformat(timespec="seconds"),
        "rows": rows.dicts(),
    }
    return json.dumps(document, ensure_ascii=False, indent=2, default=_plain)


def show_table(metric: Metric, filters: Filters, build: Build, rows: Rows) -> None:
    """Print the rows as a table: figures to the right, shares in per cent, a repeated day only once."""
    table = Table(title=metric.title, header_style="bold", box=SIMPLE_HEAD)
    for name in rows.names:
        table.add_column(
            name.replace("_", " "),
            justify="left" if name in metric.keys else "right",
            overflow="fold",
            no_wrap=not name.startswith("app_id"),
        )
    for cells in _cells(metric, rows):
        table.add_row(*cells)
    console = Console()
    if rows.rows:
        console.print(table)
    else:
        console.print(f"{metric.title}: nothing in these days for these filters.")
    console.print(_caption(metric, filters, build), style="dim", highlight=False)


def show_list() -> None:
    """Print every metric with its definition."""
    table = Table(title="Churn metrics", header_style="bold", show_lines=True)
    table.add_column("metric", no_wrap=True)
    table.add_column("what it is")
    for name in METRICS:
        table.add_row(name, definition(name))
    Console().print(table)


def _cells(metric: Metric, rows: Rows) -> Iterator[list[str]]:
    before: str | None = None
    for row in rows.rows:
        cells = [_shown(metric, name, value) for name, value in zip(rows.names, row, strict=True)]
        first = cells[0]
        if len(metric.keys) > 1 and first == before:
            cells[0] = ""
        before = first
        yield cells


def _shown(metric: Metric, name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name in metric.shares:
        return f"{value:.1%}"
    if name in metric.keys:
        return "(none)" if value == "" else str(value)
    return f"{value:,}"


def _caption(metric: Metric, filters: Filters, build: Build) -> str:
    parts = [f"{filters.from_day} to {filters.to_day} UTC"]
    parts += [text for text in (filters.slot, filters.app_id, filters.platform) if text]
    age = max(0, round((datetime.now(UTC) - build.built_at).total_seconds()))
    parts.append(f"as of {build.built_at:%Y-%m-%d %H:%M:%S} ({age} s ago)")
    return f"{metric.help}\n" + ", ".join(parts)


def _plain(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(type(value).__name__)

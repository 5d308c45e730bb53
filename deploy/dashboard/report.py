"""All charts as one HTML file that needs neither network nor server (`pushtokens churn --html`)."""

import msgspec

from deploy.dashboard.charts import CHARTS
from deploy.dashboard.page import self_contained
from deploy.dashboard.series import draw
from processors.churn.figures import figures
from processors.churn.filters import Filters
from processors.churn.rollup import Build
from processors.clickhouse import ClickHouse


def report(clickhouse: ClickHouse, filters: Filters, build: Build) -> str:
    """The report (HTML). Raises as `processors.churn.figures.figures`."""
    drawings = {
        chart.name: draw(chart, figures(clickhouse, chart.metric, filters), filters) for chart in CHARTS.values()
    }
    parts = [f"{filters.from_day} to {filters.to_day} UTC"]
    parts += [text for text in (filters.slot, filters.app_id, filters.platform) if text]
    parts.append(f"as of {build.built_at:%Y-%m-%d %H:%M:%S} UTC, from {build.history_rows:,} records")
    return self_contained("Push tokens: churn", ", ".join(parts), msgspec.json.encode(drawings).decode())

"""Asks one churn metric of ClickHouse."""

from typing import Final

from processors.churn.filters import Filters
from processors.churn.metrics import sql
from processors.clickhouse import ClickHouse, Rows

# Reading in the order of the selector keeps the memory of history queries small (docs/churn.md, "What it costs").
_SETTINGS: Final = {"optimize_aggregation_in_order": 1}


def figures(clickhouse: ClickHouse, name: str, filters: Filters) -> Rows:
    """The rows of one metric.

    Args:
        clickhouse: where the roll-ups and the history are.
        name: a key of `METRICS`.
        filters: the days and what to narrow it to.

    Raises:
        KeyError: no such metric.
        RefusedError, AwayError: as `ClickHouse.query`.
    """
    return clickhouse.query(sql(name), filters.parameters(), _SETTINGS)

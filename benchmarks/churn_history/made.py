"""Fills `reports` with a made-up fleet's history, by one statement inside ClickHouse."""

from datetime import date
from pathlib import Path
from typing import Final

from processors.clickhouse import ClickHouse

_SQL: Final = Path(__file__).with_name("fleet.sql")


def make_history(clickhouse: ClickHouse, *, selectors: int, reports: int, days: int, last: date, seed: int = 1) -> None:
    """Insert at most `selectors` x `reports` records of the `days` days to `last`; raises as `ClickHouse.command`."""
    clickhouse.command(
        _SQL.read_text(encoding="utf-8"),
        {"selectors": selectors, "reports": reports, "days": days, "last": last.isoformat(), "seed": seed},
        # One partition a month: a year and more of them in one insert is what this is for.
        {"max_partitions_per_insert_block": 0, "async_insert": 0},
    )

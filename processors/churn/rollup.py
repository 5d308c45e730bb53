"""The churn roll-ups: computed from the whole history and put in place in one step each.

Each build is exact whatever the sink's retries did, and late records and erasures are in it: nothing is added up from
insert to insert. `ALTER TABLE … REPLACE PARTITION` (ClickHouse manual, "Manipulating Partitions and Parts") is atomic,
so a reader sees the old roll-up or the new one, and a build that fails leaves the old one. Two builders at once do no
harm: each has staging tables of its own, and either result is right for its moment.
"""

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import Struct

from processors.clickhouse import ClickHouse

ROLLUPS: Final = ("churn_events", "churn_levels", "churn_lifetimes")
# Selectors come out in the table's order, a few thousand at a time, so the histories of all need not be held at once.
SETTINGS: Final = {"async_insert": 0, "optimize_aggregation_in_order": 1, "max_block_size": 8192}
_STAGING: Final = "_build_"
# A build may take this part of the time: after one that took 30 s the next begins 5 minutes later at the earliest.
_REST: Final = 10
# Staging tables of a builder that was killed; no build that is still under way is this old.
_ABANDONED: Final = timedelta(days=1)


class Build(Struct, frozen=True, kw_only=True):
    """A finished build: when it began (UTC), the rows of `reports` it saw, the newest append time, its length."""

    built_at: datetime
    history_rows: int
    newest: datetime
    seconds: float

    def due(self, now: datetime) -> bool:
        """Whether the next build may begin, measured by how long this one took."""
        return now >= self.built_at + timedelta(seconds=self.seconds * (1 + _REST))


def last_build(clickhouse: ClickHouse) -> Build | None:
    """The newest finished build, or None if there was none. Raises as `ClickHouse.query`."""
    rows = clickhouse.query(
        "SELECT built_at, history_rows, newest, seconds FROM churn_builds ORDER BY built_at DESC LIMIT 1"
    ).dicts()
    return Build(**rows[0]) if rows else None


def refresh(clickhouse: ClickHouse, *, now: datetime | None = None, force: bool = False) -> Build:
    """The newest build, made now if the history has moved since and the last build is not too recent for its length.

    Args:
        clickhouse: with a deadline long enough for a build (design: 10 million rows take about 40 s on 2 cores).
        now: the time (UTC); None: the clock's.
        force: build in any case.

    Raises:
        RefusedError, AwayError: as `ClickHouse.query`; the roll-ups are then as they were.
    """
    build = last_build(clickhouse)
    if not force and build is not None:
        if not build.due(now or datetime.now(UTC)):
            return build
        if (build.history_rows, build.newest) == _state(clickhouse):
            return build
    return rebuild(clickhouse)


def rebuild(clickhouse: ClickHouse) -> Build:
    """Compute all roll-ups anew and put them in place. Raises as `refresh`."""
    now, start = datetime.now(UTC), time.monotonic()
    began = now.replace(microsecond=now.microsecond // 1000 * 1000)  # as the table keeps it
    _drop_abandoned(clickhouse)
    rows, newest = _state(clickhouse)
    for table in ROLLUPS:
        _replace(clickhouse, table)
    seconds = time.monotonic() - start
    clickhouse.command(
        "INSERT INTO churn_builds SETTINGS async_insert = 0 SELECT fromUnixTimestamp64Milli({began:Int64}, 'UTC'), "
        "{rows:UInt64}, fromUnixTimestamp64Milli({newest:Int64}, 'UTC'), {seconds:Float64}",
        {"began": _millis(began), "rows": rows, "newest": _millis(newest), "seconds": seconds},
    )
    return Build(built_at=began, history_rows=rows, newest=newest, seconds=seconds)


def _replace(clickhouse: ClickHouse, table: str) -> None:
    staging = f"{table}{_STAGING}{uuid.uuid4().hex[:12]}"
    clickhouse.command(f"CREATE TABLE {staging} AS {table}")
    try:
        clickhouse.command(f"INSERT INTO {staging} SELECT * FROM {table}_now", settings=SETTINGS)  # noqa: S608
        if clickhouse.query(f"SELECT count() FROM {staging}").scalar():  # noqa: S608
            clickhouse.command(f"ALTER TABLE {table} REPLACE PARTITION tuple() FROM {staging}")
        else:  # an empty partition is refused as a source
            clickhouse.command(f"TRUNCATE TABLE {table}")
    finally:
        clickhouse.command(f"DROP TABLE IF EXISTS {staging} SYNC")


def _state(clickhouse: ClickHouse) -> tuple[int, datetime]:
    """What tells one history from another: its rows, and the newest append time."""
    row = clickhouse.query("SELECT count(), max(appended_at) FROM reports").rows[0]
    return row[0], row[1]


def _drop_abandoned(clickhouse: ClickHouse) -> None:
    old = clickhouse.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND match(name, {pattern:String}) "
        "AND metadata_modification_time < {before:DateTime}",
        {
            "pattern": f"^({'|'.join(ROLLUPS)}){_STAGING}[0-9a-f]{{12}}$",
            "before": (datetime.now(UTC) - _ABANDONED).replace(microsecond=0, tzinfo=None),
        },
    )
    for (name,) in old.rows:
        clickhouse.command(f"DROP TABLE IF EXISTS {name} SYNC")


def _millis(at: datetime) -> int:
    return round(at.timestamp() * 1000)

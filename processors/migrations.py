"""Brings a ClickHouse database to this version's schema: each file once, in order, recorded with its checksum."""

import logging
from typing import Final

from msgspec import Struct

from processors import ddl
from processors.clickhouse import ClickHouse
from processors.ddl import Migration, SchemaError
from schemas.settings import Settings

_log = logging.getLogger(__name__)

# The first statements of all; they must stay as they are, since nothing records them.
_FIRST: Final = (
    "CREATE DATABASE IF NOT EXISTS {{database}} {{on_cluster}};\n"
    "CREATE TABLE IF NOT EXISTS {{database}}.migrations {{on_cluster}}\n"
    "(number UInt16, name String, checksum FixedString(64), applied_at DateTime64(3, 'UTC') DEFAULT now64(3))\n"
    "ENGINE = {{engine ReplacingMergeTree}} ORDER BY number;\n"
)


class _Expiry(Struct, frozen=True):
    """A table that forgets: rows go `clickhouse.ttl_days` days after the time in `column`."""

    table: str
    column: str


# By the time of arrival, like the partitions, so that whole parts are dropped; a lifetime goes with its last report.
_EXPIRIES: Final = (_Expiry("reports", "appended_at"), _Expiry("token_lifetimes_rollup", "last_seen"))


def migrate(settings: Settings) -> list[str]:
    """Create or bring up to date the database `clickhouse.database`. Blocking; may be run any number of times.

    Returns:
        The names of the files applied now.

    Raises:
        SchemaError: a file has changed after it was applied, or the database is newer than this version.
        RefusedError: ClickHouse refused a statement; `detail` says why.
        AwayError: ClickHouse does not answer.
    """
    chosen = settings.clickhouse
    with ClickHouse(settings, database="system") as clickhouse:
        for statement in ddl.render(_FIRST, chosen):
            clickhouse.command(statement)
        pending = ddl.plan(ddl.load(), _applied(clickhouse, chosen.database))
        for migration in pending:
            for statement in ddl.render(migration.text, chosen):
                clickhouse.command(statement)
            _record(clickhouse, chosen.database, migration)
            _log.info("schema file applied", extra={"file": migration.name})
        _set_expiries(clickhouse, settings)
    return [migration.name for migration in pending]


class Standing(Struct, frozen=True):
    """How far a database is from this version. `pending`: files not applied; `expiries`: table to its TTL now and the
    one the settings say (empty: none), where they differ; `engine`: of table `reports` (empty: there is none)."""

    pending: list[str]
    expiries: dict[str, tuple[str, str]]
    engine: str


def standing(settings: Settings) -> Standing:
    """Look, and change nothing. Raises as `migrate`."""
    chosen, waiting = settings.clickhouse, pending(settings)
    with ClickHouse(settings, database="system") as clickhouse:
        differing = _differing_expiries(clickhouse, settings) if not waiting else {}
        rows = clickhouse.query(
            "SELECT engine FROM system.tables WHERE concat(database, '.', name) = {table:String}",
            {"table": f"{chosen.database}.reports"},
        ).rows
    return Standing(waiting, differing, str(rows[0][0]) if rows else "")


def pending(settings: Settings) -> list[str]:
    """The names of the files that `migrate` would apply; every one if there is no database yet. Raises as `migrate`."""
    database = settings.clickhouse.database
    with ClickHouse(settings, database="system") as clickhouse:
        found = clickhouse.query(
            "SELECT count() FROM system.tables WHERE database = {database:String} AND name = 'migrations'",
            {"database": database},
        )
        applied = _applied(clickhouse, database) if found.scalar() else {}
    return [migration.name for migration in ddl.plan(ddl.load(), applied)]


def _applied(clickhouse: ClickHouse, database: str) -> dict[int, str]:
    rows = clickhouse.query(f"SELECT number, toString(checksum) FROM {database}.migrations FINAL").rows  # noqa: S608
    return {int(row[0]): str(row[1]) for row in rows}


def _record(clickhouse: ClickHouse, database: str, migration: Migration) -> None:
    clickhouse.command(
        f"INSERT INTO {database}.migrations (number, name, checksum) "
        "SETTINGS async_insert = 0 SELECT {number:UInt16}, {name:String}, {checksum:String}",
        {"number": migration.number, "name": migration.name, "checksum": migration.checksum},
    )


def _set_expiries(clickhouse: ClickHouse, settings: Settings) -> None:
    """Bring the tables' TTL to the setting; nothing is sent when it is so already (an ALTER rewrites parts)."""
    for table, (_, wanted) in _differing_expiries(clickhouse, settings).items():
        change = f"MODIFY {wanted}" if wanted else "REMOVE TTL"
        clickhouse.command(f"ALTER TABLE {table}{ddl.on_cluster(settings.clickhouse)} {change}")


def _differing_expiries(clickhouse: ClickHouse, settings: Settings) -> dict[str, tuple[str, str]]:
    """Table to its TTL clause now and the one that the settings say, where they differ."""
    chosen, found = settings.clickhouse, {}
    for expiry in _EXPIRIES:
        table = ddl.stored(expiry.table, chosen)
        wanted = f"TTL toDateTime({expiry.column}) + toIntervalDay({chosen.ttl_days})" if chosen.ttl_days else ""
        current = _current_ttl(clickhouse, table)
        if wanted != current:
            found[table] = (current, wanted)
    return found


def _current_ttl(clickhouse: ClickHouse, table: str) -> str:
    """The table's TTL clause as ClickHouse writes it, or empty."""
    rows = clickhouse.query(
        "SELECT extract(engine_full, '(TTL .+?)(?: SETTINGS |$)') FROM system.tables "
        "WHERE concat(database, '.', name) = {table:String}",
        {"table": table},
    ).rows
    return str(rows[0][0]) if rows else ""


__all__ = ["SchemaError", "Standing", "migrate", "pending", "standing"]

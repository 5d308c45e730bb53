"""Forgetting in ClickHouse: whose rows they are, the list of the erased, and the deletion itself.

Statements name SHA-256 digests, never a selector or a user name: ClickHouse keeps the text of mutations and queries
(`system.mutations`, `system.query_log`), where the name of somebody just forgotten has no business.
"""

from collections.abc import Collection, Sequence
from typing import Final

from processors import ddl
from processors.clickhouse import ClickHouse
from processors.sink.erasures import SELECTOR, USERNAME, digest
from schemas.settings import ClickHouse as ClickHouseSettings

_DIGEST_OF: Final = "lower(hex(SHA256({column})))"
# Waits for the mutation on every replica (ClickHouse manual, "mutations_sync"); light deletes would only hide the rows.
_AWAITED: Final = {"mutations_sync": 2}


def selectors_of(clickhouse: ClickHouse, username: str) -> list[str]:
    """The selectors whose newest known user name is `username`, in order. Raises as `ClickHouse.query`."""
    rows = clickhouse.query(
        "SELECT selector FROM reports WHERE username != '' GROUP BY selector "  # noqa: S608  (a digest, and as a parameter)
        f"HAVING {_DIGEST_OF.format(column='argMax(username, (received_at, kafka_offset))')} = {{wanted:String}} "
        "ORDER BY selector",
        {"wanted": digest(username)},
    ).rows
    return [str(row[0]) for row in rows]


def list_erased(clickhouse: ClickHouse, selectors: Sequence[str], username: str | None, erased_at: int) -> None:
    """Put selectors (and the user name that was asked for) on the list; from here on no sink writes what they reported
    up to `erased_at` (ms since the epoch). Raises as `ClickHouse.command`."""
    entries = [(SELECTOR, digest(selector)) for selector in selectors]
    if username is not None:
        entries.append((USERNAME, digest(username)))
    clickhouse.command(
        "INSERT INTO erasures (what, digest, erased_at) SETTINGS async_insert = 0 "
        "SELECT entry.1, entry.2, fromUnixTimestamp64Milli({at:Int64}, 'UTC') "
        "FROM (SELECT arrayJoin(arrayZip({what:Array(String)}, {digests:Array(String)})) AS entry)",
        {"at": erased_at, "what": [what for what, _ in entries], "digests": [text for _, text in entries]},
    )


def newest_before(clickhouse: ClickHouse, selectors: Sequence[str], log_id: str, ends: dict[int, int]) -> int | None:
    """The greatest `received_at` (ms) among rows that stand on the log before an erasure's record, None without rows.

    Args:
        selectors: whose rows.
        log_id: the log of the erasure's records.
        ends: partition to the offset of its last erasure record.
    """
    found = clickhouse.query(
        "SELECT count(), toUnixTimestamp64Milli(max(received_at)) FROM reports "  # noqa: S608  (digests and numbers)
        f"WHERE {_DIGEST_OF.format(column='selector')} IN {{digests:Array(String)}} "
        "AND (log_id != {log:String} OR kafka_offset <= transform(kafka_partition, {parts:Array(UInt32)}, "
        "{ends:Array(UInt64)}, toUInt64(0)))",
        {
            "digests": [digest(selector) for selector in selectors],
            "log": log_id,
            "parts": list(ends),
            "ends": list(ends.values()),
        },
    ).rows[0]
    return int(found[1]) if found[0] else None


def delete_rows(clickhouse: ClickHouse, settings: ClickHouseSettings, selectors: Collection[str], until: int) -> None:
    """Delete what the selectors reported up to `until` (ms), and wait for it.

    The roll-up of lifetimes goes whole and is fed again from what came later; every column of it stands that.

    Raises:
        RefusedError, AwayError: as `ClickHouse.command`; then it can be repeated.
    """
    parameters = {"digests": [digest(selector) for selector in selectors], "until": until}
    cluster = ddl.on_cluster(settings)
    theirs = f"{_DIGEST_OF.format(column='selector')} IN {{digests:Array(String)}}"
    before = "received_at <= fromUnixTimestamp64Milli({until:Int64}, 'UTC')"
    for table, rows in (("reports", f"{theirs} AND {before}"), ("token_lifetimes_rollup", theirs)):
        name = ddl.stored(table, settings)
        clickhouse.command(f"ALTER TABLE {name}{cluster} DELETE WHERE {rows}", parameters, _AWAITED)
    clickhouse.command(_FEED.format(theirs=theirs), parameters, {"async_insert": 0})


def rows_left(clickhouse: ClickHouse, selectors: Collection[str], until: int) -> int:
    """Rows of the selectors that are still there although reported up to `until` (ms)."""
    found = clickhouse.query(
        f"SELECT count() FROM reports WHERE {_DIGEST_OF.format(column='selector')} IN {{digests:Array(String)}} "  # noqa: S608
        "AND received_at <= fromUnixTimestamp64Milli({until:Int64}, 'UTC')",
        {"digests": [digest(selector) for selector in selectors], "until": until},
    )
    return int(found.scalar())


def erased_digests(clickhouse: ClickHouse) -> dict[tuple[str, str], int]:
    """The whole list: (what, digest) to the time of the erasure (ms). Raises as `ClickHouse.query`."""
    rows = clickhouse.query(
        "SELECT what, toString(digest), toUnixTimestamp64Milli(max(erased_at)) FROM erasures GROUP BY what, digest"
    ).rows
    return {(str(what), str(text)): int(at) for what, text, at in rows}


_FEED: Final = """\
INSERT INTO token_lifetimes_rollup
(selector, slot, token, app_id, log_id, kafka_partition, first_seen, last_seen, offsets)
SELECT selector, slot, token, app_id, log_id, kafka_partition,
    min(received_at), max(received_at), groupBitmapState(kafka_offset)
FROM reports
ARRAY JOIN ['calls', 'other'] AS slot, [calls_token, other_token] AS token, [calls_app_id, other_app_id] AS app_id
WHERE kind = 'report' AND token != '' AND {theirs}
GROUP BY selector, slot, token, app_id, log_id, kafka_partition"""

"""Forgetting in ClickHouse: whose rows they are, the list of the erased, and the deletion itself.

Statements name SHA-256 digests, never a selector or a user name: ClickHouse keeps the text of mutations and queries
(`system.mutations`, `system.query_log`), where the name of somebody just forgotten has no business. The digests stand
in the statement's text, which goes as the request's body: as parameters of a command they would be part of its address,
and a hundred are too long for one.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Final, TypeVar

from msgspec import Struct

from processors import ddl
from processors.clickhouse import ClickHouse
from processors.sink.erasures import SELECTOR, USERNAME, digest
from schemas.settings import ClickHouse as ClickHouseSettings

CHUNK: Final = 1000  # names in one statement: 67 KB of digests, a quarter of ClickHouse's `max_query_size`
_ASKED: Final = 3000  # digests in one question, without the quotes
_DIGEST_OF: Final = "lower(hex(SHA256({column})))"
# Waits for the mutation on every replica (ClickHouse manual, "mutations_sync"); light deletes would only hide the rows.
_AWAITED: Final = {"mutations_sync": 2}
_Entry = TypeVar("_Entry")


class Whose(Struct, frozen=True):
    """Whose rows: all of `selectors` (`CHUNK` at most), or of them those that name the account `username`."""

    selectors: Sequence[str]
    username: str | None = None

    def condition(self) -> str:
        """As SQL; true for none when there are no selectors."""
        theirs = f"{_DIGEST_OF.format(column='selector')} IN ({_digests(self.selectors)})"
        if self.username is None:
            return theirs
        return f"{theirs} AND {_DIGEST_OF.format(column='username')} = '{digest(self.username)}'"


def selectors_of(clickhouse: ClickHouse, username: str) -> dict[str, bool]:
    """Every selector that ever named the account, and whether it is the last account that it named.

    Raises as `ClickHouse.query`.
    """
    newest = "argMaxIf(username, (received_at, kafka_offset), username != '')"
    rows = clickhouse.query(
        f"SELECT selector, {_DIGEST_OF.format(column=newest)} = {{wanted:String}} FROM reports "  # noqa: S608  (a digest, and as a parameter)
        "WHERE selector GLOBAL IN "
        f"(SELECT selector FROM reports WHERE {_DIGEST_OF.format(column='username')} = {{wanted:String}}) "
        "GROUP BY selector",
        {"wanted": digest(username)},
    ).rows
    return {str(selector): bool(last) for selector, last in rows}


def list_erased(clickhouse: ClickHouse, selectors: Sequence[str], username: str | None, erased_at: int) -> None:
    """Put selectors (and the user name that was asked for) on the list; from here on no sink writes what they reported
    up to `erased_at` (ms since the epoch). Raises as `ClickHouse.command`."""
    entries = [(SELECTOR, digest(selector)) for selector in selectors]
    if username is not None:
        entries.append((USERNAME, digest(username)))
    for some in _chunks(entries, CHUNK):
        clickhouse.command(
            "INSERT INTO erasures (what, digest, erased_at) SETTINGS async_insert = 0 "  # noqa: S608  (digests)
            "SELECT entry.1, entry.2, fromUnixTimestamp64Milli({at:Int64}, 'UTC') "
            f"FROM (SELECT arrayJoin([{', '.join(str(entry) for entry in some)}]) AS entry)",
            {"at": erased_at},
        )


def newest_before(clickhouse: ClickHouse, whose: Whose, log_id: str, ends: dict[int, int]) -> int | None:
    """The greatest `received_at` (ms) among rows that stand on the log before an erasure's record, None without rows.

    Args:
        whose: rows.
        log_id: the log of the erasure's records.
        ends: partition to the offset of its last erasure record.
    """
    found = clickhouse.query(
        f"SELECT count(), toUnixTimestamp64Milli(max(received_at)) FROM reports WHERE {whose.condition()} "  # noqa: S608  (digests and numbers)
        "AND (log_id != {log:String} OR kafka_offset <= transform(kafka_partition, {parts:Array(UInt32)}, "
        "{ends:Array(UInt64)}, toUInt64(0)))",
        {"log": log_id, "parts": list(ends), "ends": list(ends.values())},
    ).rows[0]
    return int(found[1]) if found[0] else None


def delete_rows(clickhouse: ClickHouse, settings: ClickHouseSettings, whose: Whose, until: int) -> None:
    """Delete what was reported up to `until` (ms), and wait for it.

    The selectors' roll-up of lifetimes goes whole and is fed again from the rows that stay or came later; every column
    of it stands that.

    Raises:
        RefusedError, AwayError: as `ClickHouse.command`; then it can be repeated.
    """
    cluster, theirs = ddl.on_cluster(settings), Whose(whose.selectors).condition()
    rows = f"{whose.condition()} AND {_BEFORE}"
    for table, condition in (("reports", rows), ("token_lifetimes_rollup", theirs)):
        name = ddl.stored(table, settings)
        clickhouse.command(f"ALTER TABLE {name}{cluster} DELETE WHERE {condition}", {"until": until}, _AWAITED)
    clickhouse.command(_FEED.format(theirs=theirs), {}, {"async_insert": 0})


def rows_left(clickhouse: ClickHouse, whose: Whose, until: int) -> int:
    """Rows that are still there although reported up to `until` (ms)."""
    sql = f"SELECT count() FROM reports WHERE {whose.condition()} AND {_BEFORE}"  # noqa: S608  (digests)
    return int(clickhouse.query(sql, {"until": until}).scalar())


def erased_among(
    clickhouse: ClickHouse, selectors: Collection[str], usernames: Collection[str]
) -> dict[tuple[str, str], int]:
    """What the list says of these: (what, digest) to the time of the erasure (ms); nothing of all others.

    Raises as `ClickHouse.query`.
    """
    if not clickhouse.query("SELECT 1 FROM erasures LIMIT 1").rows:
        return {}
    wanted = {(SELECTOR, digest(name)) for name in selectors} | {(USERNAME, digest(name)) for name in usernames}
    found: dict[tuple[str, str], int] = {}
    for some in _chunks([text for _, text in wanted], _ASKED):
        # One literal, cut up by the server: it parses thousands of them three times slower (60 ms).
        rows = clickhouse.query(
            "SELECT what, toString(digest), toUnixTimestamp64Milli(max(erased_at)) FROM erasures "  # noqa: S608  (digests)
            f"WHERE what IN ('{SELECTOR}', '{USERNAME}') AND digest IN (SELECT toFixedString("
            f"arrayJoin(extractAll('{''.join(some)}', '.{{64}}')), 64)) GROUP BY what, digest"
        ).rows
        found.update(((str(what), str(text)), int(at)) for what, text, at in rows)
    return {entry: at for entry, at in found.items() if entry in wanted}


def _digests(names: Collection[str]) -> str:
    return ", ".join(f"'{digest(name)}'" for name in names) or "NULL"


def _chunks(entries: Sequence[_Entry], size: int) -> Iterator[Sequence[_Entry]]:
    return (entries[start : start + size] for start in range(0, len(entries), size))


_BEFORE: Final = "received_at <= fromUnixTimestamp64Milli({until:Int64}, 'UTC')"
_FEED: Final = """\
INSERT INTO token_lifetimes_rollup
(selector, slot, token, app_id, log_id, kafka_partition, first_seen, last_seen, offsets)
SELECT selector, slot, token, app_id, log_id, kafka_partition,
    min(received_at), max(received_at), groupBitmapState(kafka_offset)
FROM reports
ARRAY JOIN ['calls', 'other'] AS slot, [calls_token, other_token] AS token, [calls_app_id, other_app_id] AS app_id
WHERE kind = 'report' AND token != '' AND {theirs}
GROUP BY selector, slot, token, app_id, log_id, kafka_partition"""

"""Lands the rows of one recorded range in ClickHouse, exactly once (design.md section 6).

One insert is one block under a deduplication token made of the range, so that a repeated one is dropped. ClickHouse
logs a block's id before it publishes the part; after a kill between the two a repeated insert is dropped as a duplicate
of nothing. So after any doubt the range is counted, and what is missing is inserted under a token of its own.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from msgspec import Struct

from processors.clickhouse import AsyncClickHouse, AwayError, RefusedError
from processors.sink.lifetimes import feed_statement
from processors.sink.rows import COLUMNS, FORMAT, Rows

logger: Final = logging.getLogger(__name__)

# Above any batch (`sink.batch_records` at most 1,000,000): the same token with another split into blocks doubled rows.
_BLOCK_ROWS: Final = 4_000_000
INSERT_SETTINGS: Final = {
    "async_insert": 0,  # 1 by default since 26.x: the answer would come before the rows are kept
    "insert_deduplicate": 1,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "max_insert_block_size": _BLOCK_ROWS,
    "min_insert_block_size_rows": _BLOCK_ROWS,
    "min_insert_block_size_bytes": 4 * 1024 * 1024 * 1024,
    "input_format_parallel_parsing": 0,
    "max_insert_threads": 1,
    # The roll-up puts equal rows together when it merges; doing it in every insert too took a quarter of its time.
    "optimize_on_insert": 0,
    "distributed_foreground_insert": 1,  # replicated variant: the answer must not come before the shards have the rows
}
REPAIRS: Final = 5  # rounds of "count, insert what is missing" before the batch is tried again from the start


class LostLeaseError(Exception):
    """The partition belongs to somebody else now, or may: nothing more is to be inserted for it."""


class Range(Struct, frozen=True, kw_only=True):
    """The offsets `first` to `last` of a partition, and the rows made of them."""

    log_id: str
    topic: str
    partition: int
    first: int
    last: int
    rows: Rows

    def token(self, suffix: str) -> str:
        """The deduplication token of the range (`suffix` empty) or a part of it: the same for whoever inserts it."""
        return f"{self.log_id}-{self.topic}-{self.partition}-{self.first}-{self.last}{suffix}"

    def place(self) -> dict[str, str | int]:
        """The range as parameters of a query."""
        return {"log": self.log_id, "partition": self.partition, "first": self.first, "last": self.last}


class Landed(Struct, frozen=True, kw_only=True):
    """What became of a range: rows in the table, rows that the server refused."""

    rows: int
    refused: int


class Landing:
    """Inserts for one partition. `lease()` is awaited before every insert and raises `LostLeaseError`."""

    def __init__(self, clickhouse: AsyncClickHouse, database: str, lease: Callable[[], Awaitable[None]]) -> None:
        self._clickhouse = clickhouse
        self._database = database
        self._table = f"{database}.reports"
        self._lease = lease

    async def land(self, work: Range, *, doubtful: bool, recount: bool = False) -> Landed:
        """Insert the rows of `work`.

        Args:
            work: a range that is recorded in the committed offset's metadata.
            doubtful: an insert of the range may have happened before.
            recount: rows of it may be there already by other ranges: only what is missing is inserted.

        Raises:
            AwayError: ClickHouse cannot take it now; call again with `doubtful=True`.
            LostLeaseError: see there.
        """
        if recount:
            refused = await self._complete(work, set(work.rows.offsets) - await self.present(work), "/recount")
        else:
            refused = await self._insert(work, work.rows)
        if doubtful or recount:
            await self._repair(work, refused)
            await self._clickhouse.command(feed_statement(self._database), work.place())
        return Landed(rows=len(work.rows) - len(refused), refused=len(refused))

    async def _insert(self, work: Range, rows: Rows, suffix: str = "") -> set[int]:
        """Insert rows as one block; what the server refuses is halved until the bad row is alone. Returns the offsets
        that were refused. The halves' tokens follow from the range, so a repetition halves alike."""
        if not rows:
            return set()
        await self._lease()
        token = work.token(suffix)
        logger.debug("insert", extra={"token": token, "rows": len(rows)})
        try:
            await self._clickhouse.insert_raw(
                f"{self._table} ({COLUMNS})",
                rows.body(),
                FORMAT,
                INSERT_SETTINGS | {"insert_deduplication_token": token},
            )
        except RefusedError as error:
            if not error.about_rows:
                raise AwayError(str(error)) from None
            if len(rows) == 1:
                logger.error(
                    "a row was refused and left out",
                    extra={"partition": work.partition, "offset": rows.offsets[0], "code": error.code},
                )
                return {rows.offsets[0]}
        else:
            return set()
        middle = len(rows) // 2
        refused: set[int] = set()
        for part in (rows.offsets[:middle], rows.offsets[middle:]):
            refused |= await self._insert(work, rows.picked(part), f"/{part[0]}-{part[-1]}")
        return refused

    async def _repair(self, work: Range, refused: Iterable[int]) -> None:
        wanted = set(work.rows.offsets) - set(refused)
        for attempt in range(1, REPAIRS + 1):
            missing = wanted - await self.present(work)
            if not missing:
                return
            logger.warning(
                "a range fell short and is repaired",
                extra={"partition": work.partition, "first": work.first, "last": work.last, "missing": len(missing)},
            )
            await self._complete(work, missing, f"/repair-{attempt}")
        raise AwayError("a range still falls short after its repair")

    async def _complete(self, work: Range, missing: set[int], suffix: str) -> set[int]:
        """Insert the rows of some offsets only; returns the offsets that were refused."""
        return await self._insert(work, work.rows.picked(missing), suffix)

    async def present(self, work: Range) -> set[int]:
        """The offsets of the range that have a row."""
        found = await self._clickhouse.query(
            f"SELECT DISTINCT kafka_offset FROM {self._table} WHERE log_id = {{log:String}} "  # noqa: S608
            "AND kafka_partition = {partition:UInt32} AND kafka_offset BETWEEN {first:UInt64} AND {last:UInt64}",
            work.place(),
            {"select_sequential_consistency": 1},
        )
        return {int(row[0]) for row in found.rows}

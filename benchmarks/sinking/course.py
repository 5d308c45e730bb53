"""The clock: what is read of the table and of the processes while a contender drains the backlog."""

import time
from typing import Final

import psutil
from msgspec import Struct

from processors.clickhouse import ClickHouse
from schemas.settings import Settings

LOOK_SECONDS: Final = 0.2  # a look costs the engine 2 ms
BULK: Final = 0.9
DEADLINE_SECONDS: Final = 300.0
SETTLE_SECONDS: Final = 20.0


class Course(Struct, frozen=True, kw_only=True):
    """One contender's way through the backlog.

    `rows_per_second`: from the first rows that were seen in the table until 90 % were there, so neither start nor the
    last batch (which waits for more, up to its age) counts. `drained_seconds`: until all were there. `own_us`,
    `engine_us`: processor time a row of the contender's process and of ClickHouse's, merges included, in all that
    time. `peak_mib`: the largest resident set of the contender's process, since its start.
    """

    rows_per_second: float
    drained_seconds: float
    own_us: float
    engine_us: float
    peak_mib: float


class Table:
    """The table that everything goes to, and its roll-up."""

    def __init__(self, settings: Settings) -> None:
        self._clickhouse = ClickHouse(settings)
        self._database = settings.clickhouse.database

    def rows(self) -> int:
        """How many there are."""
        return int(self._clickhouse.query("SELECT count() FROM reports").scalar())

    def check(self, count: int) -> None:
        """Raises RuntimeError unless each of `count` records is there exactly once, and in the roll-up; that is fed a
        moment after an insert's rows can be seen."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while (found := self._found()) != (count, count, count, 2 * count):
            if time.monotonic() > deadline:
                raise RuntimeError(f"rows, places, ids, lifetimes are {found} instead of {count}")
            time.sleep(LOOK_SECONDS)

    def _found(self) -> tuple[int, ...]:
        row = self._clickhouse.query(
            "SELECT count(), uniqExact(kafka_partition, kafka_offset), uniqExact(id), "
            "(SELECT sum(reports) FROM token_lifetimes) FROM reports"
        ).rows[0]
        return tuple(map(int, row))

    def empty(self) -> None:
        """Truncate it."""
        for table in ("reports", "token_lifetimes_rollup"):
            self._clickhouse.command(f"TRUNCATE TABLE {table}")

    def bytes_per_row(self) -> float:
        """Compressed bytes of a row, all parts merged into one."""
        self._clickhouse.command("OPTIMIZE TABLE reports FINAL")
        found = self._clickhouse.query(
            "SELECT sum(data_compressed_bytes) / sum(rows) FROM system.parts "
            "WHERE active AND database = {database:String} AND table = 'reports'",
            {"database": self._database},
        )
        return float(found.scalar())

    def close(self) -> None:
        """Close the connection."""
        self._clickhouse.close()


def follow(table: Table, count: int, own: psutil.Process | None, engine: psutil.Process) -> Course:
    """Watch until `count` rows are there.

    Args:
        own: the contender's process; None: it has none beside the engine.
        engine: ClickHouse's.

    Raises:
        RuntimeError: the contender ended, or takes more than five minutes.
    """
    deadline = time.monotonic() + DEADLINE_SECONDS
    begun: tuple[float, int] | None = None
    bulk: tuple[float, int] | None = None
    spent = (0.0, 0.0)
    while (rows := table.rows()) < count:
        now = time.monotonic()
        if own is not None and not own.is_running():
            raise RuntimeError("the contender ended")
        if now > deadline:
            raise RuntimeError(f"only {rows} rows of {count} in time")
        if begun is None and rows:
            begun, spent = (now, rows), (_cpu(own), _cpu(engine))
        if bulk is None and rows >= BULK * count:
            bulk = (now, rows)
        time.sleep(LOOK_SECONDS)
    end = time.monotonic()
    if begun is None:
        raise RuntimeError("all rows came at once: too few for a rate")
    bulk = bulk or (end, count)
    done = count - begun[1]
    return Course(
        rows_per_second=(bulk[1] - begun[1]) / (bulk[0] - begun[0]),
        drained_seconds=end - begun[0],
        own_us=(_cpu(own) - spent[0]) / done * 1e6,
        engine_us=(_cpu(engine) - spent[1]) / done * 1e6,
        peak_mib=_peak_mib(own),
    )


def _cpu(process: psutil.Process | None) -> float:
    """Processor seconds so far."""
    if process is None:
        return 0.0
    times = process.cpu_times()
    return float(times.user + times.system)


def _peak_mib(process: psutil.Process | None) -> float:
    """`VmHWM`: the kernel's own record of the largest resident set."""
    if process is None:
        return 0.0
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:  # noqa: PTH123
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024

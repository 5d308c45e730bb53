"""From records of `reports` to rows of `push_tokens.reports` (pure), kept column by column.

Each record is decoded and checked rather than passed through: a foreign producer's extra or repeated JSON keys can then
never reach a column.
"""

import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, NamedTuple

from processors.log_record import LogRecord
from processors.sink.native import Column, Numbers, Texts, Words, block
from schemas.records import InvalidRecordError, Pair, Report, decode_report
from schemas.settings import Settings

FORMAT: Final = "Native"


class Log(NamedTuple):
    """Where records come from: the log's identity, the partition, how many there are."""

    log_id: str
    partition: int
    partitions: int


class Left(NamedTuple):
    """How many records got no row: `bad` are no valid reports, `erased` belong to somebody who was forgotten."""

    bad: int
    erased: int


TokenForm = Callable[[str], str]
"""How a token is stored: itself, or its keyed hash."""

Erased = Callable[[str, str | None, int], bool]
"""`erased(selector, username, received_at)` tells what must not come back."""


def plain(token: str) -> str:
    """The token itself."""
    return token


def hashed(key: str) -> TokenForm:
    """HMAC-SHA256 in hex under `key`; done here, so that the key never reaches ClickHouse or its query log."""
    secret = key.encode()
    return lambda token: hmac.new(secret, token.encode(), sha256).hexdigest()


def _time() -> Column:
    return Numbers("DateTime64(3, 'UTC')", "q")  # ms since the epoch


# Every column that rows differ in, and what makes an empty one.
_COLUMNS: Final[dict[str, Callable[[], Column]]] = {
    "received_at": _time,
    "appended_at": _time,
    "kind": Words,
    "selector": Texts,
    "username": Texts,
    "calls_token": Texts,
    "calls_app_id": Words,
    "other_token": Texts,
    "other_app_id": Words,
    "install_id": Texts,
    "user_agent": Words,
    "origin": Words,
    "reason": Words,
    "schema_version": lambda: Numbers("UInt16", "H"),
    "id": Texts,
    "kafka_offset": lambda: Numbers("UInt64", "Q"),
}
COLUMNS: Final = ", ".join((*_COLUMNS, "log_id", "kafka_partition", "kafka_partitions"))


class Rows:
    """Rows of one partition, in the order of their offsets. Absent is the empty text."""

    def __init__(self, log: Log, columns: Mapping[str, Column] | None = None) -> None:
        self._log = log
        self._columns = columns or {name: make() for name, make in _COLUMNS.items()}
        self.offsets: list[int] = []

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def size(self) -> int:
        """Bytes, about."""
        return sum(column.size for column in self._columns.values())

    def add(self, values: Mapping[str, Sequence[Any]]) -> None:
        """Append rows, given as a list for each column that rows differ in."""
        self.offsets += values["kafka_offset"]
        for name, column in self._columns.items():
            column.add(values[name])

    def picked(self, offsets: Iterable[int]) -> "Rows":
        """Those of the rows that have one of these offsets."""
        wanted = set(offsets)
        positions = [at for at, offset in enumerate(self.offsets) if offset in wanted]
        found = Rows(self._log, {name: column.picked(positions) for name, column in self._columns.items()})
        found.offsets = [self.offsets[at] for at in positions]
        return found

    def body(self) -> list[bytes]:
        """All rows (one or more) as one block of the format `FORMAT`, in pieces."""
        count = len(self)
        log = Words()
        log.add([self._log.log_id] * count)
        same: dict[str, Column] = {
            "log_id": log,
            "kafka_partition": Numbers("UInt32", "I", [self._log.partition] * count),
            "kafka_partitions": Numbers("UInt16", "H", [self._log.partitions] * count),
        }
        return block({**self._columns, **same}, count)


class RowMaker:
    """Makes the rows of one partition."""

    def __init__(self, log: Log, future_tolerance: int, token_form: TokenForm = plain) -> None:
        """`future_tolerance`: how far `received_at` may be ahead of the append time (ms), as for the compactor."""
        self._log = log
        self._future_tolerance = future_tolerance
        self._token_form = token_form

    def empty(self) -> Rows:
        """No rows yet."""
        return Rows(self._log)

    def add(self, rows: Rows, records: Sequence[LogRecord], erased: Erased) -> Left:
        """Append the rows of `records`, in their order, less what was erased."""
        reports: list[Report] = []
        kept: list[LogRecord] = []
        bad = forgotten = 0
        for record in records:
            report = self._read(record)
            if report is None:
                bad += 1
            elif erased(report.selector, report.username, report.received_at):
                forgotten += 1
            else:
                reports.append(report)
                kept.append(record)
        if reports:
            rows.add(self._values(reports, kept))
        return Left(bad, forgotten)

    def _read(self, record: LogRecord) -> Report | None:
        """The report, or None for what the compactor rejects too (design.md section 4)."""
        if record.value is None:
            return None
        try:
            report = decode_report(record.value)
        except InvalidRecordError:
            return None
        if record.key != report.selector.encode() or report.received_at - record.timestamp > self._future_tolerance:
            return None
        return report

    def _values(self, reports: list[Report], records: list[LogRecord]) -> dict[str, Sequence[Any]]:
        calls, other = [report.calls for report in reports], [report.other for report in reports]
        return {
            "received_at": [report.received_at for report in reports],
            "appended_at": [record.timestamp for record in records],
            "kind": [report.kind for report in reports],
            "selector": [report.selector for report in reports],
            "username": [report.username or "" for report in reports],
            "calls_token": self._tokens(calls),
            "calls_app_id": [(pair.app_id or "") if pair else "" for pair in calls],
            "other_token": self._tokens(other),
            "other_app_id": [(pair.app_id or "") if pair else "" for pair in other],
            "install_id": [report.install_id or "" for report in reports],
            "user_agent": [report.user_agent or "" for report in reports],
            "origin": [report.origin for report in reports],
            "reason": [report.reason or "" for report in reports],
            "schema_version": [min(report.schema_version, 65535) for report in reports],
            "id": [report.id for report in reports],
            "kafka_offset": [record.offset for record in records],
        }

    def _tokens(self, pairs: list[Pair | None]) -> list[str]:
        form = self._token_form
        if form is plain:
            return [pair.token if pair else "" for pair in pairs]
        return [form(pair.token) if pair else "" for pair in pairs]


def row_maker(settings: Settings, log: Log) -> RowMaker:
    """The maker for one partition under these settings."""
    chosen = settings.clickhouse
    form = hashed(chosen.token_hash_key.reveal()) if chosen.token_storage == "hash" else plain
    return RowMaker(log, round(settings.compact.future_tolerance * 1000), form)

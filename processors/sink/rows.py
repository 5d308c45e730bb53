"""From records of `reports` to rows of `push_tokens.reports` (pure); a row is a line of JSONCompactEachRow.

Each record is decoded, checked and written anew rather than passed through: a foreign producer's extra or repeated JSON
keys can then never reach a column, and ClickHouse parses the same bytes for the same record for ever, which the
deduplication token needs. msgspec makes that about 4 us a record.
"""

import hmac
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from processors.log_record import LogRecord
from schemas.records import InvalidRecordError, Report, decode_report

_MINUTE_MS: Final = 60_000
# Seconds and milliseconds of a minute, all 60,000 (4 MB): formatting them for each row took half of a row's time.
_WITHIN: Final = tuple(f"{at // 1000:02d}.{at % 1000:03d}" for at in range(_MINUTE_MS))
_EPOCH: Final = date(1970, 1, 1)
FORMAT: Final = "JSONCompactEachRow"


class Row(Struct, frozen=True, array_like=True):
    """A row of `reports`, column by column; absent is the empty text, times are `YYYY-MM-DD hh:mm:ss.mmm` in UTC."""

    received_at: str
    appended_at: str
    kind: str
    selector: str
    username: str
    calls_token: str
    calls_app_id: str
    other_token: str
    other_app_id: str
    install_id: str
    user_agent: str
    origin: str
    reason: str
    schema_version: int
    id: str
    log_id: str
    kafka_partition: int
    kafka_offset: int
    kafka_partitions: int


class Log(NamedTuple):
    """Where records come from: the log's identity, the partition, how many there are."""

    log_id: str
    partition: int
    partitions: int


class Block(NamedTuple):
    """Rows as lines (bytes, a JSON array and a line break each), their offsets, and how many records were left out:
    `bad` are no valid reports, `erased` belong to somebody who was forgotten."""

    lines: bytes
    offsets: list[int]
    bad: int
    erased: int


Erased = Callable[[str, str | None, int], bool]
"""Whether what a selector reported for a user name (None: it named none) at a time (ms) must not come back."""

TokenForm = Callable[[str], str]
"""How a token is stored: itself, or its keyed hash."""


COLUMNS: Final = ", ".join(Row.__struct_fields__)


def plain(token: str) -> str:
    """The token itself."""
    return token


def hashed(key: str) -> TokenForm:
    """HMAC-SHA256 in hex under `key`; done here, so that the key never reaches ClickHouse or its query log."""
    secret = key.encode()
    return lambda token: hmac.new(secret, token.encode(), sha256).hexdigest()


class RowMaker:
    """Makes the rows of one partition."""

    def __init__(self, log: Log, future_tolerance: int, token_form: TokenForm = plain) -> None:
        """`future_tolerance`: how far `received_at` may be ahead of the append time (ms), as for the compactor."""
        self._log = log
        self._future_tolerance = future_tolerance
        self._token_form = token_form
        self._encoder = msgspec.json.Encoder()

    def block(self, records: Sequence[LogRecord], erased: Erased) -> Block:
        """The rows of `records`, in their order, less what was erased."""
        rows: list[Row] = []
        bad = forgotten = 0
        for record in records:
            report = self._read(record)
            if report is None:
                bad += 1
            elif erased(report.selector, report.username, report.received_at):
                forgotten += 1
            else:
                rows.append(self._row(report, record))
        return Block(self._encoder.encode_lines(rows), [row.kafka_offset for row in rows], bad, forgotten)

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

    def _row(self, report: Report, record: LogRecord) -> Row:
        calls, other, form = report.calls, report.other, self._token_form
        return Row(
            timestamp(report.received_at),
            timestamp(record.timestamp),
            report.kind,
            report.selector,
            report.username or "",
            form(calls.token) if calls else "",
            (calls.app_id or "") if calls else "",
            form(other.token) if other else "",
            (other.app_id or "") if other else "",
            report.install_id or "",
            report.user_agent or "",
            report.origin,
            report.reason or "",
            min(report.schema_version, 65535),
            report.id,
            self._log.log_id,
            self._log.partition,
            record.offset,
            self._log.partitions,
        )


def timestamp(at: int) -> str:
    """`at` (ms since the epoch, 1970 to 2100) as ClickHouse reads a DateTime64(3) in UTC."""
    minute, rest = divmod(at, _MINUTE_MS)
    return _minute(minute) + _WITHIN[rest]


@lru_cache(maxsize=65536)  # 45 days' minutes: retention is 30
def _minute(minute: int) -> str:
    days, rest = divmod(minute, 1440)
    return f"{_EPOCH + timedelta(days=days)} {rest // 60:02d}:{rest % 60:02d}:"

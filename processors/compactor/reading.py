"""From the bytes of `reports` to checked records: what is wrong is set aside with a reason, the rest goes on."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from processors.log_record import LogRecord
from schemas.records import SCHEMA_VERSION, InvalidRecordError, Rejected, Report, Source, decode_report

INVALID: Final = "invalid_record"
KEY_MISMATCH: Final = "key_mismatch"
WRONG_PARTITION: Final = "wrong_partition"
FUTURE: Final = "received_in_future"


class Log(NamedTuple):
    """The partition that records come from: the log's identity, its number, and how many partitions there are."""

    log_id: str
    partition: int
    partitions: int

    def source(self, offset: int) -> Source:
        """The place of one record."""
        return Source(log_id=self.log_id, partition=self.partition, offset=offset)


Read = tuple[bytes, Report, int, int, bytes]
"""One good record: its key, its content, its offset, its append time (ms), and its bytes. (A plain tuple: made for
every record, it costs a fifth of a named one.)"""


def read(records: Sequence[LogRecord], log: Log, future_tolerance: int) -> tuple[list[Read], list[Rejected]]:
    """Decode and check a batch of one partition.

    Args:
        records: in log order.
        log: where they come from.
        future_tolerance: how far `received_at` may be ahead of the append time (ms).

    Returns:
        The good records in log order, and a `Rejected` for each of the others. Whether a selector belongs to the
        partition at all is asked later, for unknown selectors only (`processors.compactor.batch`).
    """
    good: list[Read] = []
    bad: list[Rejected] = []
    for record in records:
        value, key, at = record.value, record.key, record.timestamp
        try:
            if value is None:
                raise InvalidRecordError("no value")
            report = decode_report(value)
        except InvalidRecordError as error:
            bad.append(reject(INVALID, str(error), value, log.source(record.offset), at))
            continue
        if key is None or key != report.selector.encode():
            bad.append(reject(KEY_MISMATCH, "the key is not the selector", value, log.source(record.offset), at))
        elif report.received_at - at > future_tolerance:
            ahead = f"received_at is {report.received_at - at} ms after the append"
            bad.append(reject(FUTURE, ahead, value, log.source(record.offset), at))
        else:
            good.append((key, report, record.offset, at, value))
    return good, bad


def reject(reason: str, detail: str, value: bytes | None, source: Source, at: int) -> Rejected:
    """What `rejected` gets to know of a bad record: where it stands, its length and SHA-256, nothing of its text."""
    data = value or b""
    return Rejected(
        schema_version=SCHEMA_VERSION,
        id=f"{source.log_id}-{source.partition}-{source.offset}-rejected",
        reason=reason,
        detail=detail,
        field=None,
        received_at=max(0, at),
        template=None,
        input={"length": len(data), "sha256": sha256(data).hexdigest()},
        source=source,
    )

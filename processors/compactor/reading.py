"""From the bytes of `reports` to checked records: what is wrong is set aside with a reason, the rest goes on."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from processors.log_record import LogRecord
from schemas.records import (
    SCHEMA_VERSION,
    SLOTS,
    InvalidRecordError,
    Pair,
    Rejected,
    Report,
    Source,
    decode_report,
)
from schemas.secret import mask_token

INVALID: Final = "invalid_record"
KEY_MISMATCH: Final = "key_mismatch"
WRONG_PARTITION: Final = "wrong_partition"
FUTURE: Final = "received_in_future"
BOUND: Final = "bound_to_other"
REASONS: Final = (INVALID, KEY_MISMATCH, WRONG_PARTITION, FUTURE, BOUND)

_SHOWN: Final = 256  # characters of a field


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
    return _rejected(reason, detail, None, {"length": len(data), "sha256": sha256(data).hexdigest()}, source, at)


def reject_bound(report: Report, source: Source, at: int) -> Rejected:
    """What `rejected` gets to know of a record whose selector is bound to another account: all of it but the tokens. To
    whom the selector is bound, `latest` knows."""
    by = report.authenticated_username or None
    told: dict[str, str | int | None] = {
        "kind": report.kind,
        "username": report.username,
        "authenticated_username": by,
        "install_id": report.install_id,
        "user_agent": report.user_agent,
    }
    for slot in SLOTS:
        pair: Pair | None = getattr(report, slot)
        told[f"{slot}_token"] = None if pair is None else mask_token(pair.token)
        told[f"{slot}_app_id"] = None if pair is None else pair.app_id
    shown = {name: value[:_SHOWN] if isinstance(value, str) else value for name, value in told.items()}
    shown["selector"] = report.selector  # in full: it is what `pushtokens release` needs
    detail = "the selector is bound to " + (
        "an account, and nobody was authenticated" if by is None else "another account"
    )
    return _rejected(BOUND, detail, "authenticated_username", shown, source, at)


def _rejected(
    reason: str, detail: str, field: str | None, shown: dict[str, str | int | None], source: Source, at: int
) -> Rejected:
    return Rejected(
        schema_version=SCHEMA_VERSION,
        id=f"{source.log_id}-{source.partition}-{source.offset}-rejected",
        reason=reason,
        detail=detail,
        field=field,
        received_at=max(0, at),
        template=None,
        input=shown,
        source=source,
    )

"""The work itself, the same for every contender: parse, check and merge one report with our own pure functions."""

from msgspec import Struct

from processors.compactor.merge import merge
from processors.compactor.reading import Log, read
from processors.compactor.rules import rules_of
from processors.log_record import LogRecord
from schemas.records import Latest, decode_latest, encode
from schemas.settings import Compact


class Record(Struct):
    """One consumed message, with the members that our reading asks of it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class Work:
    """What a contender calls for each report. The account index, CloudEvents headers and removals are ours alone."""

    def __init__(self, log_id: str, partitions: int) -> None:
        self._log_id = log_id
        self._partitions = partitions
        self._rules = rules_of(Compact())

    def merge(self, known: bytes | None, record: LogRecord, partition: int) -> tuple[bytes | None, list[bytes]]:
        """The state after one record (`known` itself when nothing moved), and its change messages, as JSON bytes."""
        log = Log(self._log_id, partition, self._partitions)
        good, bad = read((record,), log, self._rules.future_tolerance)
        if bad:
            raise ValueError(f"offset {record.offset} is not a good record: {bad[0].reason}")
        state = None if known is None else decode_latest(known)
        _, report, offset, appended_at, _ = good[0]
        done = merge(state, report, log.source(offset), appended_at, self._rules)
        after, changes = done.state, done.changes
        if after is state:
            return known, []
        if not isinstance(after, Latest):
            raise TypeError("the benchmark's reports hold no removals")
        return encode(after), [encode(change) for change in changes]

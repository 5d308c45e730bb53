"""Rows of one partition, gathered until a range of them is worth an insert."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from processors.log_identity import LogIdentityError
from processors.log_record import LogRecord
from processors.sink.mark import Resume
from processors.sink.rows import Erased, Left, RowMaker, Rows
from schemas.settings import Sink

CHUNK: Final = 2000  # records made into rows at once: about 15 ms of the event loop


class Limits(Struct, frozen=True, kw_only=True):
    """When a batch is closed: bytes of rows, records, and seconds since its first record."""

    size: int
    records: int
    seconds: float


def limits(settings: Sink) -> Limits:
    """The limits that the settings say."""
    return Limits(size=settings.batch_bytes, records=settings.batch_records, seconds=settings.batch_seconds)


class Batch:
    """Offsets `first` to `last`, and the rows made of them. `doubtful`: they may have been inserted before, as this
    very range; `recount`: some may be there already, nobody knows by which ranges."""

    def __init__(self, rows: Rows, first: int, opened: float, *, doubtful: bool = False, recount: bool = False) -> None:
        self.rows = rows
        self.first = first
        self.last = first - 1
        self.opened = opened
        self.doubtful = doubtful
        self.recount = recount
        self.closed = False
        self.size = self.bad = self.erased = 0
        self.times: tuple[int, int] | None = None  # of the first and last record's append (ms)

    @property
    def records(self) -> int:
        """Records, with and without a row."""
        return len(self.rows) + self.bad + self.erased

    def added(self, left: Left, records: Sequence[LogRecord]) -> None:
        """The rows of `records`, which come next, are there now."""
        self.size = self.rows.size
        self.bad += left.bad
        self.erased += left.erased
        self.last = records[-1].offset
        self.times = (self.times[0] if self.times else records[0].timestamp, records[-1].timestamp)


class Gathering:
    """The batches of one partition in order: a range to repeat first, exactly as it was, then what comes."""

    def __init__(self, start: Resume, maker: RowMaker, limits: Limits, erased: Erased) -> None:
        self._maker = maker
        self._limits = limits
        self._erased = erased
        self._repeat = start.last
        self._recount = start.recount
        self._next = start.offset
        self._batches: deque[Batch] = deque()

    @property
    def size(self) -> int:
        """Bytes of rows that are held."""
        return sum(batch.size for batch in self._batches)

    def recount_after(self, offset: int) -> int | None:
        """What a commit must say of the recount once everything up to `offset` is done."""
        return None if self._recount is None or offset >= self._recount else self._recount

    @property
    def repeating(self) -> bool:
        """Whether the range to repeat is not whole yet."""
        return self._repeat is not None

    def add(self, records: Sequence[LogRecord], now: float) -> None:
        """Take records in offset order, fetched at `now` (monotonic seconds)."""
        for start in range(0, len(records), CHUNK):
            self._add(records[start : start + CHUNK], now)

    def _add(self, records: Sequence[LogRecord], now: float) -> None:
        if records[0].offset < self._next:
            raise LogIdentityError(
                f"offset {records[0].offset} came again after {self._next - 1}: the log was cut off or made again. "
                "Nothing was inserted. If that is meant, run `pushtokens adopt-log` and start again."
            )
        if self._repeat is not None:
            again = [record for record in records if record.offset <= self._repeat]
            if again:
                self._fill(self._open(now, doubtful=True), again)
            if records[-1].offset >= self._repeat:
                if self._batches:
                    self._close(self._batches[-1], self._repeat)
                self._repeat = None
            records = records[len(again) :]
        if records:
            batch = self._open(now)
            self._fill(batch, records)
            if batch.size >= self._limits.size or batch.records >= self._limits.records:
                batch.closed = True

    def _open(self, now: float, *, doubtful: bool = False) -> Batch:
        if not self._batches or self._batches[-1].closed:
            recount = self._recount is not None and self._next <= self._recount
            self._batches.append(Batch(self._maker.empty(), self._next, now, doubtful=doubtful, recount=recount))
        return self._batches[-1]

    def _close(self, batch: Batch, last: int) -> None:
        batch.closed = True
        batch.last = max(batch.last, last)
        self._next = batch.last + 1

    def _fill(self, batch: Batch, records: Sequence[LogRecord]) -> None:
        batch.added(self._maker.add(batch.rows, records, self._erased), records)
        self._next = batch.last + 1

    def due(self, now: float, *, drain: bool = False) -> Batch | None:
        """The first batch, if it is time for it (`drain`: whatever its age; a range to repeat must be whole)."""
        if not self._batches:
            return None
        batch = self._batches[0]
        if not batch.closed and not batch.doubtful and (drain or now - batch.opened >= self._limits.seconds):
            batch.closed = True
        return batch if batch.closed else None

    def done(self) -> None:
        """The first batch is over."""
        self._batches.popleft()

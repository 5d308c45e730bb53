"""A partition's copy of the table: what the store holds of it, and the changelog position that this stands for.

It moves in two ways only: by following the changelog (a standby, or a worker that catches up), and by what its owner
has just committed to Kafka. Either way the store takes the data and the new position in one write.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from processors.compactor.known import Known
from processors.compactor.messages import Output
from processors.compactor.rules import State
from processors.compactor.store import Account, Position, Store, Write
from processors.compactor.values import Values, decode
from processors.compactor.warming import Warming
from processors.log_record import LogRecord
from schemas.records import InvalidRecordError, Latest, Removed, decode_latest, decode_removed

logger: Final = logging.getLogger(__name__)

Record = TypeVar("Record", Latest, Removed)


class Identities(Struct, frozen=True, kw_only=True):
    """The identities of the three topics that a copy depends on."""

    reports: str
    latest: str
    removals: str


class Copy:
    """One partition of the table on this worker."""

    def __init__(
        self,
        store: Store,
        partition: int,
        identities: Identities,
        clock: Callable[[], int],
        fresh_ms: int,
        make_known: Callable[[], Known] = lambda: Known(0, 0),
    ) -> None:
        """Take up what the store holds, or start anew where that can no longer be trusted.

        Args:
            store: where it is kept.
            partition: its number.
            identities: of the topics as they are now; a copy of other ones is dropped.
            clock: the time in ms since the epoch.
            fresh_ms: how old a copy may be: compaction forgets tombstones after `delete.retention.ms`, and a copy that
                missed one would keep a removed selector for ever.
            make_known: new fingerprints (of what the copy holds, for its owner); the default never knows anything.
        """
        self.partition = partition
        self._store = store
        self._make_known = make_known
        self._identities = identities
        self._clock = clock
        self.warm_anew()
        held = store.position(partition)
        reason = None if held is None else self._distrust(held, fresh_ms)
        if reason is not None:
            logger.warning("partition %d: the local copy is read again from the start: %s", partition, reason)
        if held is None or reason is not None:
            self.restart()
        else:
            self.position = held

    def _distrust(self, held: Position, fresh_ms: int) -> str | None:
        if (held.latest_id, held.removals_id) != (self._identities.latest, self._identities.removals):
            return "its changelog was deleted and made again"
        if self._clock() - held.at > fresh_ms:
            return "it is older than the changelog's tombstones"
        return None

    def restart(self, rebuilt: int = 0) -> None:
        """Forget all of it; the position is the start of the changelog. `rebuilt`: as in `Position`."""
        self.warm_anew()
        self._store.drop(self.partition)
        self.position = Position(
            latest=0,
            removals=0,
            latest_id=self._identities.latest,
            removals_id=self._identities.removals,
            source=0,
            log_id="",
            at=self._clock(),
            rebuilt=rebuilt,
        )

    def warm_anew(self) -> None:
        """Forget the fingerprints, which may be of a batch that failed; they can be made again."""
        self.warming = Warming(self._store, self.partition, self._make_known())

    def load(self, keys: Sequence[bytes]) -> dict[bytes, State]:
        """What is known of each key."""
        return decode(self.values(keys))

    def values(self, keys: Sequence[bytes]) -> Values:
        """What the store holds of each key. May be called in another thread: RocksDB reads without Python's lock."""
        latest = self._store.latest(self.partition, keys)
        if self.position.removals == 0:  # nothing was ever removed here: spare new selectors the second read
            return Values(keys, latest, [], [])
        missing = [key for key, value in zip(keys, latest, strict=True) if value is None]
        return Values(keys, latest, missing, self._store.removals(self.partition, missing))

    def account(self, username: str) -> list[Latest]:
        """The selectors of an account, in byte order."""
        states = self.load(self._store.selectors(self.partition, username))
        return [state for state in states.values() if isinstance(state, Latest) and state.username == username]

    def follow(
        self, latest: Iterable[LogRecord], removals: Iterable[LogRecord], next_latest: int, next_removals: int
    ) -> None:
        """Apply records of the changelog, and stand at the given offsets afterwards.

        That alone does not make the copy current: `keep` says so once it has reached the end.
        """
        puts = _readable(latest, decode_latest)
        gone = _readable(removals, decode_removed)
        newest = [record for found in (gone, puts) for _, record in found.values() if record is not None][-1:]
        log_id = newest[0].source.log_id if newest else self.position.log_id
        position = self._moved(next_latest, next_removals, self.position.source, log_id, self.position.at)
        if puts or gone:
            before = dict(zip(puts, self._store.latest(self.partition, list(puts)), strict=True))
            added, dropped = _index(
                (key, _name(before[key]), None if new is None else new.username) for key, (_, new) in puts.items()
            )
            write = Write(
                [(key, value) for key, (value, _) in puts.items()],
                [(key, value) for key, (value, _) in gone.items()],
                added,
                dropped,
                position,
            )
            self._store.write(self.partition, write)
            for key in (*puts, *gone):
                self.warming.known.forget(key)
        self.position = position

    def apply(self, output: Output, next_latest: int, next_removals: int, source: int) -> None:
        """Take over a batch that Kafka has committed; `source` is the next offset of `reports`."""
        log_id = self._identities.reports if output.moves else self.position.log_id
        position = self._moved(next_latest, next_removals, source, log_id, self._clock())
        if output.moves:
            added, dropped = _index(
                (key, _username(before), _username(after)) for key, (before, after) in output.moves.items()
            )
            write = Write(output.latest_values.items(), output.removals_values.items(), added, dropped, position)
            self._store.write(self.partition, write)
        self.position = position

    def keep(self) -> None:
        """Write down that the copy is current now; a copy nobody kept for long is dropped (`fresh_ms`)."""
        self.position = replace(self.position, at=self._clock())
        self._store.write(self.partition, Write((), (), (), (), self.position))

    def _moved(self, next_latest: int, next_removals: int, source: int, log_id: str, at: int) -> Position:
        held = self.position
        return Position(
            latest=max(held.latest, next_latest),
            removals=max(held.removals, next_removals),
            latest_id=held.latest_id,
            removals_id=held.removals_id,
            source=source,
            log_id=log_id,
            at=at,
            rebuilt=held.rebuilt,
        )


def _readable(
    records: Iterable[LogRecord], decode: Callable[[bytes], Record]
) -> dict[bytes, tuple[bytes | None, Record | None]]:
    """The last value of each key, and what it says; one that is no record of ours is passed over, loudly."""
    found: dict[bytes, tuple[bytes | None, Record | None]] = {}
    for record in records:
        if record.key is None:
            continue
        try:
            found[record.key] = (record.value, None if record.value is None else decode(record.value))
        except InvalidRecordError as error:
            logger.error("the changelog holds a foreign record at offset %d, passed over: %s", record.offset, error)
    return found


def _name(value: bytes | None) -> str | None:
    return None if value is None else decode_latest(value).username


def _username(state: State) -> str | None:
    return state.username if isinstance(state, Latest) else None


def _index(moves: Iterable[tuple[bytes, str | None, str | None]]) -> tuple[list[Account], list[Account]]:
    """Index entries to add and to drop, from (key, account before, account after)."""
    added: list[Account] = []
    dropped: list[Account] = []
    for key, before, after in moves:
        if before != after:
            if after is not None:
                added.append((after, key))
            if before is not None:
                dropped.append((before, key))
    return added, dropped

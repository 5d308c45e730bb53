"""What goes onto the topics: keys, values, and the ids and times that go into the CloudEvents headers."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from processors.compactor.batch import Folded, Move
from processors.compactor.record_batch import Batches, Message, RecordBatch
from schemas.records import Change, Latest, Rejected, Removed, Source, encode

Keyed = tuple[bytes, bytes | None, str, int]
"""A message that has a key for certain."""


def change_messages(changes: Iterable[Change]) -> Iterator[Message]:
    """For `changes`, in log order."""
    for change in changes:
        yield change.selector.encode(), encode(change), change.id, change.changed_at


def rejected_messages(rejected: Iterable[Rejected]) -> Iterator[Message]:
    """For `rejected`."""
    for found in rejected:
        yield None, encode(found), found.id, found.received_at


def latest_messages(moves: Mapping[bytes, Move]) -> Iterator[Keyed]:
    """For `latest`: what a selector is now, and a tombstone where it was registered."""
    for key, (before, after) in moves.items():
        if isinstance(after, Latest):
            yield key, encode(after), _id(after.source), after.last_seen
        elif isinstance(after, Removed) and isinstance(before, Latest):
            yield key, None, _id(after.source), _removed_at(after)


def removals_messages(moves: Mapping[bytes, Move]) -> Iterator[Keyed]:
    """For `removals`: that a selector is removed, and a tombstone where it was."""
    for key, (before, after) in moves.items():
        if isinstance(after, Removed):
            yield key, encode(after), _id(after.source), _removed_at(after)
        elif isinstance(after, Latest) and isinstance(before, Removed):
            yield key, None, _id(after.source), after.last_seen


class Output:
    """What one batch writes. Its parts are added as they are merged: what was just made is still in the processor's
    cache, and encoding it then costs two thirds. A selector that moves in several parts has a message for each.

    `moves`: as of `Folded`, for the whole batch. `changes`, `latest`, `removals`, `rejected`: the messages, by topic.
    `latest_values`, `removals_values`: what the two hold afterwards, by key. `counts`, `reasons`: by disposition, and
    by reason of rejection. `appended`: when (ms) Kafka took the first and the last record.
    """

    def __init__(self, *parts: Folded, compress: bool = True) -> None:
        self.moves: dict[bytes, Move] = {}
        self.changes, self.rejected = Batches("change", compress), Batches("rejected", compress)
        self.latest, self.removals = Batches("latest", compress), Batches("removed", compress)
        self.latest_values: dict[bytes, bytes | None] = {}
        self.removals_values: dict[bytes, bytes | None] = {}
        self.counts: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.changed = 0
        self.appended = (0, 0)
        self.packed: list[list[RecordBatch]] = []
        for part in parts:
            self.add(part)

    def add(self, part: Folded) -> None:
        """Take the next part of the batch."""
        if part.moves:
            latest, removals = list(latest_messages(part.moves)), list(removals_messages(part.moves))
            self.changes.add(change_messages(part.changes))
            self.latest.add(latest)
            self.removals.add(removals)
            for key, value, _, _ in latest:
                self.latest_values[key] = value
            for key, value, _, _ in removals:
                self.removals_values[key] = value
            self._join(part.moves)
        if part.rejected:
            self.rejected.add(rejected_messages(part.rejected))
            self.reasons.update(found.reason for found in part.rejected)
        self.changed += len(part.changes)
        self.counts.update(part.counts)

    def pack(self) -> list[list[RecordBatch]]:
        """Make `packed`, after the last part; to be run in a thread: Python's lock is free while it compresses."""
        self.packed = [batches.take() for batches in (self.changes, self.rejected, self.latest, self.removals)]
        return self.packed

    def _join(self, moves: Mapping[bytes, Move]) -> None:
        for key, move in moves.items():
            earlier = self.moves.get(key)
            self.moves[key] = move if earlier is None else (earlier[0], move[1])


def _id(source: Source) -> str:
    return f"{source.log_id}-{source.partition}-{source.offset}"


def _removed_at(state: Removed) -> int:
    return max(state.calls_removed_at or 0, state.other_removed_at or 0)

"""What goes onto the topics: keys, values and CloudEvents headers, built once per message (1 µs each, not 3)."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from processors.compactor.batch import Folded, Move
from schemas.cloudevents import Headers, headers, rfc3339
from schemas.records import Latest, Removed, Source, encode

Message = tuple[bytes | None, bytes | None, Headers]
"""A message to produce: key, value (None: a tombstone), headers."""


_State = tuple[bytes, bytes | None, str, int]
"""A message about a selector's state before it has headers: key, value, and the id and time (ms) that go into them."""


class Output:
    """The messages of one batch, by topic, each in the order in which it goes out. They are made while they are sent:
    only the values of the state are needed again, for the store."""

    def __init__(self, folded: Folded) -> None:
        self._folded = folded
        self._latest: list[_State] = []
        self._removals: list[_State] = []
        for key, move in folded.moves.items():
            self._state(key, move)

    def _state(self, key: bytes, move: Move) -> None:
        """`latest` and `removals` for one selector: what it is now, and a tombstone where it was something else."""
        before, after = move
        if isinstance(after, Latest):
            name, at = _id(after.source), after.last_seen
            self._latest.append((key, encode(after), name, at))
            if isinstance(before, Removed):
                self._removals.append((key, None, name, at))
        elif isinstance(after, Removed):
            name, at = _id(after.source), max(after.calls_removed_at or 0, after.other_removed_at or 0)
            self._removals.append((key, encode(after), name, at))
            if isinstance(before, Latest):
                self._latest.append((key, None, name, at))

    def changes(self) -> Iterator[Message]:
        """For `changes`, in log order."""
        fixed = _fixed("change")
        for change in self._folded.changes:
            headers = [*fixed, ("ce_id", change.id.encode()), ("ce_time", _time(change.changed_at))]
            yield change.selector.encode(), encode(change), headers

    def rejected(self) -> Iterator[Message]:
        """For `rejected`."""
        for found in self._folded.rejected:
            yield None, encode(found), _headers("rejected", found.id, found.received_at)

    def latest(self) -> Iterator[Message]:
        """For `latest`: one a selector."""
        fixed = _fixed("latest")
        for key, value, name, at in self._latest:
            yield key, value, [*fixed, ("ce_id", name.encode()), ("ce_time", _time(at))]

    def removals(self) -> Iterator[Message]:
        """For `removals`: one a selector."""
        for key, value, name, at in self._removals:
            yield key, value, _headers("removed", name, at)

    def latest_values(self) -> Iterator[tuple[bytes, bytes | None]]:
        """What `latest` holds afterwards, for the store."""
        return ((key, value) for key, value, _, _ in self._latest)

    def removals_values(self) -> Iterator[tuple[bytes, bytes | None]]:
        """What `removals` holds afterwards, for the store."""
        return ((key, value) for key, value, _, _ in self._removals)


def _id(source: Source) -> str:
    return f"{source.log_id}-{source.partition}-{source.offset}"


def _headers(event_type: str, event_id: str, time_ms: int) -> Headers:
    """As `schemas.cloudevents.headers`, with the fixed ones made once and each second of time formatted once."""
    return [*_fixed(event_type), ("ce_id", event_id.encode()), ("ce_time", _time(time_ms))]


def _time(time_ms: int) -> bytes:
    return _second(time_ms // 1000) + _THOUSANDTHS[time_ms % 1000]


@lru_cache(maxsize=16)
def _fixed(event_type: str) -> tuple[tuple[str, bytes], ...]:
    found = dict(headers(event_type, "", 0))
    return tuple((name, found[name]) for name in ("ce_specversion", "ce_type", "ce_source", "content-type"))


@lru_cache(maxsize=4096)
def _second(seconds: int) -> bytes:
    return rfc3339(1000 * seconds).removesuffix(".000Z").encode()


_THOUSANDTHS: Final = tuple(f".{ms:03d}Z".encode() for ms in range(1000))

"""A local copy of `latest`: its messages folded into a table, with what one must know before trusting it."""

from collections.abc import Iterator, Mapping
from typing import Final

from schemas.consumer.message import Headers, Tombstone, Unknown, read_message
from schemas.records import InvalidRecordError, Latest


class NotCompleteError(Exception):
    """The copy has not yet read what was there when it began: whether a selector is known cannot be said."""


class LogChangedError(Exception):
    """The topic was deleted and made again, or has lost its end: the copy is of another log. Throw it away."""


class LatestCopy:
    """The newest pairs by selector. Feed it in one thread (or loop), from the beginning of the topic, `read_committed`.

        copy = LatestCopy(ends, now_ms, log_id)     # the topic's end offsets, asked before the first message
        copy.take(partition, offset, key, value)    # every message, in the order of its partition
        copy.reached(partition, position)           # the client's position after each poll
        copy.see(ends, now_ms, log_id)              # now and then: the ends as they are now
        copy.get(selector)

    It is complete once the ends seen first are reached. A transaction's end takes up an offset that no client shows, so
    the last message does not tell that the end is reached; the client's position does.

    Args:
        ends: end offset by partition, all partitions (of committed data: last stable offsets).
        now_ms: when they were asked for, before the request went out; ms since the epoch.
        log_id: the topic's id if the client can tell it (KIP-516), else empty. With one, a topic that was made anew
            is noticed at once; without, once its end is found before the copy's position.
    """

    def __init__(self, ends: Mapping[int, int], now_ms: int, log_id: str = "") -> None:
        self._next: Final = dict.fromkeys(ends, 0)
        self._found: Final[dict[str, Latest]] = {}
        self._seen = self.positions
        self._log_id = log_id
        self._awaited: list[tuple[int, dict[int, int]]] = [(now_ms, dict(ends))]
        self._as_of: int | None = None
        self.broken = 0
        self._settle()

    @property
    def complete(self) -> bool:
        """Whether everything is in it that was committed when it began."""
        return self._as_of is not None

    @property
    def as_of(self) -> int | None:
        """Everything that was committed by then (ms since the epoch) is in the copy; None: not complete yet."""
        return self._as_of

    @property
    def positions(self) -> dict[int, int]:
        """The next offset by partition."""
        return dict(self._next)

    def age_ms(self, now_ms: int) -> int:
        """How long ago the copy was last known to hold everything.

        Raises:
            NotCompleteError: it never was.
        """
        if self._as_of is None:
            raise NotCompleteError("still reading the topic")
        return max(0, now_ms - self._as_of)

    def get(self, selector: str) -> Latest | None:
        """The newest pairs of a selector; None: it has none.

        Raises:
            NotCompleteError: the copy is not complete, so that None would be a guess.
        """
        if self._as_of is None:
            raise NotCompleteError("still reading the topic")
        return self._found.get(selector)

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __repr__(self) -> str:
        return f"LatestCopy({len(self._found)} selectors, complete={self.complete})"

    def take(
        self, partition: int, offset: int, key: bytes | None, value: bytes | None, headers: Headers = None
    ) -> bool:
        """Fold one message in; False: it was there already, is of a later version, or broken (counted in `broken`).

        Raises:
            LogChangedError: a partition that was not there when the copy began.
        """
        if offset < self._position(partition):
            return False
        try:
            found = read_message("latest", key, value, headers)
        except InvalidRecordError:
            self.broken += 1
            found = Unknown("broken")
        if isinstance(found, Latest):
            self._found[found.selector] = found
        elif isinstance(found, Tombstone):
            self._found.pop(found.selector, None)
        self.reached(partition, offset + 1)
        return isinstance(found, Latest | Tombstone)

    def reached(self, partition: int, position: int) -> None:
        """The client's position (the next offset that it will fetch); one that lies behind changes nothing.

        Raises:
            LogChangedError: as for `take`.
        """
        if position > self._position(partition):
            self._next[partition] = position
            self._settle()

    def see(self, ends: Mapping[int, int], now_ms: int, log_id: str = "") -> None:
        """The end offsets as they are now (`now_ms`: taken before they were asked for). Moves `as_of` when they are
        reached. Ask again every few seconds; never two at once.

        Raises:
            LogChangedError: another topic id, another number of partitions, or an end before what was read.
        """
        if self._log_id and log_id and log_id != self._log_id:
            raise LogChangedError("the topic has another id")
        if ends.keys() != self._next.keys():
            raise LogChangedError("the topic has another number of partitions")
        # Against the positions of the time before: reading may have gone on since the ends were asked for.
        if any(end < self._seen[partition] for partition, end in ends.items()):
            raise LogChangedError("the topic ends before what was read of it")
        self._log_id = self._log_id or log_id
        self._seen = self.positions
        self._awaited = [*self._awaited[:1], (now_ms, dict(ends))]
        self._settle()

    def _position(self, partition: int) -> int:
        try:
            return self._next[partition]
        except KeyError:
            raise LogChangedError(f"partition {partition} was not there at the beginning") from None

    def _settle(self) -> None:
        """Move `as_of` to the youngest sight of the ends that is reached. At most two are awaited: the oldest, so that
        a log that grows faster than it is read does not put it off for ever, and the newest."""
        while self._awaited and all(self._next[at] >= end for at, end in self._awaited[0][1].items()):
            self._as_of = max(self._as_of or 0, self._awaited.pop(0)[0])

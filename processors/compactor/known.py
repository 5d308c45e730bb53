"""Which reports say nothing new, told without the store: a fingerprint of what each selector reported last.

An unchanged report, nineteen of twenty, then costs no read, no decoding of a state and no merge: 0.7 µs instead of 5
(20 where the store does not fit into its cache). What is not sure here goes the exact way.

A fingerprint is Python's salted hash of selector, username, pairs and authenticated account, 64 bits: a changed report
is taken for an unchanged one once in 2^64 times, and nobody outside the process can look for such a pair. One that is
evicted, or was never there, costs the exact way and nothing else.
"""

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec
from msgspec import UNSET, Struct

from processors.compactor.binding import Account
from processors.compactor.merge import settled
from processors.compactor.reading import Read
from processors.compactor.rules import State
from schemas.records import Latest, Pair

SMALLEST: Final = 1 << 10
# 24 bytes each; four million of a worker take 100 MB, of the 600 that issue 4 allows, and hold three million selectors.
LARGEST: Final = 1 << 22
_FREE: Final = 0


class Told(Struct, gc=False):
    """What a fingerprint is made of, as a value of `latest` has it; reading no more than that takes half the time."""

    selector: str
    username: str | None
    calls: Pair | None
    other: Pair | None
    last_seen: int
    bound_to: Account = UNSET


read_told: Final[Callable[[bytes], Told]] = msgspec.json.Decoder(Told).decode


class Known:
    """The fingerprints of one partition while it is owned; whatever fails, its owner begins with new ones.

    A table of places in fours: a selector's hash says which four, and where all are taken, the oldest entry gives way.
    Half full, it has lost one in thirty so. 0 is a free place.
    """

    def __init__(self, touch_interval: int, largest: int) -> None:
        """Empty.

        Args:
            touch_interval: as in `Rules`: after that time (ms) a report is news, for `last_seen`.
            largest: places at most (a power of two).
        """
        self._touch_interval, self._largest = touch_interval, max(SMALLEST, largest)
        self._clear(SMALLEST)

    def _clear(self, places: int) -> None:
        self._mask = places - 1
        self._keys, self._prints, self._seen = (array("q", bytes(8 * places)) for _ in range(3))
        self._held = 0
        self._many = places // 2 if places < self._largest else places

    def news(self, records: Iterable[Read], moving: set[bytes]) -> list[Read]:
        """Those of `records` (log order) that may change something.

        Args:
            records: what comes next in the log.
            moving: the selectors that earlier news, not learnt yet, are about: of these, everything is news. What is
                found here is added.
        """
        keys, prints, seen, mask, interval = self._keys, self._prints, self._seen, self._mask, self._touch_interval
        found: list[Read] = []
        for record in records:
            key, report = record[0], record[1]
            tag = hash(key) or 1
            at = tag & mask
            if keys[at] != tag:
                at ^= 1
                if keys[at] != tag:
                    at ^= 3
                    if keys[at] != tag:
                        at ^= 1
            if (
                keys[at] == tag
                and report.received_at - seen[at] < interval
                and prints[at]
                == hash((report.selector, report.username, report.calls, report.other, report.authenticated_username))
                and report.kind == "report"
                and report.origin != "import"
                and key not in moving
            ):
                continue
            moving.add(key)
            found.append(record)
        return found

    def learn(self, records: Sequence[Read], before: Mapping[bytes, State], after: Mapping[bytes, State]) -> None:
        """`records` went the exact way: note what is settled by them. A selector's first report is not noted: where
        many come, few of them are repeated soon.

        Args:
            records: in log order.
            before: the state of each selector before them.
            after: the states that moved.
        """
        for key, report, *_ in records:
            state = after.get(key, before[key])
            if before[key] is None and state is not None:
                continue
            if isinstance(state, Latest) and settled(state, report):
                by = report.authenticated_username
                self._put(key, _print(report.selector, report.username, report.calls, report.other, by), state)
            else:
                self.forget(key)

    def fill(self, held: Iterable[tuple[bytes, Told]]) -> None:
        """Note states that the store holds: reports that say the same are not news.

        Written out, because a million selectors come through here after a restart.
        """
        keys, prints, seen, mask = self._keys, self._prints, self._seen, self._mask
        for key, told in held:
            tag = hash(key) or 1
            at = tag & mask
            if keys[at] != _FREE or keys[at ^ 1] == tag or keys[at ^ 2] == tag or keys[at ^ 3] == tag:
                at = self._place(tag)
            if keys[at] == _FREE:
                self._held += 1
                if self._held > self._many:
                    self._grow()
                    keys, prints, seen, mask = self._keys, self._prints, self._seen, self._mask
                    at = self._place(tag)
            keys[at], seen[at] = tag, told.last_seen
            prints[at] = hash((told.selector, told.username, told.calls, told.other, told.bound_to))

    def forget(self, key: bytes) -> None:
        """Nothing is known of a selector any more."""
        tag = hash(key) or 1
        at = self._place(tag)
        if self._keys[at] == tag:
            self._keys[at] = self._prints[at] = self._seen[at] = _FREE
            self._held -= 1

    def _put(self, key: bytes, fingerprint: int, state: Latest) -> None:
        tag = hash(key) or 1
        at = self._place(tag)
        if self._keys[at] != tag:
            if self._keys[at] == _FREE:
                self._held += 1
                if self._held > self._many:
                    self._grow()
                    at = self._place(tag)
            self._keys[at] = tag
        self._prints[at], self._seen[at] = fingerprint, state.last_seen

    def _place(self, tag: int) -> int:
        """Where a selector is (never in two places: the older entry would speak up later), or else where it goes."""
        keys, first = self._keys, tag & self._mask
        if keys[first] == tag:
            return first
        places = (first, first ^ 1, first ^ 2, first ^ 3)
        for at in places:
            if keys[at] == tag:
                return at
        for at in places:
            if keys[at] == _FREE:
                return at
        return min(places, key=self._seen.__getitem__)

    def _grow(self) -> None:
        """Twice the places; what was in four of them goes into eight."""
        old = zip(self._keys, self._prints, self._seen, strict=True)
        count = self._held - 1  # all but the one that it grows for
        self._clear(2 * (self._mask + 1))
        keys, prints, seen, mask = self._keys, self._prints, self._seen, self._mask
        for tag, fingerprint, last_seen in old:
            if tag != _FREE:
                at = tag & mask
                if keys[at] != _FREE:
                    at = self._place(tag)
                keys[at], prints[at], seen[at] = tag, fingerprint, last_seen
        self._held = count + 1


def _print(selector: str, username: str | None, calls: Pair | None, other: Pair | None, by: Account) -> int:
    return hash((selector, username, calls, other, by))

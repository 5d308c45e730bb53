"""What a store of the table holds, and the contract that both stores keep (`rocks_store`, `memory_store`).

A store holds the partitions of one worker: for each the values of `latest` and of `removals` as they are on those
topics, an index from account to selectors, and the position on the two topics that all of it stands for.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

import msgspec
from msgspec import Struct


class StoreError(Exception):
    """The store cannot be opened or used; the text says what to do."""


class StoreFullError(StoreError):
    """The disk does not take what is written, most likely for lack of room: a new start may help, this process cannot.

    RocksDB writes nothing any more after a failed write, until it is opened anew.
    """


class Position(Struct, frozen=True, kw_only=True):
    """Where on the changelog a partition's copy stands: everything before these offsets is in it.

    `latest_id` / `removals_id`: identities of the two topics; `source`: the next offset of `reports` as far as this
    worker applied it itself (0: it only copied); `log_id`: the log that the newest state came from (empty: no state
    yet); `at`: when it was last known to be current (ms); `rebuilt`: of the last `pushtokens rebuild` that it has
    followed (ms).
    """

    latest: int
    removals: int
    latest_id: str
    removals_id: str
    source: int
    log_id: str
    at: int
    rebuilt: int = 0


Account = tuple[str, bytes]
"""An entry of the account index: the account's name and the selector's key."""


class Write(NamedTuple):
    """One atomic write of a partition: pairs of key and value (None: gone), index entries (the dropped ones go first),
    and the position that they bring it to."""

    latest: Iterable[tuple[bytes, bytes | None]]
    removals: Iterable[tuple[bytes, bytes | None]]
    added: Iterable[Account]
    dropped: Iterable[Account]
    position: Position


class Store(Protocol):
    """The table's storage on one worker. Calls are short; values may also be read from another thread, of keys that are
    not written at that time."""

    def latest(self, partition: int, keys: Sequence[bytes]) -> list[bytes | None]:
        """The `latest` value of each key, None where there is none."""

    def removals(self, partition: int, keys: Sequence[bytes]) -> list[bytes | None]:
        """The `removals` value of each key, None where there is none."""

    def selectors(self, partition: int, username: str) -> list[bytes]:
        """The keys that the index holds for an account, in byte order."""

    def scan(self, partition: int, count: int) -> Iterator[list[tuple[bytes, bytes]]]:
        """The keys and values of `latest`, `count` at a time, each time as they are when asked for; in no order that
        means anything. Keys that come or go meanwhile may be in it or not."""

    def position(self, partition: int) -> Position | None:
        """What the partition's copy stands for; None: nothing is held."""

    def write(self, partition: int, write: Write) -> None:
        """Apply all of `write`, or after a crash nothing of it."""

    def drop(self, partition: int) -> None:
        """Forget all of a partition."""

    def held(self) -> list[int]:
        """The partitions of which something is held, in order."""

    def close(self) -> None:
        """Flush and release it; the store cannot be used afterwards."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Position)


def encode_position(position: Position) -> bytes:
    """The position as a store keeps it."""
    return _encoder.encode(position)


def decode_position(value: bytes | None) -> Position | None:
    """The position a store kept; None also for one of an unknown form, so that the copy is made anew."""
    if value is None:
        return None
    try:
        return _decoder.decode(value)
    except msgspec.MsgspecError:
        return None

"""What may be moved, and where each record goes. Pure."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from msgspec import Struct

from schemas.partition import partition_of


class Sides(Struct, frozen=True, kw_only=True):
    """What Kafka says of both sides before anything is done.

    `old_prefix`, `prefix`: of the topics; `old_partitions`: of `reports`, `latest` and `removals` of the old side;
    `partitions`: of the new one; `sealed`: whether the old `reports` takes no more records; `begun`: whether a record
    is on the new `reports`; `committed`: whether the compactor's group has an offset on it.
    """

    old_prefix: str
    prefix: str
    old_partitions: tuple[int, ...]
    partitions: int
    sealed: bool
    begun: bool
    committed: bool


class Routed(NamedTuple):
    """A record of the new topic, as aiokafka's `send` takes it. `value` None: a tombstone."""

    partition: int
    key: bytes
    value: bytes | None
    headers: Any
    timestamp_ms: int


class Record(Protocol):
    """What a consumer gives."""

    @property
    def key(self) -> bytes | None:
        """The selector."""

    @property
    def value(self) -> bytes | None:
        """None: a tombstone."""

    @property
    def headers(self) -> Any:
        """Name and value each."""

    @property
    def timestamp(self) -> int:
        """ms since the epoch."""


def obstacle(sides: Sides) -> str | None:
    """Why the state must not be moved (text that says what to do), or None."""
    old, new = f"{sides.old_prefix}.reports", f"{sides.prefix}.reports"
    if sides.old_prefix == sides.prefix:
        return "PUSHTOKENS_KAFKA_TOPIC_PREFIX has to be the new topics', another than --from-prefix"
    if len(set(sides.old_partitions)) != 1:
        return f"the topics {sides.old_prefix}.* do not have the same number of partitions: {sides.old_partitions}"
    if sides.partitions <= sides.old_partitions[0]:
        return (
            f"{new} has {sides.partitions} partitions, {old} has {sides.old_partitions[0]}: there have to be more. "
            "PUSHTOKENS_PARTITIONS says how many, `pushtokens init` makes them"
        )
    if sides.committed:
        return f"a compactor has worked on {new} already: its table is in use, and is not written over"
    if sides.begun and not sides.sealed:
        return (
            f"reports are on {new} while {old} still takes some: which of a selector's is newer, nobody could tell. "
            f"Stop the ingress that writes to {new}, delete the topics {sides.prefix}.*, run `pushtokens init`, then "
            "this again"
        )
    return None


def routed(record: Record, partitions: int) -> Routed | None:
    """Where a record of `latest` or `removals` goes among `partitions`; None: it has no key, so it is none of ours.

    Nothing of it changes: `source` goes on naming the record of the old log that made it, and another log's offsets say
    nothing about those of the new one (`processors.compactor.merge.applied`).
    """
    if record.key is None:
        return None
    at = partition_of(record.key, partitions)
    return Routed(at, record.key, record.value, record.headers, record.timestamp)


def strayed(before: Mapping[int, int], after: Mapping[int, int]) -> list[int]:
    """The partitions of the old log that have moved from offset `before` to `after` though it was sealed."""
    return sorted(partition for partition, offset in after.items() if offset != before.get(partition, 0))

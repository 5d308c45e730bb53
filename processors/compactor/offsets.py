"""The committed offsets of the compactor's group, and the identities that travel with them."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from msgspec import Struct

from processors.compactor.copy import Identities
from processors.log_identity import LogIdentityError, verify_log

REQUEST_SECONDS: Final = 10.0


class Mark(Struct, frozen=True, kw_only=True):
    """The metadata of a committed offset: which logs it belongs to."""

    log_id: str
    latest_id: str
    removals_id: str


class Committed(NamedTuple):
    """A committed offset (None: never) and its mark (None: somebody else's commit)."""

    offset: int | None
    mark: Mark | None


def mark_text(identities: Identities) -> str:
    """The metadata text that goes with every commit (under 200 bytes; Kafka takes 4096)."""
    mark = Mark(log_id=identities.reports, latest_id=identities.latest, removals_id=identities.removals)
    return msgspec.json.encode(mark).decode()


def read_mark(text: str | None) -> Mark | None:
    """The mark of a commit; None when the text is not one of ours."""
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=Mark)
    except msgspec.MsgspecError:
        return None


class Offsets:
    """Asks Kafka for the group's committed offsets."""

    def __init__(self, options: Mapping[str, Any], group: str, topic: str) -> None:
        self._admin = AIOKafkaAdminClient(**options)
        self._group, self._topic = group, topic

    async def start(self) -> None:
        """Connect."""
        await self._admin.start()

    async def committed(self, partition: int) -> Committed:
        """What is committed for one partition; never a transaction that is still open.

        Raises:
            aiokafka.errors.KafkaError, TimeoutError: Kafka cannot be asked now.
        """
        at = TopicPartition(self._topic, partition)
        async with asyncio.timeout(REQUEST_SECONDS):
            found = (await self._admin.list_consumer_group_offsets(self._group, partitions=[at])).get(at)
        if found is None or found.offset < 0:
            return Committed(None, None)
        return Committed(found.offset, read_mark(found.metadata))

    async def close(self) -> None:
        """Disconnect."""
        await self._admin.close()


def verify(committed: Committed, identities: Identities, end: int, where: str) -> int:
    """Check that the committed offset belongs to the logs as they are now; returns the offset to go on from (0: all).

    Args:
        committed: what Kafka holds for the partition. Never committed, or forgotten (offsets.retention.minutes): then
            all that is retained is read again, and changes nothing, because each state knows the offset that made it.
        identities: of the topics now.
        end: the end offset of `reports`.
        where: topic and partition, for the error.

    Raises:
        LogIdentityError: they do not fit; going on would lose reports or state without a word.
    """
    offset, mark = committed
    if mark is not None:
        verify_log(mark.log_id, identities.reports, f"the committed offset of {where}")
        if (mark.latest_id, mark.removals_id) != (identities.latest, identities.removals):
            raise LogIdentityError(
                f"the table behind {where} (topics latest and removals) was deleted and made again, so it no longer "
                "holds what was committed. Run `pushtokens rebuild` to make it again from the retained reports."
            )
    if offset is not None and offset > end:
        raise LogIdentityError(
            f"the committed offset of {where} is {offset}, past the log's end {end}: the log was cut off or made again."
            " Nothing was changed. If that is meant, run `pushtokens adopt-log` and start again."
        )
    return offset or 0

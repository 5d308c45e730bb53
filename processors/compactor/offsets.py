"""The committed offsets of the compactor's group, and the identities that travel with them."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code
from aiokafka.protocol.commit import OffsetFetchRequest
from msgspec import Struct

from processors.compactor.copy import Identities
from processors.log_identity import LogIdentityError, verify_log

REQUEST_SECONDS: Final = 10.0


class Mark(Struct, frozen=True, kw_only=True):
    """The metadata of a committed offset: which logs it belongs to.

    `rebuilt`: when `pushtokens rebuild` last asked for the table to be made again (ms, 0: never); local copies from
    before are dropped. `until`: the offset that had been applied before that, and has to be reached again before
    anybody may be told that a selector is unknown.
    """

    log_id: str
    latest_id: str
    removals_id: str
    rebuilt: int = 0
    until: int = 0


class Committed(NamedTuple):
    """A committed offset (None: never) and its mark (None: somebody else's commit)."""

    offset: int | None
    mark: Mark | None


def mark_of(identities: Identities, before: Mark | None = None) -> Mark:
    """The mark for a commit now; what `before` says of a rebuild is kept."""
    return Mark(
        log_id=identities.reports,
        latest_id=identities.latest,
        removals_id=identities.removals,
        rebuilt=0 if before is None else before.rebuilt,
        until=0 if before is None else before.until,
    )


def mark_text(mark: Mark) -> str:
    """The metadata text of a mark (under 200 bytes; Kafka takes 4096)."""
    return msgspec.json.encode(mark).decode()


def read_mark(text: str | None) -> Mark | None:
    """The mark of a commit; None when the text is not one of ours."""
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=Mark)
    except msgspec.MsgspecError:
        return None


def read_committed(response: Any) -> Committed:
    """What an OffsetFetch response for one partition says.

    The error of the group as a whole matters most: while the coordinator loads (after a broker's restart) the response
    has that error and no partitions, and aiokafka's own `list_consumer_group_offsets`, which does not look at it,
    answers that nothing was ever committed. A soak run found it, by records that were rejected twice.

    Raises:
        aiokafka.errors.KafkaError: the coordinator cannot say now.
    """
    if response.error_code:
        raise for_code(response.error_code)("the group's committed offset cannot be read now")
    ((_, ((_, offset, metadata, error_code),)),) = response.topics
    if error_code:
        raise for_code(error_code)("the partition's committed offset cannot be read now")
    return Committed(None, None) if offset < 0 else Committed(offset, read_mark(metadata))


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
        request = OffsetFetchRequest(self._group, [(self._topic, [partition])])
        async with asyncio.timeout(REQUEST_SECONDS):
            coordinator = await self._admin.find_coordinator(self._group)
            response = await self._admin._client.send(coordinator, request)
        return read_committed(response)

    async def close(self) -> None:
        """Disconnect."""
        await self._admin.close()


def verify(committed: Committed, identities: Identities, end: int, table_log: str, where: str) -> int:
    """Check that the committed offset belongs to the logs as they are now; returns the offset to go on from (0: all).

    Args:
        committed: what Kafka holds for the partition. Never committed, or forgotten (offsets.retention.minutes): then
            all that is retained is read again, and changes nothing, because each state knows the offset that made it.
        identities: of the topics now.
        end: the end offset of `reports`.
        table_log: the log that the newest state of the table came from (empty: there is none). It speaks when no mark
            does: Kafka forgets a topic's committed offsets when the topic is deleted.
        where: topic and partition, for the error.

    Raises:
        LogIdentityError: they do not fit; going on would lose reports or state without a word.
    """
    offset, mark = committed
    if mark is None:
        verify_log(table_log, identities.reports, f"the table behind {where}")
    else:
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

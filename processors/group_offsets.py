"""A consumer group's committed offsets with their metadata, which aiokafka's consumer does not give out."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.commit import OffsetFetchRequest

REQUEST_SECONDS: Final = 10.0
_RETRY_SECONDS: Final = 0.2


class GroupOffset(NamedTuple):
    """A committed offset (None: never committed, or forgotten) and its metadata."""

    offset: int | None
    metadata: str


def read_response(response: Any) -> GroupOffset:
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
    return GroupOffset(None, "") if offset < 0 else GroupOffset(offset, metadata or "")


class GroupOffsets:
    """Asks Kafka for the committed offsets of one group on one topic."""

    def __init__(self, options: Mapping[str, Any], group: str, topic: str) -> None:
        self._admin = AIOKafkaAdminClient(**options)
        self._group, self._topic = group, topic

    async def start(self) -> None:
        """Connect."""
        await self._admin.start()

    async def committed(self, partition: int) -> GroupOffset:
        """What is committed for one partition; never a transaction that is still open.

        Asked again within `REQUEST_SECONDS` while Kafka says "not yet": a cluster that never had a group makes the
        topic for offsets first, and after a broker's restart the coordinator moves or loads.

        Raises:
            aiokafka.errors.KafkaError, TimeoutError: Kafka cannot be asked now.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + REQUEST_SECONDS
        while True:
            try:
                async with asyncio.timeout_at(end):
                    return await self._ask(partition)
            except KafkaError as error:
                if not error.retriable or loop.time() + _RETRY_SECONDS > end:
                    raise
            await asyncio.sleep(_RETRY_SECONDS)

    async def _ask(self, partition: int) -> GroupOffset:
        request = OffsetFetchRequest(self._group, [(self._topic, [partition])])
        coordinator = await self._admin.find_coordinator(self._group)
        return read_response(await self._admin._client.send(coordinator, request))

    async def close(self) -> None:
        """Disconnect."""
        await self._admin.close()

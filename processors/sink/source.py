"""The sink's side of Kafka: the consumer of `reports`, its assignment, and commits with metadata."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    IllegalGenerationError,
    NoError,
    RebalanceInProgressError,
    UnknownMemberIdError,
    for_code,
)
from aiokafka.protocol.commit import OffsetCommitRequest

from processors.fetched import Fetched, read_by_ours
from processors.group_offsets import GroupOffsets
from processors.sink.landing import LostLeaseError
from processors.sink.mark import Resume, resume
from schemas.kafka_client import member_request_ms
from schemas.settings import Sink

logger: Final = logging.getLogger(__name__)

REQUEST_SECONDS: Final = 10.0
FETCH_BYTES: Final = 4 * 1024 * 1024  # of one partition in one fetch; two or three of them are in memory at a time
MAX_POLL_SECONDS: Final = 300  # Kafka's default; the loop polls several times a second, also while ClickHouse is away


class Lease(NamedTuple):
    """A member of the group in one generation of it: who may commit for the partitions assigned then."""

    generation: int
    member_id: str


class Source:
    """Reads `reports` as a member of the group."""

    def __init__(self, options: Mapping[str, Any], settings: Sink, topic: str, log_id: str) -> None:
        self.topic, self.log_id = topic, log_id
        self._group = settings.group
        self._offsets = GroupOffsets(options, settings.group, topic)
        self._consumer = AIOKafkaConsumer(
            **{**options, "request_timeout_ms": member_request_ms(settings.session_timeout)},
            group_id=settings.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            session_timeout_ms=round(settings.session_timeout * 1000),
            heartbeat_interval_ms=round(settings.session_timeout * 1000 / 3),
            max_poll_interval_ms=MAX_POLL_SECONDS * 1000,
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_bytes=2 * FETCH_BYTES,
        )

    async def start(self, listener: ConsumerRebalanceListener) -> None:
        """Connect and join the group; `listener` hears of every change of the assignment."""
        await self._offsets.start()
        await self._consumer.start()
        read_by_ours(self._consumer)
        self._consumer.subscribe([self.topic], listener=listener)

    async def stop(self) -> None:
        """Leave the group."""
        await self._consumer.stop()
        await self._offsets.close()

    async def poll(self, seconds: float, records: int) -> dict[int, list[Fetched]]:
        """Records by partition, within `seconds`; empty when there are none."""
        found = await self._consumer.getmany(timeout_ms=round(seconds * 1000), max_records=records)
        return {partition.partition: batch for partition, batch in found.items() if batch}

    async def take_up(self, partition: int) -> Resume:
        """Where to go on with a partition; it is read from there.

        Raises:
            LogIdentityError: the committed offset belongs to another log.
            KafkaError, TimeoutError: not now.
        """
        tp = TopicPartition(self.topic, partition)
        async with asyncio.timeout(REQUEST_SECONDS):
            committed = await self._offsets.committed(partition)
            end = (await self._consumer.end_offsets([tp]))[tp]
            begin = (await self._consumer.beginning_offsets([tp]))[tp]
        found = resume(committed, self.log_id, end, f"{self.topic}[{partition}]")
        if found.offset < begin and committed.offset is not None:
            logger.error("partition %d: Kafka has dropped offsets %d to %d unread", partition, found.offset, begin)
        self._consumer.seek(tp, max(found.offset, begin))
        return found

    def pause(self, partitions: set[int]) -> None:
        """Fetch no more of these for now."""
        self._consumer.pause(*self._mine(partitions))

    def resume(self, partitions: set[int]) -> None:
        """Fetch these again."""
        self._consumer.resume(*self._mine(partitions))

    def _mine(self, partitions: set[int]) -> list[TopicPartition]:
        mine = self._consumer.assignment()
        return [tp for partition in partitions if (tp := TopicPartition(self.topic, partition)) in mine]

    def lease(self) -> Lease:
        """This member of the group as it is now; taken when partitions are assigned."""
        coordinator = self._consumer._coordinator
        return Lease(coordinator.generation, coordinator.member_id)

    async def commit(self, lease: Lease, partition: int, offset: int, metadata: str) -> None:
        """Commit as the member that the partition was assigned to.

        aiokafka's own `commit` speaks as whoever it is at the moment of sending. A sink that slept past its session is
        nobody then, and an empty group takes nobody's commits: one woken up set the offset back, and rows doubled.

        Raises:
            LostLeaseError: that member is no longer one, or no longer the partition's owner.
            KafkaError, TimeoutError: Kafka cannot be asked now.
        """
        coordinator = self._consumer._coordinator
        offsets = [(self.topic, [(partition, offset, metadata)])]
        retention = OffsetCommitRequest.DEFAULT_RETENTION_TIME
        request = OffsetCommitRequest(self._group, lease.generation, lease.member_id, retention, offsets)
        async with asyncio.timeout(REQUEST_SECONDS):
            await coordinator.ensure_coordinator_known()
            response = await coordinator._send_req(request)
        ((_, ((_, code),)),) = response.topics
        error = for_code(code)
        if error in (UnknownMemberIdError, IllegalGenerationError, RebalanceInProgressError):
            raise LostLeaseError(f"partition {partition} belongs to another sink now")
        if error is not NoError:
            coordinator.coordinator_dead()  # most likely it moved; it is looked for again
            raise error(f"partition {partition} cannot be committed now")

    async def ends(self, partitions: set[int]) -> dict[int, int]:
        """The end offsets of partitions.

        Raises:
            KafkaError, TimeoutError: Kafka cannot be asked now.
        """
        async with asyncio.timeout(REQUEST_SECONDS):
            found = await self._consumer.end_offsets([TopicPartition(self.topic, p) for p in partitions])
        return {tp.partition: offset for tp, offset in found.items()}

"""Moves the compactor group's committed offsets by hand, while no worker runs: `adopt-log` and `rebuild`."""

import asyncio
import time
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from processors.compactor.offsets import Committed, Mark, Offsets, mark_of, mark_text
from processors.compactor.shared import read_identities
from schemas.kafka_client import client_options
from schemas.settings import Settings
from schemas.topics import topics

COMMIT_SECONDS: Final = 15.0


class ResetError(Exception):
    """It cannot be done now; the text says why and what to do."""


async def adopt(settings: Settings) -> list[str]:
    """Go on with `reports` as it is now: partitions whose committed offset belongs to another log, or lies past the
    end, start at the beginning of the log that is there. The table stays; its states know which log they came from.

    Returns:
        What was done, a line a partition.

    Raises:
        ResetError: a worker runs.
        TopicMissingError: a topic does not exist.
        aiokafka.errors.KafkaError: Kafka cannot be reached.
    """
    return await _move(settings, _adopted)


async def rebuild(settings: Settings) -> list[str]:
    """Have the table made again: from `latest` and `removals` as they are, then every retained report once more.

    Nothing is dropped, because the table starts from `latest`; nothing removed comes back, because `removals` is kept,
    and a record that was applied before changes nothing. Local copies are made anew.

    Returns, Raises:
        As `adopt`.
    """
    return await _move(settings, _rebuilt)


def _adopted(held: Committed, now: Mark, start: int, end: int) -> tuple[int, Mark] | None:
    same = held.mark is None or held.mark.log_id == now.log_id
    if held.offset is not None and same and held.offset <= end:
        if held.mark is not None and (held.mark.latest_id, held.mark.removals_id) != (now.latest_id, now.removals_id):
            raise ResetError("topic reports is the same, but the table's topics were made again: `pushtokens rebuild`")
        return None
    return start, now


def _rebuilt(held: Committed, now: Mark, start: int, end: int) -> tuple[int, Mark] | None:
    if held.mark is not None and held.mark.log_id != now.log_id:
        raise ResetError("topic reports was made again: run `pushtokens adopt-log` first")
    # A rebuild that is not finished yet had applied more before than it has now.
    until = min(max(held.offset or 0, 0 if held.mark is None else held.mark.until), end)
    fresh = Mark(
        log_id=now.log_id,
        latest_id=now.latest_id,
        removals_id=now.removals_id,
        rebuilt=time.time_ns() // 1_000_000,
        until=until,
    )
    return start, fresh


async def _move(settings: Settings, decide: Any) -> list[str]:
    options = client_options(settings, "reset")
    named = topics(settings)
    identities = await read_identities(options, named)
    parts = [TopicPartition(named.reports.name, number) for number in range(settings.partition_count)]
    consumer = AIOKafkaConsumer(**options, group_id=settings.compact.group, enable_auto_commit=False)
    offsets = Offsets(options, settings.compact.group, named.reports.name)
    await asyncio.gather(consumer.start(), offsets.start())
    try:
        consumer.assign(parts)
        starts, ends = await asyncio.gather(consumer.beginning_offsets(parts), consumer.end_offsets(parts))
        moves: dict[TopicPartition, OffsetAndMetadata] = {}
        lines: list[str] = []
        for part in parts:
            held = await offsets.committed_mark(part.partition)
            move = decide(held, mark_of(identities), starts[part], ends[part])
            if move is None:
                lines.append(f"partition {part.partition}: stays at {held.offset or 0}")
            else:
                moves[part] = OffsetAndMetadata(move[0], mark_text(move[1]))
                lines.append(f"partition {part.partition}: from {held.offset or 0} to {move[0]}")
        if moves:
            await _commit(consumer, moves, settings.compact.group)
        return lines
    finally:
        await asyncio.gather(consumer.stop(), offsets.close())


async def _commit(consumer: AIOKafkaConsumer, moves: dict[TopicPartition, OffsetAndMetadata], group: str) -> None:
    try:
        async with asyncio.timeout(COMMIT_SECONDS):
            await consumer.commit(moves)
    except (KafkaError, TimeoutError) as error:
        raise ResetError(
            f"Kafka refuses to move the offsets of group {group} ({type(error).__name__}): a worker is running, or was "
            f"until a moment ago. Stop every `pushtokens compact` and try again."
        ) from error

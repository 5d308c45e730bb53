"""The move, step by step: seal the old log, wait until it is worked off, copy the state, mark it as complete."""

import asyncio
from collections.abc import Callable
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from msgspec import Struct
from msgspec.structs import replace

from deploy.barrier import last_records, wait_passed
from deploy.repartition.copying import SILENCE, copy
from deploy.repartition.moving import Sides, obstacle, strayed
from deploy.topic_configs import change_configs, read_configs
from deploy.topic_setup import admin_of
from processors.compactor.offsets import Offsets
from processors.compactor.reset import ResetError, adopt
from processors.compactor.shared import read_identities
from processors.log_identity import read_topics
from processors.sink.adopt import adopt as adopt_in_sink
from schemas.kafka_client import client_options
from schemas.settings import Settings
from schemas.topics import Topics, topics

# With it a broker takes no batch at all (the smallest has 61 bytes of its own): producers get MESSAGE_TOO_LARGE.
SEAL: Final = ("max.message.bytes", "1")
_SETTLE_SECONDS: Final = 2.0  # a change of a config reaches every broker in milliseconds; looked at again at the end
_POLL: Final = 0.1
_PAUSE: Final = 1.0
_LEFT: Final = "The old log stays sealed and nothing else has happened; run the same command again."


class RepartitionError(RuntimeError):
    """It cannot be done; the text says why and what to do."""


class Moved(Struct, frozen=True, kw_only=True):
    """What was done: records of `latest` and `removals` copied, partitions before and now, and the last offset of each
    partition of the old `reports` (they are in the state)."""

    latest: int
    removals: int
    old_partitions: int
    partitions: int
    last_offsets: dict[int, int]


async def look(settings: Settings, old_prefix: str) -> Sides:
    """Both sides as they are now.

    Args:
        settings: of the new side.
        old_prefix: of the old topics.

    Raises:
        TopicMissingError: a topic does not exist.
        PartitionsError: the new topics have not as many partitions as the settings say.
        aiokafka.errors.KafkaError, TimeoutError: Kafka.
    """
    options, new = client_options(settings, "repartition"), topics(settings)
    await read_identities(options, new)
    named = _named(settings, old_prefix, 1)
    asked = [spec.name for spec in (named.reports, named.latest, named.removals)]
    found = await read_topics(options, [*asked, new.reports.name])
    async with admin_of(settings) as admin:
        config = await read_configs(admin, {named.reports.name: [SEAL[0]]})
    return Sides(
        old_prefix=old_prefix,
        prefix=settings.kafka.topic_prefix,
        old_partitions=tuple(found[name].partitions for name in asked),
        partitions=found[new.reports.name].partitions,
        sealed=config[named.reports.name].get(SEAL[0]) == SEAL[1],
        begun=any((await _ends(settings, new.reports.name, found[new.reports.name].partitions)).values()),
        committed=await _committed(settings, found[new.reports.name].partitions),
    )


async def repartition(
    settings: Settings, old_prefix: str, seconds: float, say: Callable[[str], None], *, sink: bool = True
) -> Moved:
    """Move. Done again after any error it comes to the same.

    Args:
        settings: of the new side.
        old_prefix: of the old topics.
        seconds: how long to wait for the compactor and the sink of the old side.
        say: hears what is being done.
        sink: whether to wait for the sink.

    Raises:
        RepartitionError, UnfinishedError: it cannot be done (now).
        TopicMissingError, PartitionsError: as of `look`.
        aiokafka.errors.KafkaError, TimeoutError: Kafka.
    """
    sides = await look(settings, old_prefix)
    if reason := obstacle(sides):
        raise RepartitionError(reason)
    count = sides.old_partitions[0]
    old_settings = replace(settings, partitions=count, kafka=replace(settings.kafka, topic_prefix=old_prefix))
    old, new = topics(old_settings), topics(settings)
    await _seal(settings, old.reports.name)
    say(
        f"{old.reports.name} is sealed: start the ingress with the new settings now; what it takes waits on the new log"
    )
    ends = await _ends(settings, old.reports.name, count)
    last = await last_records(old_settings)
    await wait_passed(old_settings, last, seconds, _LEFT, ("compactor", "sink") if sink else ("compactor",))
    say(f"all of {old.reports.name} is in the table" + (" and in ClickHouse" if sink else ""))
    done = {}
    for name in ("removals", "latest"):
        source, target = getattr(old, name), getattr(new, name)
        done[name] = await copy(settings, source, target, lambda records, at=source.name: say(f"{at}: {records}"))  # type: ignore[misc]
    if found := strayed(ends, await _ends(settings, old.reports.name, count)):
        raise RepartitionError(f"{old.reports.name} was written to while it was sealed, partitions {found}. {_LEFT}")
    say(f"the state is copied: stop every `pushtokens compact` and `pushtokens sink` of {old_prefix} now")
    await _adopted(settings, seconds)
    return Moved(
        latest=done["latest"],
        removals=done["removals"],
        old_partitions=count,
        partitions=settings.partition_count,
        last_offsets=last,
    )


async def _adopted(settings: Settings, seconds: float) -> None:
    """Mark the new side as complete, for the compactor and for the sink, whose rows of the old log are in the same
    table: Kafka takes that as soon as their groups have no member."""
    end = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            await adopt_in_sink(settings)
            await adopt(settings)  # last: that the compactor's group has an offset means that all is done
            return
        except (ResetError, KafkaError, TimeoutError) as error:
            if asyncio.get_running_loop().time() > end:
                raise RepartitionError(f"a compactor or a sink is still running ({error}). {_LEFT}") from error
        await asyncio.sleep(_PAUSE)


async def unseal(settings: Settings, old_prefix: str) -> None:
    """Let the old log take reports again. Raises KafkaError."""
    async with admin_of(settings) as admin:
        await change_configs(admin, {_named(settings, old_prefix, 1).reports.name: {SEAL[0]: None}})


async def _seal(settings: Settings, topic: str) -> None:
    name, value = SEAL
    async with admin_of(settings) as admin:
        await change_configs(admin, {topic: {name: value}})
        async with asyncio.timeout(SILENCE):
            while (await read_configs(admin, {topic: [name]}))[topic].get(name) != value:  # noqa: ASYNC110
                await asyncio.sleep(_POLL)
    await asyncio.sleep(_SETTLE_SECONDS)


def _named(settings: Settings, prefix: str, partitions: int) -> Topics:
    return topics(replace(settings, partitions=partitions, kafka=replace(settings.kafka, topic_prefix=prefix)))


async def _ends(settings: Settings, topic: str, partitions: int) -> dict[int, int]:
    parts = [TopicPartition(topic, number) for number in range(partitions)]
    consumer = AIOKafkaConsumer(**client_options(settings, "repartition"))
    async with asyncio.timeout(SILENCE):
        await consumer.start()
        try:
            return {part.partition: end for part, end in (await consumer.end_offsets(parts)).items()}
        finally:
            await consumer.stop()


async def _committed(settings: Settings, partitions: int) -> bool:
    offsets = Offsets(client_options(settings, "repartition"), settings.compact.group, topics(settings).reports.name)
    await offsets.start()
    try:
        return any([(await offsets.committed(partition)).offset is not None for partition in range(partitions)])
    finally:
        await offsets.close()

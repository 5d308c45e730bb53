"""The second-site drill of docs/backup.md: topics as MirrorMaker 2 copies them, the log adopted, the same pairs."""

import asyncio
import time
from typing import Any

from aiokafka import AIOKafkaProducer
from msgspec.structs import replace

from deploy.topic_setup import set_up_topics
from processors.compactor.exit_codes import WRONG_LOG
from processors.compactor.reset import adopt
from schemas.kafka_client import client_options
from schemas.records import decode_latest
from schemas.settings import Settings
from schemas.topics import topics
from tests.compaction import last_values, read_all, wait_applied
from tests.integration.compactor.conftest import SettingsWithTopics, StartWorker
from tests.integration.compactor.test_logs import applied, ended
from tests.sinking import publish, report


async def mirror(here: Settings, there: Settings) -> None:
    """Copy what is committed: same partition, key and value; offsets, times and the topics' identities are new."""
    pairs = [
        (getattr(topics(here), name).name, getattr(topics(there), name).name)
        for name in ("latest", "removals", "reports")
    ]
    async with AIOKafkaProducer(**client_options(there, "mirror"), acks="all", linger_ms=5) as producer:
        for source, target in pairs:
            sent = [
                await producer.send(target, one.value, key=one.key, partition=one.partition)
                for one in await read_all(here, source)
            ]
            await asyncio.gather(*sent)


async def known(settings: Settings) -> dict[str, Any]:
    """The pairs on `latest`, by selector."""
    found = last_values(await read_all(settings, topics(settings).latest.name))
    states = {selector: decode_latest(value) for selector, value in found.items()}
    return {
        selector: [(pair.token, pair.app_id) if pair else None for pair in (state.calls, state.other)]
        for selector, state in states.items()
    }


async def test_the_other_site_knows_the_same_pairs_once_the_log_is_adopted(
    topics_for: SettingsWithTopics, start_worker: StartWorker
) -> None:
    here = await topics_for()
    now = time.time_ns() // 1_000_000
    sent = [report(number, at=now - 2000) for number in range(1500)]
    gone = [
        replace(one, id=f"{one.id}-gone", kind="removal", calls=None, other=None, received_at=sent[1000].received_at)
        for one in sent[:1000:37]
    ]
    await publish(here, sent[:1000] + gone + sent[1000:])
    await applied(here, start_worker, "here")
    there = replace(
        here,
        kafka=replace(here.kafka, topic_prefix=f"{here.kafka.topic_prefix}-b"),
        compact=replace(here.compact, group=f"{here.compact.group}-b"),
    )
    await set_up_topics(there)
    await mirror(here, there)
    # Never by itself: the copied states name the log of the first site.
    assert "adopt-log" in await ended(start_worker(there, "there"), WRONG_LOG)
    await adopt(there)
    worker = start_worker(there, "there")
    await wait_applied(there)
    await asyncio.to_thread(worker.stop)
    expected = await known(here)
    assert len(expected) > 400
    assert await known(there) == expected

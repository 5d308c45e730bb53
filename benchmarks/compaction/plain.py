"""The limit: aiokafka consumes, every record is parsed, offsets are committed; nothing is kept or written."""

import asyncio

from aiokafka import AIOKafkaConsumer

from benchmarks.compaction.spec import Spec, on_first_fetch
from schemas.records import decode_report


async def consume(spec: Spec) -> None:
    """Read and parse `spec.remaining` records."""
    consumer = AIOKafkaConsumer(
        spec.reports,
        bootstrap_servers=spec.bootstrap,
        group_id=spec.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    await consumer.start()
    try:
        left, uncommitted = spec.remaining, 0
        while left > 0:
            for records in (await consumer.getmany(timeout_ms=1000, max_records=5000)).values():
                for record in records:
                    decode_report(record.value)
                left -= len(records)
                uncommitted += len(records)
            if uncommitted >= 50_000 or left <= 0:
                await consumer.commit()
                uncommitted = 0
    finally:
        await consumer.stop()


if __name__ == "__main__":
    told = Spec.read()
    on_first_fetch(told, told.first)
    asyncio.run(consume(told))

"""The stock Faust agent with a table, as Faust's manual writes it, doing the compactor's work with the same merge."""

import sys
from typing import Any, Final

import faust

from benchmarks.compaction.spec import Spec, on_first_fetch
from benchmarks.compaction.work import Record, Work

SETTINGS: Final = {
    "producer_acks": -1,
    "producer_linger": 0.02,
    "producer_max_batch_size": 262144,
    "broker_max_poll_records": 5000,
    "broker_commit_interval": 0.5,
    "stream_buffer_maxsize": 16384,
    "stream_publish_on_commit": False,
    "web_enabled": False,
}


def application(spec: Spec) -> faust.App:
    """The application: one agent, one table, one topic of changes."""
    app = faust.App(
        spec.group,
        broker=f"kafka://{spec.bootstrap}",
        store=f"{spec.store}://",
        datadir=spec.data_dir,
        topic_partitions=spec.partitions,
        topic_replication_factor=1,
        consumer_auto_offset_reset="earliest",
        **SETTINGS,
    )
    raw: dict[str, Any] = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}
    reports = app.topic(spec.reports, **raw)
    changes = app.topic(f"{spec.prefix}.changes", partitions=spec.partitions, replicas=1, **raw)
    table = app.Table("latest", partitions=spec.partitions, key_type=bytes, value_type=bytes)  # bytes: stored raw
    work = Work(spec.log_id, spec.partitions)
    left = spec.remaining

    @app.agent(reports)
    async def compact(stream: Any) -> None:
        nonlocal left
        async for event in stream.events():
            message = event.message
            known = table.get(message.key)
            # Faust gives the append time in seconds; its consumer's own record has it in ms, as the merge wants it.
            record = Record(message.offset, round(message.timestamp * 1000), message.key, message.value)
            merged, changed = work.merge(known, record, message.partition)
            if merged is not None and merged is not known:
                table[message.key] = merged
            for change in changed:
                await changes.send(key=message.key, value=change)
            left -= 1
            if left == 0:
                await app.producer.flush()
                spec.done()

    return app


if __name__ == "__main__":
    told = Spec.read()
    on_first_fetch(told, told.first)
    sys.argv = [sys.argv[0], "worker", "--without-web", "--loglevel", "warn"]
    application(told).main()

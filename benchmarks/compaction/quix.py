"""quixstreams with RocksDB state doing the compactor's work: same merge, durable changelog, a changes topic, acks=all.

Its own API for bytes is used throughout (`get_bytes`, `set_bytes`, bytes topics), which spares it a second JSON pass.
"""

from pathlib import Path
from typing import Any, Final

from quixstreams import Application, State, message_context
from quixstreams.models import TopicConfig
from quixstreams.state.rocksdb import RocksDBOptions

from benchmarks.compaction.spec import Spec
from benchmarks.compaction.work import Record, Work

KEY: Final = b"latest"
CONSUMER: Final = {"isolation.level": "read_committed", "queued.max.messages.kbytes": 65536}
PRODUCER: Final = {
    "acks": "all",
    "enable.idempotence": True,
    "linger.ms": 20,
    "batch.size": 262144,
    "queue.buffering.max.messages": 1_000_000,
}


class Counter:
    """Stops the application once its work is done; the last checkpoint is then committed."""

    def __init__(self, spec: Spec) -> None:
        self.app: Application | None = None
        self._left = spec.remaining

    def __call__(self, topic: str, partition: int, offset: int) -> None:
        self._left -= 1
        if self._left == 0 and self.app is not None:
            self.app.stop()


def application(spec: Spec) -> Application:
    """The application: `reports` to state and changelog, and to the changes topic."""
    counter = Counter(spec)
    counter.app = app = Application(
        broker_address=spec.bootstrap,
        consumer_group=spec.group,
        auto_offset_reset="earliest",
        state_dir=Path(spec.data_dir),
        rocksdb_options=RocksDBOptions(),
        consumer_extra_config=dict(CONSUMER),
        producer_extra_config=dict(PRODUCER),
        processing_guarantee="exactly-once" if spec.exactly_once else "at-least-once",
        on_message_processed=counter,
        loglevel="WARNING",
    )
    one = TopicConfig(num_partitions=spec.partitions, replication_factor=1)
    reports = app.topic(spec.reports, value_deserializer="bytes", key_deserializer="bytes")
    changes = app.topic(f"{spec.prefix}.changes", value_serializer="bytes", key_serializer="bytes", config=one)
    app.dataframe(reports).apply(merging(spec), stateful=True, metadata=True, expand=True).to_topic(changes)
    return app


def merging(spec: Spec) -> Any:
    """The stateful function: it merges one report and returns the change records."""
    work = Work(spec.log_id, spec.partitions)
    stamped = False

    def merge(value: bytes, key: bytes, timestamp: int, headers: object, state: State) -> list[bytes]:
        nonlocal stamped
        if not stamped:
            stamped = True
            spec.first()
        at = message_context()
        known = state.get_bytes(KEY)
        merged, changes = work.merge(known, Record(at.offset, timestamp, key, value), at.partition)
        if merged is not None and merged is not known:
            state.set_bytes(KEY, merged)
        return changes

    return merge


if __name__ == "__main__":
    application(Spec.read()).run()

"""Who runs: the command of each contender, the settings it runs with (they are printed), and where its state is."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import Struct

from benchmarks.compaction.broker import Broker
from benchmarks.compaction.spec import Spec
from deploy.local.process import Process

ROOT: Final = Path(__file__).resolve().parent.parent.parent


class Contender(Struct, frozen=True, kw_only=True):
    """One way to do the work.

    Args:
        name: for people and files.
        module: its program in `benchmarks.compaction`.
        store: `rocksdb`, `memory`, or Faust's `rocksdb`.
        settings: what was set and why, in words.
        most: records it is timed on at most (rates are compared), 0: all.
        keeps: whether it keeps a state to be checked.
        exactly_once: Kafka transactions (ours always).
        workers: commands in the group; more than one only start from nothing.
        processes: of one worker (ours).
    """

    name: str
    module: str
    store: str
    settings: str
    most: int = 0
    keeps: bool = True
    exactly_once: bool = False
    workers: int = 1
    processes: int = 1

    def process(self, spec: Spec, log: Path) -> Process:
        """Its process, not yet started."""
        return Process(
            self.name,
            [sys.executable, "-m", f"benchmarks.compaction.{self.module}", spec.text()],
            log,
            {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        )

    def state_topic(self, broker: Broker, spec: Spec) -> tuple[str, Callable[[bytes], bytes]]:
        """The topic that holds its state (its changelog), and how a selector is found in a key."""
        if self.module == "ours":
            return f"{spec.prefix}.latest", bytes
        if self.module == "stock":
            return f"{spec.group}-latest-changelog", bytes
        (name,) = broker.topics(f"changelog__{spec.group}")
        return name, lambda key: key.rpartition(b"|")[0]


CONTENDERS: Final = {
    contender.name: contender
    for contender in (
        Contender(
            name="ours-rocksdb",
            module="ours",
            store="rocksdb",
            settings="as shipped, compact.store=rocksdb; Kafka transactions, acks=all, read_committed",
        ),
        Contender(
            name="ours-memory",
            module="ours",
            store="memory",
            settings="as shipped, compact.store=memory; Kafka transactions, acks=all, read_committed",
        ),
        Contender(
            name="ours-rocksdb-2-processes",
            module="ours",
            store="rocksdb",
            processes=2,
            settings="as ours-rocksdb, compact.processes=2 (one worker on both cores)",
        ),
        Contender(
            name="ours-rocksdb-2-workers",
            module="ours",
            store="rocksdb",
            workers=2,
            settings="as ours-rocksdb, two of them in one group",
        ),
        Contender(
            name="quixstreams",
            module="quix",
            store="rocksdb",
            settings="at-least-once (its default), RocksDB state with its default options (1 GiB block cache, lz4), "
            "bytes topics and get_bytes/set_bytes, commit_interval 5 s (default), acks=all, idempotent, linger 20 ms, "
            "batches of 256 KiB, producer queue of 1,000,000 messages",
        ),
        Contender(
            name="quixstreams-exactly-once",
            module="quix",
            store="rocksdb",
            exactly_once=True,
            settings="as quixstreams, with processing_guarantee=exactly-once",
        ),
        Contender(
            name="faust-stock",
            module="stock",
            store="memory",
            most=30_000,
            settings="one agent, one table write per event, memory store (its fastest), raw serializers, acks=-1, "
            "linger 20 ms, polls of 5,000, commit every 0.5 s, web server off",
        ),
        Contender(
            name="faust-stock-rocksdb",
            module="stock",
            store="rocksdb",
            most=30_000,
            settings="as faust-stock, with the RocksDB store (rocksdict)",
        ),
        Contender(
            name="plain-consume",
            module="plain",
            store="",
            keeps=False,
            settings="aiokafka getmany(5000), msgspec parse of every record, read_committed, commit every 50,000",
        ),
    )
}

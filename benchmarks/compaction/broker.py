"""Kafka as the benchmark uses it (by librdkafka): topics, loading, offsets, and what a topic holds in the end."""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Callable, Iterable, Iterator

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from msgspec import Struct

from processors.log_identity import read_log_id
from schemas.cloudevents import headers
from schemas.topics import TopicSpec


class Survey(Struct, frozen=True):
    """What a compacted topic says: messages read, keys that have a value, a digest of keys and values."""

    messages: int
    keys: int
    digest: str


class Broker:
    """One Kafka cluster. Every wait ends after `deadline` seconds."""

    def __init__(self, bootstrap: str, deadline: float = 60.0) -> None:
        self.bootstrap = bootstrap
        self._deadline = deadline
        self._admin = AdminClient({"bootstrap.servers": bootstrap})
        self._watchers: dict[str, Consumer] = {}

    def create(self, specs: Iterable[TopicSpec]) -> None:
        """Create topics and wait until each has its leaders."""
        new = [NewTopic(spec.name, spec.partitions, spec.replicas, config=spec.config) for spec in specs]
        for future in self._admin.create_topics(new).values():
            future.result(self._deadline)
        for topic in new:
            self.ends(topic.topic)

    def delete(self, prefix: str) -> None:
        """Delete every topic whose name starts with `prefix`, so that the disk holds one run only."""
        names = [name for name in self._admin.list_topics(timeout=self._deadline).topics if name.startswith(prefix)]
        for future in self._admin.delete_topics(names).values() if names else ():
            with contextlib.suppress(KafkaException):  # one that is being deleted is still listed for a moment
                future.result(self._deadline)

    def topics(self, prefix: str) -> list[str]:
        """Names of the topics that start with `prefix`."""
        return sorted(
            name for name in self._admin.list_topics(timeout=self._deadline).topics if name.startswith(prefix)
        )

    def topic_id(self, topic: str) -> str:
        """The topic's identity, as our roles read it."""
        return asyncio.run(read_log_id({"bootstrap_servers": self.bootstrap}, topic))

    def load(self, topic: str, messages: Iterable[tuple[bytes, bytes]]) -> int:
        """Write keyed messages with the headers that the ingress writes (CloudEvents), partitioned by Kafka's murmur2;
        returns how many, all confirmed by the broker."""
        failures: list[str] = []
        producer = self._producer()
        count = 0

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error:
                failures.append(str(error))

        for key, value in messages:
            told: list[tuple[str, str | bytes | None]] = [
                *headers("report", f"{count:032x}", time.time_ns() // 1_000_000)
            ]
            while True:
                try:
                    producer.produce(topic, value, key, headers=told, on_delivery=delivered)
                    break
                except BufferError:
                    producer.poll(0.1)
            count += 1
            if count % 1000 == 0:
                producer.poll(0)
        if producer.flush(self._deadline) or failures:
            raise RuntimeError(f"loading {topic} failed: {failures[:1]}")
        return count

    def ends(self, topic: str) -> list[int]:
        """The end offset of every partition of `topic`; waits while a new topic's partitions get their leaders."""
        watcher = self._watcher("benchmark-ends")
        until = time.monotonic() + self._deadline
        while True:
            try:
                count = len(watcher.list_topics(topic, timeout=self._deadline).topics[topic].partitions)
                asked = [TopicPartition(topic, number) for number in range(count)]
                found = [watcher.get_watermark_offsets(each, self._deadline, cached=False)[1] for each in asked]
            except KafkaException:
                found = []
            if found:
                return found
            if time.monotonic() > until:
                raise TimeoutError(f"{topic} has no leader")
            time.sleep(0.1)

    def committed(self, group: str, topic: str, partitions: int) -> list[int]:
        """What `group` has committed on each partition of `topic` (0 where nothing is)."""
        asked = [TopicPartition(topic, number) for number in range(partitions)]
        until = time.monotonic() + self._deadline
        while True:
            try:
                found = self._watcher(group).committed(asked, timeout=self._deadline)
            except KafkaException as error:  # a coordinator that has just moved, say
                if not error.args[0].retriable() or time.monotonic() > until:
                    raise
                time.sleep(0.1)
            else:
                return [max(0, each.offset) for each in found]

    def sharing(self, group: str, topic: str) -> int:
        """How many members of `group` have partitions of `topic`."""
        described = self._admin.describe_consumer_groups([group])[group].result(self._deadline)
        return sum(
            any(partition.topic == topic for partition in member.assignment.topic_partitions)
            for member in described.members
            if member.assignment is not None
        )

    def survey(self, topic: str, key_of: Callable[[bytes], bytes] = bytes) -> Survey:
        """Read `topic` to its end (read_committed) and count the keys whose last message has a value.

        Args:
            topic: a compacted topic.
            key_of: the part of a message's key that counts.
        """
        last: dict[bytes, int] = {}
        count = 0
        for message in self._read(topic):
            count += 1
            key = key_of(message.key() or b"")
            value = message.value()
            if value is None:
                last.pop(key, None)
            else:
                last[key] = int.from_bytes(hashlib.blake2b(key + b"\0" + value, digest_size=8).digest())
        return Survey(messages=count, keys=len(last), digest=f"{sum(last.values()) & (1 << 64) - 1:016x}")

    def count(self, topic: str) -> int:
        """How many messages a read_committed reader finds in `topic`."""
        return sum(1 for _ in self._read(topic))

    def close(self) -> None:
        """Let go of every connection."""
        for watcher in self._watchers.values():
            watcher.close()
        self._watchers.clear()

    def _producer(self) -> Producer:
        return Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "acks": "all",
                "partitioner": "murmur2",
                "linger.ms": 20,
                "batch.size": 262144,
                "queue.buffering.max.messages": 200_000,
            }
        )

    def _watcher(self, group: str) -> Consumer:
        """A consumer that never joins its group: it only asks.

        Not as `read_committed`, librdkafka's default: then it asks for stable offsets (KIP-447), so while a transaction
        of the group is open it gets no answer, asks again after 0.1 to 1 s, and sees the end of a transactional
        contender's work seconds late. What is answered now is committed too: Kafka shows a transaction's offset to
        nobody before its commit.
        """
        if group not in self._watchers:
            self._watchers[group] = Consumer(
                {
                    "bootstrap.servers": self.bootstrap,
                    "group.id": group,
                    "enable.auto.commit": False,
                    "isolation.level": "read_uncommitted",
                }
            )
        return self._watchers[group]

    def _read(self, topic: str) -> Iterator[Message]:
        reader = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "benchmark-survey",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
            }
        )
        try:
            yield from self._to_the_end(reader, topic)
        finally:
            reader.close()

    def _to_the_end(self, reader: Consumer, topic: str) -> Iterator[Message]:
        open_partitions = set(range(len(self.ends(topic))))
        reader.assign([TopicPartition(topic, number, 0) for number in open_partitions])
        until = time.monotonic() + self._deadline * 5
        while open_partitions:
            if time.monotonic() > until:
                raise TimeoutError(f"{topic} could not be read to its end")
            for message in reader.consume(10_000, 1.0):
                if message.error() is None:
                    yield message
                else:  # the only one asked for: the end of a partition
                    open_partitions.discard(message.partition())

"""Handle each change once, with confluent-kafka (librdkafka). At least once from Kafka, once in your database.

    python examples/follow_changes.py --bootstrap kafka:9092 --database changes.sqlite

A change and its `id` go into the database in one transaction, and the offset to Kafka after that: what is read again
after a crash is there already, by its `id`. The database is yours: this one keeps no token.
"""

import argparse
import signal
import sqlite3
import sys
from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaException, Message

from schemas.consumer.message import read_message
from schemas.records import Change, InvalidRecordError

TABLE = """CREATE TABLE IF NOT EXISTS changes
    (id TEXT PRIMARY KEY, change TEXT, slot TEXT, selector TEXT, changed_at INTEGER) STRICT"""


def changes(messages: list[Message]) -> Iterator[Change]:
    """What the messages are. Later versions' changes are none of ours to handle; what is broken is said."""
    for message in messages:
        if error := message.error():
            if error.fatal():
                raise KafkaException(error)
            print(error, file=sys.stderr)  # librdkafka goes on trying
            continue
        try:
            found = read_message("changes", message.key(), message.value(), message.headers())  # type: ignore[arg-type]
        except InvalidRecordError as broken:
            print(f"partition {message.partition()} offset {message.offset()}: {broken}", file=sys.stderr)
            continue
        if isinstance(found, Change):
            yield found


def main(bootstrap: str, topic: str, group: str, database: str) -> None:
    running = True

    def stop(*_: object) -> None:
        nonlocal running
        running = False

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",  # librdkafka's default; written down because it matters
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([topic])
    with sqlite3.connect(database) as table:
        table.execute(TABLE)
        while running:
            messages = consumer.consume(500, timeout=0.5)
            rows = [(each.id, each.change, each.slot, each.selector, each.changed_at) for each in changes(messages)]
            table.executemany("INSERT INTO changes VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING", rows)
            table.commit()
            if messages:
                consumer.commit(asynchronous=False)
    consumer.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap", default="127.0.0.1:9092")
    parser.add_argument("--topic", default="push-token.changes")
    parser.add_argument("--group", default="example-changes")
    parser.add_argument("--database", default="changes.sqlite")
    main(**vars(parser.parse_args()))

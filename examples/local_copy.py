"""Keep a local copy of `latest` and look up before sending a push; with aiokafka. No question to Kafka per push.

Standard input: a selector a line. Standard output: what to push to, a line each. Those hold push tokens: they are for
the program that sends the push, never for a log.
"""

import argparse
import asyncio
import json
import logging
import sys
import time
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.consumer.latest_copy import LatestCopy

LOOK, WAIT = 2.0, 5.0  # seconds: between two looks at the ends of the log, for an answer of Kafka's
Parts = frozenset[TopicPartition]


async def ends_of(consumer: AIOKafkaConsumer, parts: Parts) -> tuple[dict[int, int], int]:
    asked = time.time_ns() // 1_000_000  # before the question: the answer may be older than its arrival
    found = await asyncio.wait_for(consumer.end_offsets(parts), WAIT)
    return {part.partition: end for part, end in found.items()}, asked


async def follow(consumer: AIOKafkaConsumer, parts: Parts, copy: LatestCopy, complete: asyncio.Event) -> None:
    """Fold in what comes, for ever. While Kafka is away the copy stays as it is, and its age grows."""
    looked = time.monotonic()
    while True:
        try:
            for part, records in (await consumer.getmany(timeout_ms=200)).items():
                for record in records:
                    copy.take(part.partition, record.offset, record.key, record.value, record.headers)
            if time.monotonic() - looked > LOOK:
                looked = time.monotonic()
                copy.see(*await ends_of(consumer, parts))
            for part in parts:
                copy.reached(part.partition, await asyncio.wait_for(consumer.position(part), WAIT))
            if copy.complete:
                complete.set()
        except (KafkaError, TimeoutError) as error:
            print(f"Kafka does not answer ({type(error).__name__}): going on with what is known", file=sys.stderr)
            await asyncio.sleep(1.0)


async def answer(copy: LatestCopy, complete: asyncio.Event, stale_ms: int) -> None:
    """A pair that is stale is still the best guess there is: push to it, or ask the lookup API first."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    await complete.wait()
    while line := (await lines.readline()).decode().strip():
        known, age = copy.get(line), copy.age_ms(time.time_ns() // 1_000_000)
        found = {"selector": line, "known": msgspec.to_builtins(known), "age_ms": age, "stale": age > stale_ms}
        print(json.dumps(found), flush=True)


async def main(topic: str, stale_ms: int, **options: Any) -> None:
    options |= {"auto_offset_reset": "earliest", "isolation_level": "read_committed", "metadata_max_age_ms": 10_000}
    consumer = AIOKafkaConsumer(topic, **options)
    try:
        await consumer.start()
        parts = consumer.assignment()  # all: there is no consumer group
        copy, complete = LatestCopy(*await ends_of(consumer, parts)), asyncio.Event()
        following = asyncio.create_task(follow(consumer, parts, copy, complete))
        answering = asyncio.create_task(answer(copy, complete, stale_ms))
        done, _ = await asyncio.wait((following, answering), return_when=asyncio.FIRST_COMPLETED)
        following.cancel()
        done.pop().result()  # LogChangedError: the topic was made anew; start again, with a new copy
    except (KafkaError, TimeoutError) as error:  # at the start: `follow` bears them
        sys.exit(f"Kafka does not answer ({type(error).__name__}): {options['bootstrap_servers']}")
    finally:
        await consumer.stop()


if __name__ == "__main__":
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())  # what it has to say is said here
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap", dest="bootstrap_servers", default="127.0.0.1:9092")
    parser.add_argument("--topic", default="push-token.latest")
    parser.add_argument("--stale-ms", type=int, default=30_000)
    asyncio.run(main(**vars(parser.parse_args())))

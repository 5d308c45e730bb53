"""Keep a local copy of `latest`, and look up in it before sending a push. With aiokafka; asks Kafka for nothing per push.

    python examples/local_copy.py --bootstrap kafka:9092
    > 12869E0E6E553673C54F29105A0647204C416A2A:7C3A0D14        (on standard input: a selector a line)
    < {"selector": …, "known": {"calls": {"token": …}, …}, "age_ms": 340, "stale": false}

What it prints holds push tokens: it is meant for the program that sends the push, not for a log.
"""

import argparse
import asyncio
import json
import sys
import time

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.consumer.latest_copy import LatestCopy, LogChangedError

SECONDS = 2.0  # between two looks at the ends of the log
WAIT = 10.0  # for an answer of Kafka's


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def begin(consumer: AIOKafkaConsumer, topic: str) -> LatestCopy:
    """Stand at the beginning of every partition. No consumer group: every copy reads all of it."""
    parts = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
    assert parts, f"there is no topic {topic}"
    consumer.assign(parts)
    asked = now_ms()
    ends = await asyncio.wait_for(consumer.end_offsets(parts), WAIT)
    await consumer.seek_to_beginning(*parts)
    return LatestCopy({part.partition: end for part, end in ends.items()}, asked)


async def follow(consumer: AIOKafkaConsumer, copy: LatestCopy) -> None:
    """Fold in what comes, for ever; while Kafka is away the copy stays as it is and its age grows."""
    parts = sorted(consumer.assignment())
    looked = 0.0
    while True:
        try:
            for part, records in (await consumer.getmany(timeout_ms=200)).items():
                for record in records:
                    copy.take(part.partition, record.offset, record.key, record.value, record.headers)
            for part in parts:
                copy.reached(part.partition, await asyncio.wait_for(consumer.position(part), WAIT))
            if time.monotonic() - looked > SECONDS:
                looked, asked = time.monotonic(), now_ms()
                ends = await asyncio.wait_for(consumer.end_offsets(parts), WAIT)
                copy.see({part.partition: end for part, end in ends.items()}, asked)
        except (KafkaError, TimeoutError) as error:
            print(f"Kafka does not answer ({type(error).__name__}); going on with the copy", file=sys.stderr)
            await asyncio.sleep(1.0)


async def answer(copy: LatestCopy, stale_ms: int) -> None:
    """One line in, one line out. A pair that is `stale` is still the best guess there is: send, or ask the lookup API."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        selector = line.strip()
        known, age = copy.get(selector), copy.age_ms(now_ms())
        said = {"selector": selector, "known": msgspec.to_builtins(known), "age_ms": age, "stale": age > stale_ms}
        print(json.dumps(said), flush=True)


async def main(arguments: argparse.Namespace) -> int:
    consumer = AIOKafkaConsumer(bootstrap_servers=arguments.bootstrap, isolation_level="read_committed")
    await consumer.start()
    try:
        copy = await begin(consumer, arguments.topic)
        following = asyncio.create_task(follow(consumer, copy))
        while not copy.complete and not following.done():
            await asyncio.sleep(0.05)
        if not following.done():
            print(f"complete: {len(copy)} selectors", file=sys.stderr)
            answering = asyncio.create_task(answer(copy, arguments.stale_ms))
            await asyncio.wait((following, answering), return_when=asyncio.FIRST_COMPLETED)
        if following.done():
            await following
        return 0
    except LogChangedError as error:
        print(f"{error}: start again, with a new copy", file=sys.stderr)
        return 3
    finally:
        await consumer.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap", default="127.0.0.1:9092")
    parser.add_argument("--topic", default="push-token.latest")
    parser.add_argument("--stale-ms", type=int, default=30_000)
    raise SystemExit(asyncio.run(main(parser.parse_args())))

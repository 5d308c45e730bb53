"""Holds the `reports` topic against the ledger: every 200 is there exactly once, with what the phone told."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from msgspec import Struct

from deploy.simulate.ledger import Ledger, fingerprint
from schemas.kafka_client import client_options
from schemas.records import InvalidRecordError, Report, decode_report
from schemas.settings import Settings
from schemas.topics import topics

_SILENCE: Final = 15.0  # s without a record before the reader gives up; a fetch takes half a second at most


class Finding(Struct, frozen=True, kw_only=True):
    """Numbers of requests.

    `repeated` counts only those answered at the first attempt; `extra` is allowed: records of attempts that got 503 or
    no answer. `wrong`: in the topic with other contents than sent. `uninvited`: refused, and yet there.
    """

    records: int
    missing: int
    repeated: int
    wrong: int
    uninvited: int
    extra: int

    @property
    def holds(self) -> bool:
        """Whether the promise was kept."""
        return not (self.missing or self.repeated or self.wrong or self.uninvited)


class KafkaCheck:
    """Reads what a run wrote: remember the topic's end before it, read from there to the new end after it.

    Used by requests whose User-Agent is marked (`Plan.marked`).
    """

    def __init__(self, settings: Settings, seed: int) -> None:
        self._settings = settings
        self._mark = re.compile(rf" sim/{seed}-(\d+)$")
        self._starts: dict[Any, int] = {}

    async def before(self) -> None:
        """Remember where the topic ends now.

        Raises:
            aiokafka.errors.KafkaError: the broker cannot be asked.
        """
        async with self._consumer() as consumer:
            self._starts = await consumer.end_offsets(self._partitions())

    async def after(self, ledger: Ledger) -> Finding:
        """Read what came since `before` and compare.

        Raises:
            aiokafka.errors.KafkaError: the broker cannot be asked.
            TimeoutError: the topic's end was not reached.
        """
        counts: Counter[int] = Counter()
        wrong = 0
        async with self._consumer() as consumer:
            consumer.assign(self._partitions())
            for partition, offset in self._starts.items():
                consumer.seek(partition, offset)
            ends = await consumer.end_offsets(self._partitions())
            async for value in _values(consumer, ends):
                if (found := self._number(value)) is not None and found[0] < len(ledger):
                    counts[found[0]] += 1
                    wrong += ledger.prints[found[0]] not in (0, fingerprint(found[1]))
        return compare(ledger, counts, wrong)

    def _partitions(self) -> list[Any]:
        spec = topics(self._settings).reports
        return [TopicPartition(spec.name, number) for number in range(spec.partitions)]

    def _consumer(self) -> Any:
        return AIOKafkaConsumer(
            **client_options(self._settings, "simulate"), isolation_level="read_committed", enable_auto_commit=False
        )

    def _number(self, value: bytes) -> tuple[int, Report] | None:
        """A record of this run: its request's number and itself."""
        try:
            report = decode_report(value)
        except InvalidRecordError:
            return None
        match = self._mark.search(report.user_agent or "")
        return (int(match[1]), report) if match else None


async def _values(consumer: Any, ends: dict[Any, int]) -> AsyncIterator[bytes]:
    """The records from where `consumer` stands to `ends`."""
    loop = asyncio.get_running_loop()
    patience = loop.time() + _SILENCE
    while any([await consumer.position(partition) < end for partition, end in ends.items()]):
        batches = await asyncio.wait_for(consumer.getmany(timeout_ms=500), _SILENCE)
        if batches:
            patience = loop.time() + _SILENCE
        elif loop.time() > patience:
            raise TimeoutError(f"the topic's end was not reached: no record for {_SILENCE:g} s")
        for message in (message for batch in batches.values() for message in batch):
            yield message.value


def compare(ledger: Ledger, counts: Counter[int], wrong: int) -> Finding:
    """Hold how often each request is in the topic (`counts`) against what was accepted; `wrong` is passed on."""
    accepted = [number for number in range(len(ledger)) if ledger.accepted[number]]
    once = {number for number in accepted if ledger.attempts[number] == 1}
    return Finding(
        records=counts.total(),
        missing=sum(1 for number in accepted if not counts[number]),
        repeated=sum(1 for number in once if counts[number] > 1),
        wrong=wrong,
        uninvited=sum(1 for number in counts if not ledger.prints[number]),
        extra=sum(
            count - ledger.accepted[number]
            for number, count in counts.items()
            if ledger.prints[number] and number not in once
        ),
    )

"""What the partitions of one worker share: clients, rules, identities, metrics."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from processors.compactor.copy import Identities
from processors.compactor.intake import Source
from processors.compactor.known import LARGEST, Known
from processors.compactor.messages import Output
from processors.compactor.metrics import Metrics
from processors.compactor.offsets import Offsets
from processors.compactor.probe import first_offset
from processors.compactor.rules import rules_of
from processors.compactor.tail import Tail
from processors.compactor.writer import Step, Writer
from processors.log_identity import LogIdentityError, TopicMissingError, read_topics
from processors.waits import Wait
from schemas.settings import Settings
from schemas.topics import Topics, topics


class PartitionsError(Exception):
    """The topics are not as the settings say; the text says what to do."""


READERS: Final = 2  # threads that read the store ahead of merging


class Shared:
    """Made once per worker, when the identities of the topics are known."""

    def __init__(
        self,
        settings: Settings,
        options: Mapping[str, Any],
        identities: Identities,
        source: Source,
        metrics: Metrics,
        step: Step,
    ) -> None:
        self.topics = topics(settings)
        self.topic = self.topics.reports.name
        self.group = settings.compact.group
        self.partitions = settings.partition_count
        self.rules = rules_of(settings.compact)
        self.compress = settings.compact.compression == "lz4"
        self.max_batch = settings.compact.max_batch
        self.session_timeout = settings.compact.session_timeout
        self.identities = identities
        self.source = source
        self.metrics = metrics
        self.step = step
        self.tail = Tail(options, self.topics, metrics.followed)
        self.offsets = Offsets(options, self.group, self.topic)
        self.readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")
        self.warming = asyncio.Lock()
        self._options = dict(options)
        self._timeout = settings.compact.transaction_timeout

    def known(self) -> Known:
        """New fingerprints for a partition; as if all of them were this worker's."""
        return Known(self.rules.touch_interval, LARGEST // (1 << (self.partitions - 1).bit_length()))

    def writer(self, partition: int) -> Writer:
        """A new transactional producer for a partition."""
        return Writer(self._options, self.topics, self.group, partition, self._timeout, self.step)

    async def first_offset(self, partition: int, at: int) -> int | None:
        """The first record of `reports` from `at` on, found by a reader of its own (`processors.compactor.probe`)."""
        return await first_offset(self._options, self.topic, partition, at)

    def count(self, output: Output, records: int, seconds: float, wait: Wait) -> None:
        """A batch was applied to the partition of which `wait` tells how long its records wait."""
        oldest, newest = output.appended
        wait.applied(newest)
        self.metrics.batch(records, output.counts, output.changed, output.reasons, seconds, wait.age(oldest))

    async def check_log(self) -> None:
        """Ask whether the topics are still the ones this worker started with.

        Raises:
            LogIdentityError: one of them was deleted and made again.
            aiokafka.errors.KafkaError: Kafka cannot be asked now.
        """
        try:
            now = await read_identities(self._options, self.topics)
        except TopicMissingError as error:
            raise LogIdentityError(
                f"while this worker ran, a topic was deleted ({error}). What its table holds is on disk and on topic "
                "latest. If it is meant, run `pushtokens adopt-log` once the topic is there again."
            ) from error
        if now != self.identities:
            raise LogIdentityError(
                f"a topic was deleted and made again while this worker ran (it had {self.identities}, now {now}). "
                "Nothing was changed. If that is meant, run `pushtokens adopt-log` and start again."
            )


async def read_identities(options: Mapping[str, Any], named: Topics) -> Identities:
    """The identities of the three topics now.

    Raises:
        TopicMissingError: one does not exist.
        PartitionsError: one has not as many partitions as the settings say.
        aiokafka.errors.KafkaError: Kafka cannot be asked now.
    """
    specs = (named.reports, named.latest, named.removals)
    found = await read_topics(dict(options), [spec.name for spec in specs])
    for spec in specs:
        if found[spec.name].partitions != spec.partitions:
            raise PartitionsError(
                f"topic {spec.name} has {found[spec.name].partitions} partitions, the settings say {spec.partitions}: "
                "every selector would be looked for in the wrong one. Set PUSHTOKENS_PARTITIONS to what is there."
            )
    reports, latest, removals = (found[spec.name].log_id for spec in specs)
    return Identities(reports=reports, latest=latest, removals=removals)

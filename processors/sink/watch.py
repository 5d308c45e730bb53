"""What the sink looks at now and then: its lag, the log's identity, and who was forgotten."""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any, Final

from aiokafka.errors import KafkaError

from processors.clickhouse import AwayError, RefusedError
from processors.log_identity import LogIdentityError, TopicMissingError, read_log_id, verify_log
from processors.sink.erasures import Erasures
from processors.sink.lane import Lane
from processors.sink.metrics import Metrics
from processors.sink.source import Source

logger: Final = logging.getLogger(__name__)

SECONDS: Final = 2.0  # between two looks: three requests to Kafka and one to ClickHouse each
STALE_SECONDS: Final = 10.0  # without an answer of Kafka: not ready


class Watch:
    """Looks every `SECONDS` until it is cancelled."""

    def __init__(self, source: Source, erasures: Erasures, options: Mapping[str, Any], metrics: Metrics) -> None:
        self._source, self._erasures = source, erasures
        self._options, self._metrics = dict(options), metrics
        self._heard = 0.0  # when Kafka last answered

    def trouble(self) -> str | None:
        """Why Kafka cannot be counted on, or None."""
        return "Kafka does not answer" if time.monotonic() - self._heard > STALE_SECONDS else None

    async def run(self, lanes: Mapping[int, Lane]) -> None:
        """Look again and again at the owned partitions' `lanes`, as they are then.

        Raises:
            LogIdentityError: the topic was made anew, or is gone.
        """
        while True:
            await self._look_at_kafka(lanes)
            try:
                await self._erasures.load()
            except (AwayError, RefusedError) as error:
                logger.warning("the erasures cannot be read now: %s", error)
            await asyncio.sleep(SECONDS)

    async def _look_at_kafka(self, lanes: Mapping[int, Lane]) -> None:
        try:
            ends = await self._source.ends(set(lanes))
            verify_log(self._source.log_id, await read_log_id(self._options, self._source.topic), "the sink's history")
        except TopicMissingError as error:
            raise LogIdentityError(str(error)) from error
        except (KafkaError, TimeoutError, OSError) as error:
            logger.warning("Kafka cannot be asked now: %s", type(error).__name__)
        else:
            self._heard = time.monotonic()
            owned = {at: lane for at, lane in lanes.items() if at in ends}
            lags = {at: max(0, ends[at] - lane.next_offset) for at, lane in owned.items()}
            self._metrics.lag.set(sum(lags.values()))
            self._metrics.waited.set(max((lane.wait.seconds(lags[at]) for at, lane in owned.items()), default=0.0))

"""Releasing a selector from the account that it is bound to (docs/compactor.md, "Binding"), through the log."""

import asyncio
import time
from typing import Final

from deploy.barrier import wait_passed
from deploy.lookup_client import LookupClient
from deploy.publishing import operator_record, publish
from processors.log_identity import read_log_id
from schemas.kafka_client import client_options
from schemas.lookup import SelectorAnswer
from schemas.records import Report
from schemas.settings import Settings
from schemas.topics import topics

_LEFT: Final = "The release is on the log and takes effect; run the same command again to see it done"


def record(selector: str, to: str | None, at: int) -> Report:
    """The record that releases `selector`, and binds it to the account `to` at once if there is one; `at` in ms since
    the epoch."""
    return operator_record("release", selector, at, account=to)


async def release(settings: Settings, selector: str, to: str | None, seconds: float) -> SelectorAnswer | None:
    """Release it, and wait until the compactor has applied that. May be repeated at any point.

    Args:
        selector: as the app reports it.
        to: the account that it is bound to from now on; None: to the next one that is authenticated for it.
        seconds: how long to wait for the compactor.

    Returns:
        What the compactor knows of the selector now; None: it has no pair.

    Raises:
        UnfinishedError: the compactor did not get there in time, or cannot be asked.
        TopicMissingError: there is no log.
        aiokafka.errors.KafkaError, TimeoutError: Kafka.
    """
    end = time.monotonic() + seconds
    await read_log_id(client_options(settings, "release"), topics(settings).reports.name)
    ends = await publish(settings, "release", [record(selector, to, time.time_ns() // 1_000_000)])
    await wait_passed(settings, ends, seconds, _LEFT, ("compactor",))
    with LookupClient(settings, end - time.monotonic(), _LEFT) as lookup:
        return await asyncio.to_thread(lookup.selector, selector)

"""Forgetting selectors everywhere: through the log, so that every reader of it hears, then in ClickHouse.

Order: the list of the erased first (from then on no sink writes their old records), then one removal record a selector
(reason `forget`), then the wait until compactor and sink have passed them, then the deletion of what is there.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from deploy.barrier import UnfinishedError, last_records, wait_passed
from deploy.forgetting.account import Found, find
from deploy.forgetting.copies import Copies, copies
from deploy.publishing import operator_record, publish
from processors import erasure
from processors.clickhouse import ClickHouse
from processors.log_identity import read_log_id
from schemas.kafka_client import client_options
from schemas.records import Report
from schemas.settings import Settings
from schemas.topics import topics

_AGAIN: Final = "run the same command again to delete the ClickHouse rows"

Say = Callable[[str], None]


class Forgotten(Struct, frozen=True):
    """Whose rows are gone, and what Kafka still holds."""

    found: Found
    copies: list[Copies]


class _Log(Struct, frozen=True):
    """The log's identity, and how far it is to be read before rows are deleted: partition to offset."""

    log_id: str
    ends: dict[int, int]


async def forget(settings: Settings, found: Found, username: str | None, seconds: float, say: Say) -> Forgotten:
    """Forget selectors, or an account. May be repeated at any point.

    Args:
        found: whom. Of those that were passed on, only what they reported for the account goes.
        username: the account; None when selectors were asked for.
        seconds: how long to wait for compactor and sink.
        say: hears of each step (one line, no name in it).

    Raises:
        UnfinishedError: compactor or sink did not get there in time.
        RefusedError, AwayError: ClickHouse.
        aiokafka.errors.KafkaError, TimeoutError: Kafka.
    """
    at = time.time_ns() // 1_000_000
    log_id = await read_log_id(client_options(settings, "forget"), topics(settings).reports.name)
    with ClickHouse(settings, timeout=seconds) as clickhouse:
        await asyncio.to_thread(erasure.list_erased, clickhouse, found.own, username, at)
        if username is not None:
            found = await _once_more(settings, clickhouse, found, username, at, seconds)
        ends = (await last_records(settings) if found.passed_on else {}) | await publish(
            settings, "forget", (removal(selector, at) for selector in found.own)
        )
        say(f"{len(found.own)} {'removal' if len(found.own) == 1 else 'removals'} on the log")
        left = f"The removal is on the log and takes effect; {_AGAIN}"
        await wait_passed(settings, ends, seconds, left)
        say("compactor and sink have passed them")
        log = _Log(log_id, ends)
        some = await asyncio.to_thread(_delete, settings, clickhouse, found.own, None, log, at)
        if username is not None:
            some |= await asyncio.to_thread(_delete, settings, clickhouse, found.passed_on, username, log, at)
    say("ClickHouse rows deleted" if some else "ClickHouse had no row of this: was the name right, to the letter?")
    return Forgotten(found, await copies(settings))


async def _once_more(
    settings: Settings, clickhouse: ClickHouse, found: Found, username: str, at: int, seconds: float
) -> Found:
    """Search again now that the user name is on the list: an import that began before has put its last record of the
    account onto the log, or sees the name when it looks behind itself."""
    new = await find(settings, username, seconds, f"The account is on the list of the erased; {_AGAIN}")
    own = tuple(sorted({*found.own, *new.own} - set(new.passed_on)))
    await asyncio.to_thread(erasure.list_erased, clickhouse, own, username, at)
    return Found(own, new.passed_on)


def _delete(
    settings: Settings, clickhouse: ClickHouse, selectors: Sequence[str], username: str | None, log: _Log, at: int
) -> bool:
    """Delete the rows; returns whether there was one."""
    some = False
    for start in range(0, len(selectors), erasure.CHUNK):
        whose = erasure.Whose(selectors[start : start + erasure.CHUNK], username)
        newest = erasure.newest_before(clickhouse, whose, log.log_id, log.ends)
        if newest is not None and newest > at:  # an ingress whose clock is ahead of this machine's
            at = newest
            erasure.list_erased(clickhouse, () if username else whose.selectors, username, at)
        some |= newest is not None
        erasure.delete_rows(clickhouse, settings.clickhouse, whose, at)
        if left := erasure.rows_left(clickhouse, whose, at):
            raise UnfinishedError(f"{left} rows are still in ClickHouse: run the same command again")
    return some


def removal(selector: str, at: int) -> Report:
    """The record that makes every reader of the log forget `selector`; `at` in ms since the epoch."""
    return operator_record("removal", selector, at, reason="forget")

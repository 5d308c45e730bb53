"""The final account: each 200 is on the log once, the table is what the log says, ClickHouse has each record once."""

import asyncio
import time
from collections import Counter

from processors.clickhouse import AwayError
from schemas.records import decode_report
from schemas.settings import Settings
from schemas.topics import topics
from tests.cluster.load import Load
from tests.compaction import differences, wait_applied
from tests.pipeline import read_topic
from tests.poll import elapse_async, until_async
from tests.sinking import tally

SINK_SECONDS = 120.0
APPLIED_SECONDS = 120.0
VISIBLE_SECONDS = 30.0


def promised(statuses: dict[str, int | None], tokens: Counter[str]) -> list[str]:
    """What is wrong with the log (texts): each 200 is there once, others only if they got 503 or no answer.

    Args:
        statuses: each report's token to the status of its answer.
        tokens: those on the log.
    """
    accepted = {token for token, status in statuses.items() if status == 200}
    lost = sorted(token for token in accepted if not tokens[token])
    doubled = sorted(token for token in accepted if tokens[token] > 1)
    strange = sorted(token for token in tokens if statuses.get(token, 0) not in (200, 503, None))
    found = {"lost": lost, "doubled": doubled, "on the log, though refused or never sent": strange}
    return [f"{len(which)} {what}: {which[:5]}" for what, which in found.items() if which]


async def settle(settings: Settings, load: Load) -> str:
    """Wait until all is applied, then compare everything; the account in words.

    Raises:
        AssertionError: something is lost, doubled or not as the reference model has it.
    """
    records = await read_topic(settings, topics(settings).reports)
    tokens = Counter(_token(record.value or b"") for record in records)
    wrong = promised(load.statuses, tokens)
    assert not wrong, wrong

    async def there() -> bool:
        return (await asyncio.to_thread(tally, settings)).places >= len(records)

    await until_async(there, "ClickHouse has every record", SINK_SECONDS, bearing=(AwayError,))
    found = await asyncio.to_thread(tally, settings)
    assert (found.rows, found.places, found.lifetimes) == (len(records),) * 3, (found, len(records))
    await wait_applied(settings, APPLIED_SECONDS)
    await _right(settings)
    return (
        f"{load.count(200)} with 200, {load.count(503)} with 503, {load.count(None)} broken off; "
        f"{len(records)} records and rows, 0 lost, 0 doubled"
    )


async def _right(settings: Settings) -> None:
    """Kafka says that a transaction is committed, and then writes its end to one partition after the other: the offset
    may be seen at the end of the log a moment before the last states are."""
    end = time.monotonic() + VISIBLE_SECONDS
    while wrong := await differences(settings):
        assert time.monotonic() < end, wrong
        await elapse_async(1.0, "the ends of the last transactions are written")


def _token(value: bytes) -> str:
    pair = decode_report(value).calls
    assert pair is not None
    return pair.token

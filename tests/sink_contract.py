"""What every report sink must do; run against the one in memory (unit) and the one in front of Kafka (integration)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from ingest.record import Message, report_message
from ingest.refusal import BusyError
from ingest.report_sink import ReportSink
from schemas.partition import partition_of

PARTITIONS = 4


class Stage:
    """A sink to test, and a way to see what arrived: `arrived()` gives `(partition, key, value, headers)` in order."""

    def __init__(self, sink: ReportSink, arrived: Callable[[], Awaitable[list[Any]]]) -> None:
        self.sink = sink
        self.arrived = arrived


def message(number: int) -> Message:
    return report_message("report", {"selector": f"S{number}", "calls_token": "dG9rZW4="}, 1_790_000_000_000, b"agent")


class SinkContract:
    """A suite has a fixture `stage`, which gives a `Stage` whose sink is ready."""

    @pytest.fixture
    async def stage(self) -> AsyncIterator[Stage]:
        async with self.make_stage() as stage:
            yield stage

    def make_stage(self) -> AbstractAsyncContextManager[Stage]:
        raise NotImplementedError

    async def test_confirmed_means_there_once(self, stage: Stage) -> None:
        messages = [message(number) for number in range(200)]
        await asyncio.gather(*(stage.sink.publish(each) for each in messages))
        arrived = await stage.arrived()
        expected = sorted((partition_of(each.key, PARTITIONS), each.key, each.value) for each in messages)
        assert sorted(found[:3] for found in arrived) == expected
        headers = {key: [*found] for _, key, _, found in arrived}
        assert {each.key: [*each.headers] for each in messages} == headers

    async def test_order_holds_within_a_partition(self, stage: Stage) -> None:
        sent = [message(7) for _ in range(60)]
        for at in range(0, 60, 20):
            await asyncio.gather(*(stage.sink.publish(each) for each in sent[at : at + 20]))
        assert [value for _, _, value, _ in await stage.arrived()] == [each.value for each in sent]

    async def test_no_trouble_while_all_is_well(self, stage: Stage) -> None:
        assert stage.sink.trouble() is None

    async def test_closing_waits_for_what_was_handed_over(self, stage: Stage) -> None:
        waiting = [asyncio.ensure_future(stage.sink.publish(message(number))) for number in range(50)]
        await stage.sink.close(10.0)
        await asyncio.gather(*waiting)
        assert len(await stage.arrived()) == 50

    async def test_closed_takes_nothing_more(self, stage: Stage) -> None:
        await stage.sink.close(10.0)
        assert stage.sink.trouble() is not None
        with pytest.raises(BusyError) as caught:
            await stage.sink.publish(message(1))
        assert caught.value.status == 503
        assert await stage.arrived() == []

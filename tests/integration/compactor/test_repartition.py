"""More partitions on real Kafka, while apps go on reporting: the table is the same before and after, what was accepted
is there, and what comes next (rotations, late reports, others' accounts, removed selectors) meets what was known."""

import argparse
import asyncio
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError
from msgspec.structs import replace

from deploy.cli import repartition as cli
from deploy.local.ports import free_port
from deploy.publishing import publish
from deploy.repartition.work import RepartitionError, repartition, unseal
from deploy.topic_setup import set_up_topics
from processors.clickhouse import ClickHouse
from processors.migrations import migrate
from schemas.kafka_client import client_options
from schemas.partition import partition_of
from schemas.records import Pair, Report, decode_latest
from schemas.settings import Settings
from schemas.topics import topics
from tests.compaction import Feed, Message, last_values, read_all, wait_applied
from tests.engines import start_command
from tests.integration.compactor.conftest import SettingsWithTopics, StartWorker
from tests.integration.compactor.test_worker import a_report
from tests.poll import elapse_async, until_async

PHONES = 12
OLD, NEW = 2, 5
AGAIN_SECONDS = 0.05


class Phones:
    """Apps that rotate their tokens one after the other, and try each report again until somebody accepts it."""

    def __init__(self, *ports: int) -> None:
        self.accepted: dict[str, list[str]] = {f"PHONE{number}:7C3A0D14": [] for number in range(PHONES)}
        self.refused = 0
        self._ports = ports
        self._stop = asyncio.Event()

    async def report(self) -> None:
        """Until `stop`; the report under way is brought to its end."""
        async with httpx.AsyncClient(timeout=10.0) as client:
            while not self._stop.is_set():
                for selector, tokens in self.accepted.items():
                    token = f"token-{len(tokens)}"
                    while not await self._accepted(client, selector, token):
                        self.refused += 1
                        await elapse_async(AGAIN_SECONDS, "an app waits before it tries again")
                    tokens.append(token)

    async def _accepted(self, client: httpx.AsyncClient, selector: str, token: str) -> bool:
        for port in self._ports:
            query = {"selector": selector, "pushTokenIncomingCall": token}
            with suppress(httpx.TransportError):
                answer = await client.get(f"http://127.0.0.1:{port}/token/", params=query)
                if answer.status_code == 200:
                    return True
        return False

    def stop(self) -> None:
        """Begin no further report."""
        self._stop.set()

    async def reported(self, more: int) -> None:
        """Wait until each has reported `more` times from now on."""
        goal = {selector: len(tokens) + more for selector, tokens in self.accepted.items()}

        async def enough() -> bool:
            return all(len(tokens) >= goal[selector] for selector, tokens in self.accepted.items())

        await until_async(enough, f"{more} reports of each phone", 60.0)


def other_side(old: Settings) -> Settings:
    """The same pipeline on other topics."""
    return replace(
        old,
        partitions=NEW,
        kafka=replace(old.kafka, topic_prefix=f"{old.kafka.topic_prefix}-2"),
        ingest=replace(old.ingest, port=free_port()),
        sink=replace(old.sink, port=free_port()),
    )


def told(selector: str, token: str, **given: Any) -> Report:
    """A report of one calls token, received now."""
    report = replace(a_report(selector, calls=Pair(token, "app")), received_at=time.time_ns() // 1_000_000)
    return replace(report, **given)


async def state(settings: Settings) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """What `latest` and `removals` come to."""
    named = topics(settings)
    found = [last_values(await read_all(settings, spec.name)) for spec in (named.latest, named.removals)]
    return found[0], found[1]


def at_their_places(messages: list[Message]) -> bool:
    return all(found.key is not None and found.partition == partition_of(found.key, NEW) for found in messages)


async def test_more_partitions_while_apps_report(
    topics_for: SettingsWithTopics, start_worker: StartWorker, clickhouse: str, tmp_path: Path
) -> None:
    old = await topics_for(partitions=OLD)
    new = other_side(old)
    await set_up_topics(new)
    await asyncio.to_thread(migrate, old)
    async with Feed(old, seed=7, selectors=80) as feed:
        await feed.write(600)
    bound = told("BOUND:1", "hers", authenticated_username="alice")
    gone = replace(told("GONE:1", "x"), kind="removal", calls=None)
    await publish(old, "test", [bound, told("GONE:1", "x"), gone, told("LATE:1", "newer")])
    worker = start_worker(old, "old").wait_ready()
    phones = Phones(old.ingest.port, new.ingest.port)
    with ExitStack() as stack:
        stack.callback(start_command(old, tmp_path / "old-ingest.log", "ingest").kill)
        sink = start_command(old, tmp_path / "old-sink.log", "sink")
        stack.callback(sink.kill)
        reporting = asyncio.create_task(phones.report())
        await phones.reported(2)

        said: list[str] = []
        moving = asyncio.create_task(repartition(new, old.kafka.topic_prefix, 90.0, said.append))
        await until_async(lambda: _said("sealed", said, moving), "the old log is sealed", 60.0)
        stack.callback(start_command(new, tmp_path / "new-ingest.log", "ingest").kill)
        await phones.reported(2)  # the new log takes them, whether the copy is made or not
        await until_async(lambda: _said("stop every", said, moving), "the copy is made", 60.0)
        worker.stop()
        assert sink.stop(30.0)
        moved = await moving
        assert phones.refused > 0  # the seal: 503 until the new ingress was there
        assert await state(new) == await state(old)
        for spec in (topics(new).latest, topics(new).removals):
            assert at_their_places(await read_all(new, spec.name))
        assert (moved.old_partitions, moved.partitions) == (OLD, NEW)

        stack.callback(start_command(new, tmp_path / "new-sink.log", "sink").kill)
        worker = start_worker(new, "new").wait_ready()
        await phones.reported(1)
        phones.stop()
        await reporting
        await _then(new)
        await wait_applied(new)
        _as_accepted(await state(new), phones)
        last: dict[str, Any] = {}
        try:
            await until_async(lambda: _arrived(new, phones, last), "every accepted report is in ClickHouse", 60.0)
        except AssertionError as error:
            raise AssertionError(f"{error}: {last}\n{(tmp_path / 'new-sink.log').read_text()[-2000:]}") from None
    with pytest.raises(RepartitionError, match="a compactor has worked on"):
        await repartition(new, old.kafka.topic_prefix, 5.0, said.append)


async def _said(words: str, said: list[str], moving: asyncio.Task[Any]) -> bool:
    if moving.done():
        moving.result()
    return any(words in line for line in said)


async def _then(settings: Settings) -> None:
    """What comes next meets what was known before."""
    before = time.time_ns() // 1_000_000 - 3_600_000
    await publish(
        settings,
        "test",
        [
            told("BOUND:1", "his", authenticated_username="mallory"),
            told("GONE:1", "back", received_at=before),
            told("LATE:1", "older", received_at=before),
        ],
    )


def _as_accepted(found: tuple[dict[str, bytes], dict[str, bytes]], phones: Phones) -> None:
    latest, removals = found
    for selector, tokens in phones.accepted.items():
        slot = decode_latest(latest[selector]).calls
        assert slot is not None
        assert (slot.token, slot.rotations) == (tokens[-1], len(tokens) - 1)
    kept = [decode_latest(latest[selector]) for selector in ("BOUND:1", "LATE:1")]
    assert [state.calls and state.calls.token for state in kept] == ["hers", "newer"]
    assert kept[0].bound_to == "alice"
    assert "GONE:1" in removals and "GONE:1" not in latest


def _not_in_clickhouse(settings: Settings, phones: Phones) -> dict[str, Any]:
    """The phones of which ClickHouse has not exactly the tokens accepted, from both logs: what it has."""
    sql = (
        "SELECT selector, groupUniqArray(calls_token) AS tokens, uniqExact(log_id) AS logs FROM reports "
        "WHERE selector LIKE 'PHONE%' GROUP BY selector"
    )
    with ClickHouse(settings) as client:
        rows = {str(row["selector"]): row for row in client.query(sql).dicts()}
    return {
        selector: rows.get(selector)
        for selector, tokens in phones.accepted.items()
        if selector not in rows or (set(rows[selector]["tokens"]), rows[selector]["logs"]) != (set(tokens), 2)
    }


async def _arrived(settings: Settings, phones: Phones, last: dict[str, Any]) -> bool:
    last.clear()
    last.update(await asyncio.to_thread(_not_in_clickhouse, settings, phones))
    return not last


async def test_a_seal_is_taken_back_and_looking_changes_nothing(
    topics_for: SettingsWithTopics, capsys: pytest.CaptureFixture[str]
) -> None:
    old = await topics_for(partitions=OLD)
    new = other_side(old)
    await set_up_topics(new)

    def command(*words: str) -> int:
        parser = argparse.ArgumentParser()
        cli.add_arguments(parser)
        return cli.run(parser.parse_args(["--from-prefix", old.kafka.topic_prefix, *words]), new)

    assert await asyncio.to_thread(command) == 0
    assert "would seal" in capsys.readouterr().out
    await publish(old, "test", [told("ONE:1", "a")])
    assert await asyncio.to_thread(command, "--yes", "--wait", "1", "--no-sink") == 1
    assert "the compactor has not come that far within 1 s" in capsys.readouterr().err
    producer = AIOKafkaProducer(**client_options(old, "test"))
    await producer.start()
    try:
        with pytest.raises(MessageSizeTooLargeError):
            await producer.send_and_wait(topics(old).reports.name, b"x", b"k", partition=0)
        await unseal(new, old.kafka.topic_prefix)
        await until_async(lambda: _taken(producer, old), "the log takes records again", 20.0)
    finally:
        await producer.stop()
    await publish(new, "test", [told("ONE:1", "b")])
    assert await asyncio.to_thread(command, "--yes") == 1
    assert "which of a selector's is newer" in capsys.readouterr().err


async def _taken(producer: AIOKafkaProducer, settings: Settings) -> bool:
    with suppress(MessageSizeTooLargeError):
        await producer.send_and_wait(topics(settings).reports.name, b"x", b"k", partition=0)
        return True
    return False

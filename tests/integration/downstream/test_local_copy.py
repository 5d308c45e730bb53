"""`examples/local_copy.py`: what it would push to is what the log says, and it says how sure it is of that."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from deploy.local.kafka import LocalKafka
from deploy.local.process import python_path
from schemas.records import encode
from tests.integration.downstream.conftest import GIVEN_UP, SELECTORS, Stage
from tests.poll import until_async
from tests.unit.schemas.consumer.test_latest_copy import latest

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "local_copy.py"
SECONDS = 60.0
HIDDEN = ("username_since", "calls_removed_at", "other_removed_at", "released_at")


class Copy:
    """The example as a process: selectors in, answers out."""

    def __init__(self, process: asyncio.subprocess.Process, errors: Path) -> None:
        self.process, self.errors = process, errors

    async def ask(self, selector: str) -> dict[str, Any]:
        """Its answer for one selector."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{selector}\n".encode())
        line = await asyncio.wait_for(self.process.stdout.readline(), SECONDS)
        assert line, self.errors.read_text()
        answer: dict[str, Any] = json.loads(line)
        assert answer["selector"] == selector
        return answer

    async def table(self, selectors: set[str]) -> dict[str, Any]:
        """What it knows of these, as the reference has it."""
        answers = [await self.ask(selector) for selector in sorted(selectors)]
        return {one["selector"]: _as_reference(one["known"]) for one in answers if one["known"]}


def _as_reference(known: dict[str, Any]) -> dict[str, Any]:
    return {"bound_to": None} | {name: value for name, value in known.items() if name not in ("selector", *HIDDEN)}


async def test_without_kafka_it_says_so_in_one_line() -> None:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLE),
        "--bootstrap",
        "127.0.0.1:1",
        stdout=pipe,
        stderr=pipe,
        env=os.environ | python_path(),
    )
    out, errors = await asyncio.wait_for(process.communicate(), SECONDS)
    assert (process.returncode, out) == (1, b"")
    assert errors == b"Kafka does not answer (KafkaConnectionError): 127.0.0.1:1\n"


@asynccontextmanager
async def local_copy(directory: Path, bootstrap: str, topic: str, *more: str) -> AsyncIterator[Copy]:
    """Run the example; at the end it must leave by itself when there is nothing more to ask."""
    errors = directory / "errors"
    command = [str(EXAMPLE), "--bootstrap", bootstrap, "--topic", topic, *more]
    pipe = asyncio.subprocess.PIPE
    with errors.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, stdin=pipe, stdout=pipe, stderr=file, env=os.environ | python_path()
        )
    try:
        yield Copy(process, errors)
        if process.returncode is None:
            assert process.stdin
            process.stdin.close()
            assert await asyncio.wait_for(process.wait(), SECONDS) == 0, errors.read_text()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_it_is_the_log(stage: Stage, tmp_path: Path) -> None:
    """From the beginning, and then live: rotations, removals, never what was given up."""
    selectors = {f"{number:040X}:7C3A0D14" for number in range(SELECTORS)}
    async with local_copy(tmp_path, stage.settings.bootstrap, stage.names.latest.name) as copy:
        assert await copy.table(selectors) == (await stage.model()).latest()
        unknown = await copy.ask(GIVEN_UP)
        assert (unknown["known"], unknown["stale"]) == (None, False)
        model = await stage.report(150, seed=5)
        await until_async(lambda: _equal(copy, selectors, model.latest()), "the copy has followed", SECONDS)
    tokens = {pair["token"] for known in model.latest().values() for pair in (known["calls"], known["other"]) if pair}
    assert tokens and not [token for token in tokens if token in copy.errors.read_text()]


async def _equal(copy: Copy, selectors: set[str], expected: dict[str, Any]) -> bool:
    return await copy.table(selectors) == expected


async def test_it_goes_on_when_stale_and_ends_when_the_log_is_another(kafka: LocalKafka, tmp_path: Path) -> None:
    """The topic goes away (Kafka does not answer for it), and comes back as another one, shorter."""
    topic = f"{tmp_path.name}.latest"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 2, 1)])
        async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap) as producer:
            for offset in range(3):
                await producer.send_and_wait(topic, encode(latest("S", offset, 1)), b"S", 1)
        async with local_copy(tmp_path, kafka.bootstrap, topic, "--stale-ms", "5000") as copy:
            fresh = await copy.ask("S")
            assert (fresh["known"]["last_seen"], fresh["stale"]) == (2, False)
            await admin.delete_topics([topic])
            stale = await until_async(lambda: _stale(copy), "it says that it is stale", SECONDS)
            assert stale["known"] == fresh["known"]
            assert stale["age_ms"] > 5000
            await until_async(lambda: _made(admin, topic), "the topic is there again", SECONDS, bearing=(KafkaError,))
            assert await asyncio.wait_for(copy.process.wait(), SECONDS) != 0
            assert "LogChangedError: the topic ends before what was read of it" in copy.errors.read_text()
    finally:
        await admin.close()


async def _stale(copy: Copy) -> dict[str, Any] | None:
    answer = await copy.ask("S")
    return answer if answer["stale"] else None


async def _made(admin: AIOKafkaAdminClient, topic: str) -> bool:
    answer = await admin.create_topics([NewTopic(topic, 2, 1)])
    return bool(answer.topic_errors[0][1] == 0)

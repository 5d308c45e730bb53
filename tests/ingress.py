"""The ingest role as a process of its own, raw requests to it, load on it, and what the topics hold afterwards."""

import asyncio
import json
import multiprocessing
import os
import re
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.process import Process
from ingest.role import run
from schemas.settings import Settings
from tests.engines import start_command
from tests.poll import elapse_async, until, until_async

START_SECONDS = 30.0


@dataclass
class Ingress:
    """A running ingress: its port, its process, and the file that has its log."""

    port: int
    process: Process
    log: Path

    @property
    def pid(self) -> int:
        """Its process id (the parent's, of several workers)."""
        assert self.process.pid is not None
        return self.process.pid

    def workers(self) -> list[int]:
        """The process ids of those that serve: its children, or itself if it has none."""
        words = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        serving = [int(word) for word in words if b"spawn_main" in Path(f"/proc/{word}/cmdline").read_bytes()]
        return sorted(serving) or [self.pid]

    def connected(self) -> int:
        """How often a worker has come to have a producer."""
        return self.log.read_text().count("connected to Kafka")

    def ready(self) -> bool:
        """Whether /readyz says 200 now."""
        with suppress(OSError):
            return status_of(ask(self.port, b"GET /readyz HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")) == 200
        return False

    def stop(self, seconds: float = 40.0) -> int | None:
        """SIGTERM and its exit code."""
        self.process.terminate()
        self.process.wait(seconds)
        return self.process.exit_code


@contextmanager
def running_ingress(settings: Settings, log: Path, *, ready: bool = True) -> Iterator[Ingress]:
    """Start the role with these settings; killed at the end if it still runs. Its log must hold no traceback."""
    process = start_command(settings, log, "ingest")
    ingress = Ingress(settings.ingest.port, process, log)
    try:
        until(lambda: _listens(ingress), "the ingress listens", START_SECONDS)
        if ready:
            until(ingress.ready, "the ingress is ready", START_SECONDS)
            until(lambda: ingress.connected() >= settings.ingest.workers, "every worker has Kafka", START_SECONDS)
        yield ingress
    finally:
        process.stop(15.0)
    text = log.read_text()
    assert not re.search("Traceback|never retrieved|Task was destroyed", text), text


def start_process(settings: Settings, log: Path) -> BaseProcess:
    """The role in a process of its own, its output in `log`."""
    process = multiprocessing.get_context("spawn").Process(target=_child, args=(settings, str(log)))
    process.start()
    return process


def _listens(ingress: Ingress) -> bool:
    assert ingress.process.running, ingress.log.read_text()
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", ingress.port), 1).close()
        return True
    return False


def _child(settings: Settings, log: str) -> None:
    with Path(log).open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    raise SystemExit(run(settings))


def ask(port: int, data: bytes, seconds: float = 10.0) -> bytes:
    """Send `data` and return all that comes until the other side closes (or `seconds` have passed without a byte)."""
    with socket.create_connection(("127.0.0.1", port), seconds) as connection:
        connection.sendall(data)
        return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    found = b""
    while chunk := connection.recv(65536):
        found += chunk
    return found


def status_of(answer: bytes) -> int:
    """The status of the (first) response."""
    return int(answer.split(b" ", 2)[1])


def problem_of(answer: bytes) -> dict[str, Any]:
    """The problem+json of a refusal."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head.lower()
    document: dict[str, Any] = json.loads(body)
    return document


def get(target: str, *, close: bool = True, headers: str = "") -> bytes:
    """A GET request (bytes)."""
    last = "Connection: close\r\n" if close else ""
    return f"GET {target} HTTP/1.1\r\nHost: example.com\r\n{headers}{last}\r\n".encode()


def selector_of(number: int) -> str:
    """A selector of the specification's form, one a number."""
    return f"{number:040X}:7C3A0D14"


@dataclass
class Load:
    """Keep-alive connections that report selector after selector. `answers`: selector to status (None: broken off)."""

    port: int
    first: int = 0
    answers: dict[str, int | None] = field(default_factory=dict)
    slowest: dict[int, float] = field(default_factory=dict)  # status to the longest wait for one, s
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    broken: set[int] = field(default_factory=set)  # own ports of the connections that the other side broke off

    async def run(self, connections: int = 16) -> None:
        """Until `stop` is set."""
        self._next = self.first
        async with asyncio.TaskGroup() as group:
            for _ in range(connections):
                group.create_task(self._connection())
                await elapse_async(0.01, "of a burst one worker may take all; clients do not come in the same instant")

    def count(self, status: int | None) -> int:
        """How many requests ended so."""
        return sum(1 for found in self.answers.values() if found == status)

    async def _connection(self) -> None:
        while not self.stop.is_set():
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await elapse_async(0.05, "nobody listens: a client waits before it tries again")
                continue
            port = writer.get_extra_info("sockname")[1]
            try:
                while not self.stop.is_set():
                    await self._request(reader, writer)
            except (OSError, asyncio.IncompleteReadError):
                self.broken.add(port)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        selector = selector_of(self._next)
        self._next += 1
        self.answers[selector] = None
        started = time.perf_counter()
        writer.write(get(f"/token/?selector={selector}&token_calls=dG9rZW4{self._next}&appid_calls=com.x", close=False))
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        await reader.readexactly(int(length.split(b":")[1]))
        status = status_of(head)
        self.answers[selector] = status
        self.slowest[status] = max(self.slowest.get(status, 0.0), time.perf_counter() - started)
        if status != 200:
            assert b"retry-after" in head.lower() or status not in (429, 503)
            await elapse_async(0.02, "a refused client waits before it tries again")
        elif b"connection: close" in head.lower():
            raise ConnectionResetError


@asynccontextmanager
async def loading(port: int, connections: int = 16, first: int = 0) -> AsyncIterator[Load]:
    """Load on an ingress until the end of the block, also when the block fails; its connections are closed then."""
    load = Load(port, first)
    running = asyncio.create_task(load.run(connections))
    try:
        yield load
    finally:
        load.stop.set()
        await running


async def seen(load: Load, status: int, more: int, seconds: float = 15.0) -> None:
    """Wait for `more` answers with `status`."""
    goal = load.count(status) + more

    async def enough() -> bool:
        return load.count(status) >= goal

    await until_async(enough, f"{more} more answers with {status}", seconds)


async def turns(ingress: Ingress, *, ready: bool, seconds: float) -> None:
    """Wait until readiness is as asked for: it speaks for every partition, the load's answers for some."""

    async def turned() -> bool:
        return await asyncio.to_thread(ingress.ready) is ready

    await until_async(turned, f"readiness is {'green' if ready else 'red'}", seconds)


async def each_record(settings: Settings, topic: str) -> AsyncIterator[Any]:
    """Every record of `<prefix>.<topic>` (ConsumerRecord), read committed."""
    name = f"{settings.kafka.topic_prefix}.{topic}"
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    async with asyncio.timeout(300):
        await consumer.start()
        try:
            places = [TopicPartition(name, number) for number in range(settings.partition_count)]
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            while any([await consumer.position(place) < ends[place] for place in places]):
                for batch in (await consumer.getmany(timeout_ms=500)).values():
                    for record in batch:
                        yield record
        finally:
            await consumer.stop()


async def records(settings: Settings, topic: str) -> list[Any]:
    """Every record of a topic, as `each_record`."""
    return [record async for record in each_record(settings, topic)]


async def check_promise(settings: Settings, answers: dict[str, int | None]) -> Counter[str]:
    """Every 200 is in the topic exactly once, anything else only for requests that got 503 or were broken off."""
    found: Counter[str] = Counter()
    async for record in each_record(settings, "reports"):
        found[record.key.decode()] += 1
    accepted = {selector for selector, status in answers.items() if status == 200}
    lost = accepted - found.keys()
    doubled = {selector for selector in accepted if found[selector] > 1}
    strange = {selector for selector in found if answers.get(selector, 0) not in (200, 503, None)}
    assert (len(lost), len(doubled), len(strange)) == (0, 0, 0), (lost, doubled, strange)
    return found


def memory(pid: int, field: str = "VmRSS") -> float:
    """What a process holds of memory now (`VmRSS`), or held at most (`VmHWM`), in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024

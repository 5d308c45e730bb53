"""What tests of the running compactor share: workers as processes, a stream of reports, and the comparison with the
reference model of the log."""

import asyncio
import copy
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from msgspec import UNSET
from msgspec.structs import replace

from deploy.local.ports import free_port
from deploy.local.process import Process, python_path
from processors.log_identity import read_log_id
from schemas.kafka_client import client_options
from schemas.partition import partition_of
from schemas.records import Pair, Report, decode_latest, decode_removed, encode
from schemas.settings import Settings
from schemas.topics import topics
from tests.compactor_worker import plain
from tests.poll import until, until_async
from tests.reference import Reference

NOBODY: dict[str, Any] = {"bound_to": None}


class Worker:
    """One compactor process with a lookup port and a directory of its own."""

    def __init__(self, settings: Settings, directory: Path, name: str, *order: str) -> None:
        lookup = msgspec.structs.replace(settings.lookup, port=free_port())
        data_dir = str(directory / name)
        self.settings = msgspec.structs.replace(settings, lookup=lookup, data_dir=data_dir)
        self.name, self.order = name, order
        self.url = f"http://127.0.0.1:{lookup.port}"
        path = directory / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.encode(self.settings, enc_hook=plain))
        command = [sys.executable, "-m", "tests.compactor_worker", str(path), *order]
        self.process = Process(name, command, directory / f"{name}.log", python_path())

    def start(self) -> "Worker":
        """Start it; does not wait."""
        self.process.start()
        return self

    def ready(self) -> bool:
        """Whether it says that it can do its work."""
        try:
            return httpx.get(f"{self.url}/readyz", timeout=2.0).status_code == 200
        except httpx.HTTPError:
            return False

    def wait_ready(self, deadline: float = 60.0) -> "Worker":
        """Wait until it is ready."""
        until(lambda: self.ready() or not self.process.running, f"worker {self.name} is ready", deadline)
        assert self.process.running, self.output()
        return self

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process.running

    @property
    def frozen(self) -> bool:
        """Whether it is stopped by SIGSTOP (proc(5), field `state`)."""
        return self.running and Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def beside(self, number: int) -> "Worker":
        """The same worker, asked on the port of its process `number` (`compact.processes`)."""
        found = copy.copy(self)
        found.url = f"http://127.0.0.1:{self.settings.lookup.port + number}"
        return found

    def processes(self) -> list[int]:
        """The process ids of its processes, if it has several."""
        pid = self.process.pid
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        # Python's resource tracker is one, too.
        return [child for child in children if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()]

    def wait_killed(self, deadline: float = 60.0) -> None:
        """Wait until it has killed itself."""
        assert self.process.wait(deadline), self.output()[-3000:]
        assert self.process.exit_code == -signal.SIGKILL, self.output()[-3000:]

    def stop(self) -> None:
        """SIGTERM; it must drain and end well."""
        assert self.process.stop(60.0), f"worker {self.name} did not stop: {self.output()[-3000:]}"
        assert self.process.exit_code == 0, self.output()[-3000:]

    def get(self, path: str, **given: Any) -> httpx.Response:
        """Ask its HTTP port."""
        return httpx.get(self.url + path, timeout=5.0, **given)

    def post(self, path: str, body: Any) -> httpx.Response:
        """Send JSON to its HTTP port."""
        return httpx.post(self.url + path, timeout=5.0, json=body)

    def metrics(self) -> dict[str, float]:
        """Its metrics by name (labels included)."""
        lines = (line.rsplit(" ", 1) for line in self.get("/metrics").text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in lines}

    def output(self) -> str:
        """What it logged."""
        return self.process.log.read_text() if self.process.log.exists() else ""


class Feed:
    """Writes reports at a steady rate until it is stopped: rotations, removals, imports, late ones, bad ones; for a
    tenth of the selectors also authenticated ones, of two accounts that both want them, and releases."""

    def __init__(self, settings: Settings, seed: int, selectors: int = 300, rate: int = 1000) -> None:
        self._settings, self._rate = settings, rate
        self._random = random.Random(seed)
        self._selectors = [f"{number:040X}:7C3A0D14" for number in range(selectors)]
        self._task: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self.written = 0

    async def __aenter__(self) -> "Feed":
        self._producer = AIOKafkaProducer(bootstrap_servers=self._settings.bootstrap, enable_idempotence=True)
        await self._producer.start()
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Write no more, and wait until all of it is on the log."""
        self._stop.set()
        if self._task is not None:
            await self._task
            self._task = None
            await self._producer.stop()

    async def _run(self) -> None:
        while not self._stop.is_set():
            begun = time.monotonic()
            await self.write(self._rate // 10)
            rest = 0.1 - (time.monotonic() - begun)
            if rest > 0:
                with_deadline = asyncio.wait_for(self._stop.wait(), rest)
                try:
                    await with_deadline
                except TimeoutError:
                    continue

    async def write(self, count: int) -> None:
        """Write `count` records now."""
        topic = topics(self._settings).reports.name
        sent = []
        for _ in range(count):
            key, value, partition = self._record()
            sent.append(await self._producer.send(topic, value, key, partition))
        await asyncio.gather(*sent)
        self.written += count

    async def put(self, report: Report) -> None:
        """Write this one; it is confirmed when this returns."""
        key = report.selector.encode()
        partition = partition_of(key, self._settings.partition_count)
        await self._producer.send_and_wait(topics(self._settings).reports.name, encode(report), key, partition)

    def _record(self) -> tuple[bytes, bytes, int]:
        dice = self._random
        selector = dice.choice(self._selectors)
        key = selector.encode()
        partition = partition_of(key, self._settings.partition_count)
        report = self._report(selector)
        if selector in self._selectors[::10]:
            report = self._claimed(report)
        value = encode(report)
        bad = dice.randrange(400)
        if bad == 0:
            value = dice.choice((b"{", b"null", value[:-9]))
        elif bad == 1:
            partition = (partition + 1) % self._settings.partition_count
        elif bad == 2:
            key = b"not the selector"
        return key, value, partition

    def _report(self, selector: str) -> Report:
        dice = self._random
        late = 20_000 if dice.random() < 0.03 else 0

        def pair(name: str) -> Pair | None:
            return None if dice.random() < 0.2 else Pair(f"{name}-{dice.randrange(4)}", dice.choice((None, "a", "b")))

        return Report(
            schema_version=1,
            id=f"r{self.written}",
            kind="removal" if dice.random() < 0.05 else "report",
            received_at=time.time_ns() // 1_000_000 - late,
            selector=selector,
            username=dice.choice((None, f"user-{dice.randrange(40)}")),
            calls=pair("calls"),
            other=pair("other"),
            origin="import" if dice.random() < 0.03 else "app",
            reason="forget" if dice.random() < 0.02 else None,
        )

    def _claimed(self, report: Report) -> Report:
        """The report as of one of two accounts, or of nobody, or the operator's release."""
        dice = self._random
        if dice.random() < 0.05:
            to = dice.choice((UNSET, "alice"))
            return replace(report, kind="release", origin="operator", reason=None, authenticated_username=to)
        return replace(report, authenticated_username=dice.choice((UNSET, *["alice"] * 6, "mallory")))


class Message(NamedTuple):
    """A message as a plain, read-committed consumer gets it."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


async def read_all(settings: Settings, topic: str, deadline: float = 60.0) -> list[Message]:
    """Every committed message of a topic, in log order per partition."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        parts = [TopicPartition(topic, number) for number in range(settings.partition_count)]
        consumer.assign(parts)
        ends = await consumer.end_offsets(parts)
        found: list[Message] = []
        end = time.monotonic() + deadline
        while [part for part in parts if await consumer.position(part) < ends[part]]:
            assert time.monotonic() < end, f"{topic} cannot be read to its end"
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found.extend(Message(r.partition, r.offset, r.timestamp, r.key, r.value) for r in records)
        return found
    finally:
        await consumer.stop()


async def committed(settings: Settings) -> tuple[dict[int, int], dict[int, int]]:
    """The group's committed offsets and the log's ends, by partition."""
    topic = topics(settings).reports.name
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap)
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.bootstrap)
    await admin.start()
    await consumer.start()
    try:
        held = await admin.list_consumer_group_offsets(settings.compact.group)
        ends = await consumer.end_offsets([TopicPartition(topic, at) for at in range(settings.partition_count)])
    finally:
        await consumer.stop()
        await admin.close()
    return (
        {at.partition: found.offset for at, found in held.items() if at.topic == topic},
        {at.partition: end for at, end in ends.items()},
    )


async def wait_applied(settings: Settings, deadline: float = 90.0) -> None:
    """Wait until the committed offsets are the log's ends."""

    async def done() -> bool:
        held, ends = await committed(settings)
        return {at: held.get(at, 0) for at in ends} == ends

    await until_async(done, "committed offsets at the end of the log", deadline, bearing=(KafkaError, OSError))


async def model_of(settings: Settings) -> Reference:
    """The reference model of the log as it is on the topic."""
    topic = topics(settings).reports.name
    log_id = await read_log_id(client_options(settings, "test"), topic)
    model = Reference(log_id, settings.partition_count)
    for partition, offset, timestamp, key, value in await read_all(settings, topic):
        model.take(partition, offset, timestamp, key, value)
    return model


def last_values(messages: list[Message]) -> dict[str, bytes]:
    """What compaction leaves of a topic: the last value of each key, tombstones gone."""
    found: dict[str, bytes] = {}
    for message in messages:
        assert message.key is not None
        found.pop(message.key.decode(), None)
        if message.value is not None:
            found[message.key.decode()] = message.value
    return found


def _visible(record: Any, *hidden: str) -> dict[str, Any]:
    built = msgspec.to_builtins(record)
    return {name: value for name, value in built.items() if name not in ("selector", *hidden)}


async def differences(settings: Settings) -> list[str]:
    """Where the topics differ from the reference model of the log; empty: nowhere. At most a few of each kind."""
    model = await model_of(settings)
    named = topics(settings)
    latest = {
        key: NOBODY
        | _visible(decode_latest(value), "username_since", "calls_removed_at", "other_removed_at", "released_at")
        for key, value in last_values(await read_all(settings, named.latest.name)).items()
    }
    removals = {
        key: NOBODY | _visible(decode_removed(value), "released_at")
        for key, value in last_values(await read_all(settings, named.removals.name)).items()
    }
    found = _compare("latest", latest, model.latest()) + _compare("removals", removals, model.removals())
    changes = [msgspec.json.decode(m.value or b"") for m in await read_all(settings, named.changes.name)]
    times = Counter(change["id"] for change in changes)
    found += [f"changes: {name} is there {count} times" for name, count in times.items() if count > 1][:5]
    fields = model.changes[0].keys() if model.changes else ()
    said = {change["id"]: {name: change[name] for name in fields} for change in changes}
    found += _compare("changes", said, {change["id"]: change for change in model.changes})
    rejected = [msgspec.json.decode(m.value or b"") for m in await read_all(settings, named.rejected.name)]
    ours = Counter(str((bad["reason"], bad["source"])) for bad in rejected)
    theirs = Counter(str((bad["reason"], bad["source"])) for bad in model.rejected)
    found += [f"rejected: {name}: {ours[name]} times" for name in (ours - theirs) + (theirs - ours)][:5]
    return found


def _compare(what: str, ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    keys = [key for key in sorted(ours.keys() | theirs.keys()) if ours.get(key) != theirs.get(key)]
    lines = [f"{what}: {key}: {ours.get(key)} instead of {theirs.get(key)}" for key in keys[:5]]
    return [f"{what}: {len(keys)} of {len(theirs)} differ", *lines] if keys else []

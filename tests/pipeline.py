"""The whole pipeline as its users start it: `pushtokens up` as a process, on free ports, in a directory of its own."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition
from msgspec import Struct

from deploy.local.ports import free_port
from processors.clickhouse import ClickHouse
from schemas.settings import Settings
from schemas.settings_source import PREFIX, read_settings
from schemas.topics import TopicSpec
from tests.poll import until, until_async

START = 150.0  # seconds: 20 on an idle machine with the jars at hand (issue 3); tests share two cores
STOP = 60.0
PORTS = ("INGEST", "LOOKUP", "SINK", "DASHBOARD", "KAFKA", "CLICKHOUSE")
HEALTH = ("ingest", "lookup", "sink", "dashboard")


class Record(Struct, frozen=True):
    """One message as a plain consumer sees it."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class Pipeline:
    """One `pushtokens up`; `start` and `stop` may be called again and again."""

    def __init__(self, directory: Path, **variables: str) -> None:
        self.data = directory / "data"
        self.log = directory / "up.log"
        ports = {f"{PREFIX}{name}_PORT": str(free_port()) for name in PORTS}
        self.variables = {
            **ports,
            f"{PREFIX}DATA_DIR": str(self.data),
            f"{PREFIX}INGEST_HOST": "127.0.0.1",
            **{PREFIX + name: value for name, value in variables.items()},
        }
        self.settings: Settings = read_settings(self.variables)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environ(self) -> dict[str, str]:
        """The environment of its commands: this process's own without settings, and the pipeline's."""
        return {name: text for name, text in os.environ.items() if not name.startswith(PREFIX)} | self.variables

    def start(self) -> None:
        """Start it and wait until every role is ready."""
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "deploy.cli.main", "up"],
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            until(self._ready, f"every role ready; {self.log}", START, bearing=(httpx.HTTPError,))
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log.read_text()[-5000:]}") from None

    def stop(self) -> int:
        """SIGTERM, as a service manager does; returns the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP)
        finally:
            self.kill()

    def kill(self) -> None:
        """SIGKILL to `up` alone; its children end with it."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(STOP)

    def left_behind(self) -> list[str]:
        """The processes, this one aside, that have the data directory on their command line or in their environment."""
        mark = str(self.data).encode()
        found = []
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and int(process.name) != os.getpid():
                with contextlib.suppress(OSError):
                    command = (process / "cmdline").read_bytes()
                    if mark in command or mark in (process / "environ").read_bytes():
                        found.append(f"{process.name}: {command.replace(bytes(1), b' ').decode(errors='replace')}")
        return found

    def command(self, *arguments: str, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
        """`pushtokens ARGUMENTS` beside the running pipeline."""
        return subprocess.run(
            [sys.executable, "-m", "deploy.cli.main", *arguments],
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def url(self, section: str, path: str) -> str:
        """The address of `path` at the role whose settings are `section`."""
        return f"http://127.0.0.1:{getattr(self.settings, section).port}{path}"

    def send(self, request: bytes) -> bytes:
        """Bytes to the ingress over a socket of their own; everything it answers until it closes or is done."""
        with socket.create_connection(("127.0.0.1", self.settings.ingest.port), 10.0) as connection:
            connection.sendall(request)
            connection.settimeout(10.0)
            answer = b""
            while part := connection.recv(65536):
                answer += part
            return answer

    def lookup(self, selector: str) -> dict[str, Any] | None:
        """What the lookup API says of a selector; None: unknown."""
        answer = httpx.get(self.url("lookup", f"/v1/selectors/{selector}"), timeout=10.0)
        if answer.status_code == 404:
            return None
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    def selectors_of(self, username: str) -> list[str]:
        """The selectors that the lookup API has for an account."""
        answer = httpx.get(self.url("lookup", f"/v1/accounts/{username}"), timeout=10.0)
        return [found["selector"] for found in answer.raise_for_status().json()["selectors"]]

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Rows of the embedded ClickHouse."""
        with ClickHouse(self.settings) as clickhouse:
            return clickhouse.query(sql).dicts()

    def dump(self, table: str) -> bytes:
        """All rows of a table in ClickHouse's RowBinary, where texts are as they are."""
        sql = f"SELECT * FROM {table} FORMAT RowBinary"
        return httpx.post(self.url("clickhouse", "/"), content=sql, timeout=60.0).raise_for_status().content

    def metric(self, section: str, name: str) -> float:
        """The sum of a metric of a role over its labels."""
        text = httpx.get(self.url(section, "/metrics"), timeout=10.0).raise_for_status().text
        lines = [line for line in text.splitlines() if line.split("{")[0].split(" ")[0] == name]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"`up` ended with {self._process.returncode}"
        return all(httpx.get(self.url(role, "/readyz"), timeout=2.0).status_code == 200 for role in HEALTH)


@contextlib.contextmanager
def running_pipeline(directory: Path, **variables: str) -> Iterator[Pipeline]:
    """A pipeline that is ready, and gone at the end whatever happens."""
    pipeline = Pipeline(directory, **variables)
    try:
        pipeline.start()
        yield pipeline
    finally:
        pipeline.kill()
        until(lambda: not pipeline.left_behind(), "the children to go with `up`", STOP)


async def read_topic(settings: Settings, spec: TopicSpec, *, committed: bool = True) -> list[Record]:
    """Every message of a topic, in order per partition, as a plain consumer reads it."""
    partitions = [TopicPartition(spec.name, number) for number in range(spec.partitions)]
    found: list[Record] = []
    async with AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap,
        isolation_level="read_committed" if committed else "read_uncommitted",
        enable_auto_commit=False,
    ) as consumer:
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)

        async def at_end() -> bool:
            batches = await consumer.getmany(timeout_ms=100)
            found.extend(
                Record(each.partition, each.offset, each.timestamp, each.key, each.value, tuple(each.headers))
                for batch in batches.values()
                for each in batch
            )
            return all([await consumer.position(partition) >= end for partition, end in ends.items()])

        await until_async(at_end, f"the end of {spec.name}", 60.0)
    return found


def newest(records: list[Record]) -> dict[bytes, dict[str, Any]]:
    """What compaction would leave of a topic: the last value of each key, without tombstones."""
    found: dict[bytes, dict[str, Any]] = {}
    for record in records:
        assert record.key is not None
        if record.value is None:
            found.pop(record.key, None)
        else:
            found[record.key] = json.loads(record.value)
    return found

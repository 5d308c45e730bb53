"""What `up` runs: the engines and the roles, each behind the same few calls."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from msgspec.structs import replace

from deploy.local.clickhouse import LocalClickHouse
from deploy.local.environment import environment
from deploy.local.kafka import LocalKafka
from deploy.local.ports import PortInUseError, check_port
from deploy.local.probe import Target
from deploy.local.process import Process, python_path
from schemas.settings import Settings

ROLES: Final = ("compact", "sink", "dashboard", "ingest")  # in the order of their start; stopped the other way round
_PORT_PATIENCE: Final = 3.0  # seconds: what a killed run leaves is gone by then


class Service(Protocol):
    """A process under supervision."""

    name: str
    log: Path

    def spawn(self) -> None:
        """Start it and return at once."""

    @property
    def running(self) -> bool:
        """Whether its process is there."""

    @property
    def exit_code(self) -> int | None:
        """How it ended."""

    def stop(self, deadline: float) -> bool:
        """SIGTERM, then SIGKILL after `deadline` seconds; whether it stopped by itself."""

    def kill(self) -> None:
        """SIGKILL."""

    def tail(self, lines: int = 15) -> str:
        """The last lines of its log."""

    def trim_log(self) -> None:
        """Keep its log bounded."""


class Role(Process):
    """One role: `pushtokens NAME` as a child, its log in `logs`."""

    def __init__(self, name: str, settings: Settings, logs: Path) -> None:
        one = replace(settings, compact=replace(settings.compact, processes=1))  # the status line asks one port
        env = environment(one, {}) | python_path()
        super().__init__(name, [sys.executable, "-m", "deploy.cli.main", name], logs / f"{name}.log", env)

    def spawn(self) -> None:
        """Start it and return at once."""
        self.start()


def kafka(settings: Settings, data: Path) -> LocalKafka:
    """The embedded broker these settings ask for."""
    return LocalKafka(
        data / "kafka",
        settings.kafka.port,
        cache_dir=settings.local.cache_dir,
        heap_mb=settings.local.kafka_heap_mb,
    )


def clickhouse(settings: Settings, data: Path) -> LocalClickHouse:
    """The embedded ClickHouse these settings ask for."""
    return LocalClickHouse(
        data / "clickhouse",
        settings.clickhouse.port,
        connections=settings.local.clickhouse_connections,
        memory_mb=settings.local.clickhouse_memory_mb,
    )


def targets(settings: Settings) -> tuple[Target, ...]:
    """Where each role answers questions about itself."""
    return (
        Target("ingest", settings.ingest.host, settings.ingest.port, tls=bool(settings.ingest.tls_cert_file)),
        Target("compact", settings.lookup.host, settings.lookup.port),
        Target("sink", settings.sink.host, settings.sink.port),
        Target("dashboard", settings.dashboard.host, settings.dashboard.port),
    )


def ports(settings: Settings) -> list[tuple[str, int, str]]:
    """Every port that `up` will bind: host, port, and the variable that changes it."""
    found = [
        (settings.ingest.host, settings.ingest.port, "PUSHTOKENS_INGEST_PORT"),
        (settings.lookup.host, settings.lookup.port, "PUSHTOKENS_LOOKUP_PORT"),
        (settings.sink.host, settings.sink.port, "PUSHTOKENS_SINK_PORT"),
        (settings.dashboard.host, settings.dashboard.port, "PUSHTOKENS_DASHBOARD_PORT"),
    ]
    if settings.embedded_kafka:
        found.append(("127.0.0.1", settings.kafka.port, "PUSHTOKENS_KAFKA_PORT"))
    if settings.embedded_clickhouse:
        found.append(("127.0.0.1", settings.clickhouse.port, "PUSHTOKENS_CLICKHOUSE_PORT"))
    return found


def check_ports(wanted: Sequence[tuple[str, int, str]], patience: float = _PORT_PATIENCE) -> None:
    """Make sure that every port is there to be bound, and that no two settings name the same one.

    Raises:
        PortInUseError: the first that is not, after `patience` seconds of asking again.
    """
    seen: dict[int, str] = {}
    for _, port, setting in wanted:
        if port in seen:
            raise PortInUseError(f"{seen[port]} and {setting} both say {port}: give one of them another")
        seen[port] = setting
    end = time.monotonic() + patience
    for host, port, setting in wanted:
        while True:
            try:
                check_port(host, port, setting)
                break
            except PortInUseError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

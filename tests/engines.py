"""The real engines for tests: started on free ports, in a directory of their own, gone with the test process."""

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from deploy.local.clickhouse import LocalClickHouse
from deploy.local.environment import environment
from deploy.local.kafka import LocalKafka
from deploy.local.ports import free_port
from deploy.local.process import Process, python_path
from schemas.secret import Secret
from schemas.settings import Settings

START_SECONDS = 120.0  # an engine's start while other suites use both cores


@contextmanager
def running_kafka(directory: Path, overrides: Mapping[str, str] | None = None) -> Iterator[LocalKafka]:
    """A broker of its own (a test may kill and start it again); stopped and its data removed at the end."""
    broker = LocalKafka(directory, free_port(), overrides=overrides)
    try:
        broker.start(START_SECONDS)
        yield broker
    finally:
        broker.kill()
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def running_clickhouse(directory: Path, port: int = 0) -> Iterator[LocalClickHouse]:
    """An engine of its own (a test may kill and start it again); stopped and its data removed at the end."""
    engine = LocalClickHouse(directory, port or free_port())
    try:
        engine.start(START_SECONDS)
        yield engine
    finally:
        engine.kill()
        shutil.rmtree(directory, ignore_errors=True)


def make_settings(data_dir: Path, bootstrap: str, clickhouse_url: str, /, **given: Any) -> Settings:
    """Settings of one test: names that no other test has, free ports, four partitions.

    Args:
        data_dir: for what roles keep on disk.
        bootstrap: Kafka, `host:port`.
        clickhouse_url: ClickHouse, `http://host:port`.
        given: top-level settings by name; a section is a mapping of its fields, laid over the test's own.
    """
    unique = f"t{uuid.uuid4().hex[:10]}"
    tree: dict[str, Any] = {
        "data_dir": str(data_dir),
        "partitions": 4,
        "replication_factor": 1,
        "kafka": {"bootstrap": bootstrap, "topic_prefix": unique},
        "clickhouse": {"url": clickhouse_url, "database": unique},
        "ingest": {"host": "127.0.0.1", "port": free_port()},
        "compact": {"group": f"{unique}-compactor"},
        "lookup": {"port": free_port()},
        "sink": {"group": f"{unique}-sink", "port": free_port()},
        "dashboard": {"port": free_port()},
    }
    for name, value in given.items():
        tree[name] = tree.get(name, {}) | dict(value) if isinstance(value, Mapping) else value
    return msgspec.convert(tree, Settings, dec_hook=_secret)


def command(*arguments: str) -> list[str]:
    """The `pushtokens` command with these arguments, as a subprocess's argument list."""
    return [sys.executable, "-m", "deploy.cli.main", *arguments]


def command_environment(settings: Settings) -> dict[str, str]:
    """The variables under which `command` has exactly these settings."""
    return environment(settings, os.environ) | python_path()


def run_command(settings: Settings, *arguments: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run `pushtokens ARGUMENTS` to its end (at most `timeout` seconds); exit code and output are in the result."""
    return subprocess.run(
        command(*arguments),
        env=command_environment(settings),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def start_command(settings: Settings, log: Path, *arguments: str) -> Process:
    """Start `pushtokens ARGUMENTS` beside the test: `.pid`, `.running`, `.stop(seconds)`, `.kill()`, `.tail()`.

    It dies with the test process; its output goes to `log`. A role's readiness is asked for at its own port.
    """
    process = Process(f"pushtokens {' '.join(arguments)}", command(*arguments), log, command_environment(settings))
    process.start()
    return process


def _secret(kind: type, value: object) -> object:
    assert kind is Secret
    return value if isinstance(value, Secret) else Secret(str(value))

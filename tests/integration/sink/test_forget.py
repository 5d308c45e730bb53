"""`pushtokens forget` with every role and engine running: gone everywhere, and nothing brings it back."""

import argparse
import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from msgspec.structs import replace

from deploy.cli import forget
from processors.clickhouse import ClickHouse
from schemas.records import Report
from schemas.settings import Settings
from schemas.topics import topics
from tests.compaction import last_values, read_all
from tests.conftest import SettingsFor
from tests.engines import start_command
from tests.poll import until
from tests.sinking import prepare, publish, ready, report

VICTIM, NAMESAKE, STRANGER = "SELVICTIM:7C3A0D14", "SELNAMESAKE:7C3A0D14", "SELSTRANGER:7C3A0D14"


@contextmanager
def _running(settings: Settings, logs: Path, *roles: str) -> Iterator[None]:
    with ExitStack() as stack:
        for role in roles:
            stack.callback(start_command(settings, logs / f"{role}.log", role).stop, 30.0)
        if "sink" in roles:
            until(lambda: ready(settings), "the sink is ready", 60.0)
        if "compact" in roles:
            until(lambda: _compactor_ready(settings), "the compactor is ready", 60.0)
        yield


def _compactor_ready(settings: Settings) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{settings.lookup.port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _reports() -> list[Report]:
    people = [(VICTIM, "johndow"), (NAMESAKE, "johndow"), (STRANGER, "other")]
    made = []
    for number in range(30):
        selector, username = people[number % 3]
        made.append(replace(report(number), selector=selector, username=username))
    return made


async def _forget(settings: Settings, *words: str) -> int:
    parser = argparse.ArgumentParser()
    forget.add_arguments(parser)
    arguments = parser.parse_args([*words, "--yes", "--wait", "60"])
    return await asyncio.to_thread(forget.run, arguments, settings)


def _rows(settings: Settings, table: str = "reports") -> dict[str, int]:
    with ClickHouse(settings) as clickhouse:
        number = "count()" if table == "reports" else "sum(reports)"
        found = clickhouse.query(f"SELECT selector, {number} FROM {table} GROUP BY selector").rows
    return {str(selector): int(count) for selector, count in found}


def _settings(settings_for: SettingsFor) -> Settings:
    return settings_for(sink={"batch_seconds": 0.2})


async def test_an_account_is_forgotten_and_stays_so(
    settings_for: SettingsFor, clickhouse: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = _settings(settings_for)
    await prepare(settings)
    with _running(settings, tmp_path, "sink", "compact"):
        await publish(settings, _reports())
        until(lambda: sum(_rows(settings).values()) == 30, "every report has a row")
        assert await _forget(settings, "--username", "johndow", "--json") == 0
        printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert printed["forgotten"] == 2
    reports_topic = topics(settings).reports.name
    assert printed["kafka_holds_copies_until"][reports_topic].startswith("20")
    assert _rows(settings) == {STRANGER: 10}
    assert list(_rows(settings, "token_lifetimes")) == [STRANGER]
    latest = last_values(await read_all(settings, topics(settings).latest.name))
    assert set(latest) == {STRANGER}
    await _replayed(settings, tmp_path)
    await _comes_back(settings, tmp_path)


async def _replayed(settings: Settings, logs: Path) -> None:
    """The whole log is sunk again, from a group that knows nothing, into tables that were emptied."""
    with ClickHouse(settings) as clickhouse_:
        clickhouse_.command("TRUNCATE TABLE reports")
        clickhouse_.command("TRUNCATE TABLE token_lifetimes_rollup")
    anew = replace(settings, sink=replace(settings.sink, group=f"{settings.sink.group}-again"))
    with _running(anew, logs, "sink"):
        until(lambda: _rows(settings).get(STRANGER) == 10, "the stranger's rows are there again")
    assert set(_rows(settings)) == {STRANGER}
    assert set(_rows(settings, "token_lifetimes")) == {STRANGER}


async def _comes_back(settings: Settings, logs: Path) -> None:
    """A phone that reports after its erasure is new."""
    later = replace(report(1), selector=VICTIM, username="johndow", received_at=time.time_ns() // 1_000_000)
    with _running(settings, logs, "sink", "compact"):
        await publish(settings, [later])
        until(lambda: _rows(settings).get(VICTIM) == 1, "the new report has a row")
    latest = last_values(await read_all(settings, topics(settings).latest.name))
    assert set(latest) == {STRANGER, VICTIM}


async def test_no_name_is_left_in_clickhouse(settings_for: SettingsFor, clickhouse: str, tmp_path: Path) -> None:
    settings = _settings(settings_for)
    await prepare(settings)
    with _running(settings, tmp_path, "sink", "compact"):
        await publish(settings, _reports())
        until(lambda: sum(_rows(settings).values()) == 30, "every report has a row")
        assert await _forget(settings, "--selector", VICTIM) == 0
    assert _rows(settings) == {NAMESAKE: 10, STRANGER: 10}
    with ClickHouse(settings) as clickhouse_:
        mutations = clickhouse_.query(
            "SELECT command FROM system.mutations WHERE database = {name:String}",
            {"name": settings.clickhouse.database},
        ).rows
    assert mutations
    assert not [command for (command,) in mutations if VICTIM in command]


async def test_a_stopped_sink_is_said_and_the_command_can_be_repeated(
    settings_for: SettingsFor, clickhouse: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = _settings(settings_for)
    await prepare(settings)
    await publish(settings, _reports())
    with _running(settings, tmp_path, "sink"):
        until(lambda: sum(_rows(settings).values()) == 30, "every report has a row")
    with _running(settings, tmp_path, "compact"):
        parser = argparse.ArgumentParser()
        forget.add_arguments(parser)
        arguments = parser.parse_args(["--selector", VICTIM, "--yes", "--wait", "3"])
        assert await asyncio.to_thread(forget.run, arguments, settings) == 1
        assert "sink has not passed" in capsys.readouterr().err
        assert _rows(settings)[VICTIM] == 10
    with _running(settings, tmp_path, "sink", "compact"):
        assert await _forget(settings, "--selector", VICTIM) == 0
    assert VICTIM not in _rows(settings)

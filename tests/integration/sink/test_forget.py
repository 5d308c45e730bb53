"""`pushtokens forget` with every role and engine running: gone everywhere, and nothing brings it back."""

import argparse
import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from msgspec.structs import replace

from deploy.cli import forget
from processors import erasure
from processors.clickhouse import ClickHouse
from processors.migrations import migrate
from processors.sink.erasures import digest
from schemas.records import Report, decode_latest, encode
from schemas.settings import Settings
from schemas.topics import topics
from tests.compaction import last_values, read_all, wait_applied
from tests.conftest import SettingsFor
from tests.engines import run_command, start_command
from tests.poll import until
from tests.sinking import NOW, lives, lives_of, prepare, publish, ready, report

VICTIM, NAMESAKE, STRANGER = "SELVICTIM:7C3A0D14", "SELNAMESAKE:7C3A0D14", "SELSTRANGER:7C3A0D14"


@contextmanager
def running(settings: Settings, logs: Path, *roles: str) -> Iterator[None]:
    """The roles, ready; stopped at the end."""
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


def people() -> list[Report]:
    """Ten reports each: of two selectors of `johndow`, and of a stranger."""
    whom = [(VICTIM, "johndow"), (NAMESAKE, "johndow"), (STRANGER, "other")]
    made = []
    for number in range(30):
        selector, username = whom[number % 3]
        made.append(replace(report(number), selector=selector, username=username))
    return made


async def _forget(settings: Settings, *words: str) -> int:
    parser = argparse.ArgumentParser()
    forget.add_arguments(parser)
    arguments = parser.parse_args([*words, "--yes", "--wait", "60"])
    return await asyncio.to_thread(forget.run, arguments, settings)


def rows(settings: Settings, table: str = "reports") -> dict[str, int]:
    """Rows, or reports counted by the lifetimes, of each selector."""
    with ClickHouse(settings) as clickhouse:
        number = "count()" if table == "reports" else "sum(reports)"
        found = clickhouse.query(f"SELECT selector, {number} FROM {table} GROUP BY selector").rows
    return {str(selector): int(count) for selector, count in found}


def _settings(settings_for: SettingsFor) -> Settings:
    return settings_for(sink={"batch_seconds": 0.2})


async def _latest(settings: Settings) -> dict[str, bytes]:
    return last_values(await read_all(settings, topics(settings).latest.name))


async def test_an_account_is_forgotten_and_stays_so(
    settings_for: SettingsFor, clickhouse: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = _settings(settings_for)
    await prepare(settings)
    with running(settings, tmp_path, "sink", "compact"):
        await publish(settings, people())
        until(lambda: sum(rows(settings).values()) == 30, "every report has a row")
        assert await _forget(settings, "--username", "johndow", "--json") == 0
        printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (printed["forgotten"], printed["passed_on"]) == (2, 0)
    _told_of_every_topic(settings, printed["kafka_holds_copies"])
    assert rows(settings) == {STRANGER: 10}
    assert list(rows(settings, "token_lifetimes")) == [STRANGER]
    assert set(await _latest(settings)) == {STRANGER}
    await _replayed(settings, tmp_path)
    await _rebuilt(settings, tmp_path)
    await _imported(settings, tmp_path)
    await _comes_back(settings, tmp_path)


def _told_of_every_topic(settings: Settings, held: list[dict[str, Any]]) -> None:
    """In days, by the configs that `init` gave the topics."""
    named, days = topics(settings), dict[str, list[int | None]]()
    for one in held:
        until_ = one["until"]
        away = until_ and round((datetime.fromisoformat(until_) - datetime.now(UTC)) / timedelta(days=1))
        days.setdefault(one["topic"], []).append(away)
    assert days == {
        named.reports.name: [37],
        named.changes.name: [37],
        named.rejected.name: [14],
        named.latest.name: [1, 9],
        named.removals.name: [None],
    }


async def _replayed(settings: Settings, logs: Path) -> None:
    """The whole log is sunk again, from a group that knows nothing, into tables that were emptied."""
    with ClickHouse(settings) as clickhouse_:
        clickhouse_.command("TRUNCATE TABLE reports")
        clickhouse_.command("TRUNCATE TABLE token_lifetimes_rollup")
    anew = replace(settings, sink=replace(settings.sink, group=f"{settings.sink.group}-again"))
    with running(anew, logs, "sink"):
        until(lambda: rows(settings).get(STRANGER) == 10, "the stranger's rows are there again")
    assert set(rows(settings)) == {STRANGER}
    assert set(rows(settings, "token_lifetimes")) == {STRANGER}


async def _rebuilt(settings: Settings, logs: Path) -> None:
    """`rebuild` reads every retained report once more, those of the forgotten among them."""
    done = await asyncio.to_thread(run_command, settings, "rebuild")
    assert done.returncode == 0, done.stderr
    with running(settings, logs, "compact"):
        await wait_applied(settings)
    assert set(await _latest(settings)) == {STRANGER}


async def _imported(settings: Settings, logs: Path) -> None:
    """The operator's own file has them all, and one more selector of the forgotten account."""
    rows_ = [*people(), replace(report(7), selector="SELUNSEEN:7C3A0D14", username="johndow")]
    path = logs / "tokens.jsonl"
    path.write_bytes(b"".join(encode(one) + b"\n" for one in rows_))
    with running(settings, logs, "sink", "compact"):
        done = await asyncio.to_thread(run_command, settings, "import", str(path), "--json")
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout) == {"sent": 10, "bad": 0, "forgotten": 21, "overtaken": 0}
        until(lambda: rows(settings) == {STRANGER: 20}, "the stranger's imported rows are there")
        await wait_applied(settings)
    assert set(await _latest(settings)) == {STRANGER}


async def _comes_back(settings: Settings, logs: Path) -> None:
    """A phone that reports after its erasure is new."""
    later = replace(report(1), selector=VICTIM, username="johndow", received_at=time.time_ns() // 1_000_000)
    with running(settings, logs, "sink", "compact"):
        await publish(settings, [later])
        until(lambda: rows(settings).get(VICTIM) == 1, "the new report has a row")
    assert set(await _latest(settings)) == {STRANGER, VICTIM}


async def test_a_selector_that_was_passed_on_keeps_its_new_account(
    settings_for: SettingsFor, clickhouse: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only what it reported for the forgotten account goes, and comes back by no replay."""
    settings = _settings(settings_for)
    await prepare(settings)
    theirs = [replace(report(number), selector=STRANGER, username="johndow") for number in range(100, 110)]
    ours = [replace(report(number), selector=STRANGER, username="other") for number in range(200, 210)]
    removed = [replace(report(number), selector=VICTIM, username="johndow") for number in range(5)]
    gone = replace(removed[0], kind="removal", received_at=NOW + 500, calls=None, other=None, username=None)
    with running(settings, tmp_path, "sink", "compact"):
        await publish(settings, [*theirs, *ours, *removed, gone])
        until(lambda: sum(rows(settings).values()) == 26, "every record has a row")
        assert await _forget(settings, "--username", "johndow", "--json") == 0
        printed: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert (printed["forgotten"], printed["passed_on"]) == (1, 1)
    assert rows(settings) == {STRANGER: 10}
    assert lives(settings) == lives_of(ours)
    latest = {key: decode_latest(value).username for key, value in (await _latest(settings)).items()}
    assert latest == {STRANGER: "other"}
    await _replayed(settings, tmp_path)
    assert lives(settings) == lives_of(ours)


def test_many_names_at_once(settings_for: SettingsFor, clickhouse: str) -> None:
    """More digests than an address has room for."""
    settings = settings_for()
    migrate(settings)
    names = [f"SEL{number}" for number in range(1500)]
    with ClickHouse(settings) as clickhouse_:
        erasure.list_erased(clickhouse_, names, "johndow", NOW)
        listed = clickhouse_.query("SELECT what, count(), uniqExact(digest) FROM erasures GROUP BY what ORDER BY what")
        assert [tuple(row) for row in listed.rows] == [("selector", 1500, 1500), ("username", 1, 1)]
        found = erasure.erased_among(clickhouse_, [*names, "SOMEBODY"], ["johndow", "SEL1"])
        assert set(found) == {("selector", digest(name)) for name in names} | {("username", digest("johndow"))}
        assert set(found.values()) == {NOW}
        whose = erasure.Whose(names[: erasure.CHUNK])
        assert erasure.newest_before(clickhouse_, whose, "L", {0: 5}) is None
        erasure.delete_rows(clickhouse_, settings.clickhouse, whose, NOW)
        assert erasure.rows_left(clickhouse_, whose, NOW) == 0
        assert erasure.rows_left(clickhouse_, erasure.Whose(()), NOW) == 0


async def test_no_name_is_left_in_clickhouse(settings_for: SettingsFor, clickhouse: str, tmp_path: Path) -> None:
    settings = _settings(settings_for)
    await prepare(settings)
    with running(settings, tmp_path, "sink", "compact"):
        await publish(settings, people())
        until(lambda: sum(rows(settings).values()) == 30, "every report has a row")
        assert await _forget(settings, "--selector", VICTIM) == 0
    assert rows(settings) == {NAMESAKE: 10, STRANGER: 10}
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
    await publish(settings, people())
    with running(settings, tmp_path, "sink"):
        until(lambda: sum(rows(settings).values()) == 30, "every report has a row")
    with running(settings, tmp_path, "compact"):
        parser = argparse.ArgumentParser()
        forget.add_arguments(parser)
        arguments = parser.parse_args(["--selector", VICTIM, "--yes", "--wait", "3"])
        assert await asyncio.to_thread(forget.run, arguments, settings) == 1
        assert "the sink has not come that far" in capsys.readouterr().err
        assert rows(settings)[VICTIM] == 10
    with running(settings, tmp_path, "sink", "compact"):
        assert await _forget(settings, "--selector", VICTIM) == 0
    assert VICTIM not in rows(settings)

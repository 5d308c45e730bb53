"""`pushtokens import` with every role and engine running: once on the log, and never over a live token."""

import argparse
import asyncio
import json
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from deploy.cli import import_file
from deploy.local.process import Process
from processors.clickhouse import ClickHouse
from processors.erasure import list_erased
from schemas.records import Pair, decode_latest, decode_report
from schemas.settings import Settings
from schemas.topics import topics
from tests.compaction import last_values, read_all, wait_applied
from tests.conftest import SettingsFor
from tests.engines import start_command
from tests.poll import until, until_async
from tests.sinking import NOW, metric, prepare, publish, report, tally


def _line(number: int, **more: object) -> str:
    values = {
        "selector": f"IMP{number:05d}:7C3A0D14",
        "username": f"user{number}",
        "calls": {"token": f"calls-{number}", "app_id": "com.example.pushkit"},
        "received_at": NOW - 86_400_000 + number,
    }
    return json.dumps(values | more)


def _file(tmp_path: Path, lines: list[str]) -> Path:
    path = tmp_path / "tokens.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


async def _import(settings: Settings, path: Path, *words: str) -> int:
    parser = argparse.ArgumentParser()
    import_file.add_arguments(parser)
    return await asyncio.to_thread(import_file.run, parser.parse_args([str(path), *words]), settings)


async def _ids(settings: Settings) -> list[str]:
    values = [message.value for message in await read_all(settings, topics(settings).reports.name)]
    return [decode_report(value).id for value in values if value is not None]


async def test_a_migration(
    settings_for: SettingsFor, clickhouse: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A live token stays, an absent slot is filled, a bad line is told, a second run changes nothing."""
    settings = settings_for(sink={"batch_seconds": 0.2})
    await prepare(settings)
    live = replace(report(1), selector="IMP00000:7C3A0D14", calls=Pair("live"), other=None)
    forgotten = "IMP00002:7C3A0D14"
    with ClickHouse(settings) as clickhouse_:
        list_erased(clickhouse_, [forgotten], None, NOW)
    lines = [_line(number) for number in range(5)]
    lines[0] = _line(0, other={"token": "other-0", "app_id": None})
    path = _file(tmp_path, [*lines[:3], _line(9, selector=""), *lines[3:]])
    with ExitStack() as stack:
        for role in ("sink", "compact"):
            stack.callback(start_command(settings, tmp_path / f"{role}.log", role).stop, 30.0)
        await publish(settings, [live])
        code, shown = await _import(settings, path, "--json"), capsys.readouterr()
        assert (code, bool(shown.out)) == (1, True), shown.err
        assert json.loads(shown.out) == {"sent": 4, "bad": 1, "forgotten": 1}
        assert "line 4: selector is missing" in shown.err
        assert await _import(settings, path, "--json") == 0
        assert "has been imported" in capsys.readouterr().err
        until(lambda: tally(settings).rows == 5, "the live report and four imported ones have rows")
        await wait_applied(settings)
        until(lambda: metric(settings, "pushtokens_sink_lag_records") == 0, "the sink has no lag")
    latest = {key: decode_latest(value) for key, value in (await _latest(settings)).items()}
    assert forgotten not in latest
    assert len(latest) == 4
    filled = latest["IMP00000:7C3A0D14"]
    assert filled.calls is not None
    assert filled.other is not None
    assert (filled.calls.token, filled.other.token) == ("live", "other-0")
    with ClickHouse(settings) as clickhouse_:
        rows = clickhouse_.query("SELECT origin, count() FROM reports GROUP BY origin ORDER BY origin").rows
    assert [tuple(row) for row in rows] == [("app", 1), ("import", 4)]


async def _latest(settings: Settings) -> dict[str, bytes]:
    return last_values(await read_all(settings, topics(settings).latest.name))


async def test_killed_imports_go_on_where_they_were(settings_for: SettingsFor, clickhouse: str, tmp_path: Path) -> None:
    settings = settings_for()
    await prepare(settings)
    count = 12_000
    path = _file(tmp_path, [_line(number) for number in range(count)])
    log = tmp_path / "import.log"
    for kill_after in (2000, 6000):
        importing = start_command(settings, log, "import", str(path), "--rate", "3000", "--json")
        await until_async(partial(_came_to, settings, kill_after, importing), "part is on the log", 60.0)
        importing.kill()
        assert len(await _ids(settings)) < count
    (tmp_path / "data" / "import").rename(tmp_path / "checkpoints-lost")
    assert await _import(settings, path, "--json") == 0
    ids = await _ids(settings)
    assert len(ids) == len(set(ids)) == count


async def _came_to(settings: Settings, wanted: int, importing: Process) -> bool:
    assert importing.running, importing.tail()
    return len(await _ids(settings)) >= wanted


async def test_kafka_forgot_but_the_checkpoint_did_not(
    settings_for: SettingsFor, clickhouse: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_for()
    await prepare(settings)
    path = _file(tmp_path, [_line(number) for number in range(10)])
    assert await _import(settings, path) == 0
    (checkpoint,) = (tmp_path / "data" / "import").glob("*.json")
    text = checkpoint.read_text()
    checkpoint.write_text(text.replace('"finished":true', '"finished":false'))
    assert await _import(settings, path) == 0
    assert "10 imported, 0 bad" in capsys.readouterr().out
    assert len(await _ids(settings)) == 10
    assert await _import(settings, path, "--again") == 0
    ids = await _ids(settings)
    assert (len(ids), len(set(ids))) == (20, 10)

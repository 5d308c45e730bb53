"""`pushtokens import` with every role and engine running: once on the log, and never over a live token."""

import argparse
import asyncio
import json
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import DeleteGroupsRequest
from msgspec.structs import replace

from deploy.cli import import_file
from deploy.importing.files import identity
from deploy.importing.log import ImportLog
from deploy.local.process import Process
from processors.clickhouse import ClickHouse
from processors.erasure import list_erased
from schemas.kafka_client import client_options
from schemas.records import Pair, Report, decode_latest, decode_report
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
        assert json.loads(shown.out) == {"sent": 4, "bad": 1, "forgotten": 1, "overtaken": 0}
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


async def _forget_group(settings: Settings, path: Path) -> None:
    """What Kafka does a week after a group's last commit (`offsets.retention.minutes`)."""
    group = f"{settings.kafka.topic_prefix}-import-{identity(path)[:32]}"
    admin = AIOKafkaAdminClient(**client_options(settings, "test"))
    await admin.start()
    try:
        assert await admin.list_consumer_group_offsets(group), "there is something to forget"
        coordinator = await admin.find_coordinator(group)
        response = await admin._client.send(coordinator, DeleteGroupsRequest([group]))
        assert [code for _, code in response.results] == [0]
        assert not await admin.list_consumer_group_offsets(group)
    finally:
        await admin.close()


@pytest.mark.parametrize("lost", ["mark", "checkpoint"])
async def test_a_kill_behind_a_batch_and_a_lost_mark_double_nothing(
    settings_for: SettingsFor, clickhouse: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """The process dies when a batch is on the log and nothing says so; then one of the two memories is lost as well."""
    settings = settings_for(sink={"batch_seconds": 0.2})
    await prepare(settings)
    path = _file(tmp_path, [_line(number) for number in range(2500)])

    class Killed(BaseException):
        pass

    write, batches = ImportLog.write, []

    async def dying(self: ImportLog, reports: Sequence[Report]) -> None:
        await write(self, reports)
        batches.append(len(reports))
        if len(batches) == 2:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(ImportLog, "write", dying)
        await _import(settings, path)
    assert len(await _ids(settings)) == 2000
    if lost == "mark":
        await _forget_group(settings, path)
    else:
        (tmp_path / "data" / "import").rename(tmp_path / "checkpoints-lost")
    assert await _import(settings, path) == 0
    ids = await _ids(settings)
    assert len(ids) == len(set(ids)) == 2500
    sink = start_command(settings, tmp_path / "sink.log", "sink")
    until(lambda: tally(settings).rows >= 2500, "every record has a row", 60.0)
    sink.stop(30.0)
    with ClickHouse(settings) as clickhouse_:
        found = clickhouse_.query("SELECT count(), uniqExact(id) FROM reports").rows[0]
    assert tuple(found) == (2500, 2500)


async def test_an_erasure_while_it_runs(
    settings_for: SettingsFor,
    clickhouse: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What comes after it is left out; what is on the log already is told."""
    settings = settings_for()
    await prepare(settings)
    lines = [_line(number) for number in range(2500)]
    for number in (5, 1500, 2400):
        lines[number] = _line(number, username="johndow")
    path = _file(tmp_path, lines)
    write, batches = ImportLog.write, []

    async def forgetting(self: ImportLog, reports: Sequence[Report]) -> None:
        batches.append(len(reports))
        if len(batches) == 2:
            with ClickHouse(settings) as clickhouse_:
                list_erased(clickhouse_, [], "johndow", NOW)
        await write(self, reports)

    monkeypatch.setattr(ImportLog, "write", forgetting)
    assert await _import(settings, path, "--json") == 1
    shown = capsys.readouterr()
    # Line 5's batch was asked about for the last time before the erasure: `forget` itself finds that one.
    assert json.loads(shown.out) == {"sent": 2499, "bad": 0, "forgotten": 1, "overtaken": 1}
    assert "run that `pushtokens forget` once more" in shown.err
    assert len(await _ids(settings)) == 2499


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
    await _forget_group(settings, path)
    assert await _import(settings, path) == 0
    assert "10 imported, 0 bad" in capsys.readouterr().out
    assert len(await _ids(settings)) == 10
    assert await _import(settings, path, "--again") == 0
    ids = await _ids(settings)
    assert (len(ids), len(set(ids))) == (20, 10)

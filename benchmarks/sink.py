"""The sink beside a straightforward column insert and the raw limit of the engine (issue 5).

python -m benchmarks.sink            1,000,000 reports, 3 alternating rounds
python -m benchmarks.sink --quick    200,000 reports; its figures mean nothing

Every way reads the same topic of the embedded Kafka and writes to the same embedded engine, one process each, and is
counted when all rows are in the table. The raw limit inserts the finished bytes, without Kafka.
"""

import argparse
import asyncio
import base64
import json
import random
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import clickhouse_connect
import psutil
from aiokafka import AIOKafkaConsumer

from benchmarks.machine import machine
from processors.clickhouse import ClickHouse
from processors.sink.landing import INSERT_SETTINGS
from processors.sink.rows import COLUMNS, FORMAT, Log, RowMaker
from schemas.records import Pair, Report, decode_report
from schemas.settings import Settings
from schemas.topics import topics
from tests.engines import make_settings, running_clickhouse, running_kafka, start_command
from tests.sinking import prepare, publish

RESULTS: Final = Path(__file__).parent / "results"
BATCH: Final = 50_000
NAMES: Final = (
    *("received_at", "kind", "selector", "username", "calls_token", "calls_app_id", "other_token", "other_app_id"),
    *("user_agent", "id", "install_id", "appended_at", "log_id", "kafka_partition", "kafka_offset", "kafka_partitions"),
)


def report(number: int) -> Report:
    """A report of one of 200,000 phones, in the lengths of the specification's examples."""
    rng = random.Random(number % 200_000)  # noqa: S311  # a load, not a secret
    token = rng.randbytes(32 + 122)
    return Report(
        schema_version=1,
        id=str(uuid.UUID(int=number)),
        kind="report",
        received_at=1_790_000_000_000 + number,
        selector=f"{rng.getrandbits(160):040X}:{rng.getrandbits(32):08X}",
        username=f"+44{rng.randrange(10**9):09d}",
        calls=Pair(token=base64.b64encode(token[:32]).decode(), app_id="com.cloudsoftphone.app.pushkit"),
        other=Pair(token=base64.b64encode(token[32:]).decode(), app_id="com.cloudsoftphone.app"),
        install_id=str(uuid.UUID(int=rng.getrandbits(128))),
        user_agent="CloudSoftphone/1.5.6",
    )


def ours(settings: Settings, count: int, directory: Path) -> dict[str, float]:
    """The sink's role, from the first rows that are there to the last one; start-up is taken off."""
    sink = start_command(settings, directory / "sink.log", "sink")
    begun, peak = None, 0.0
    try:
        while (rows := _rows(settings)) < count:
            if begun is None and rows:
                begun = (time.monotonic(), rows)
            peak = max(peak, psutil.Process(sink.pid).memory_info().rss / 2**20)
            time.sleep(0.05)
        assert begun is not None
        return {"rows_per_second": (count - begun[1]) / (time.monotonic() - begun[0]), "peak_mib": peak}
    finally:
        sink.stop(20.0)


def columns(settings: Settings, count: int, _directory: Path) -> dict[str, float]:
    """What one writes first: consume, decode into Python values, `client.insert`, commit; no promise at all."""
    return asyncio.run(_columns(settings, count))


async def _columns(settings: Settings, count: int) -> dict[str, float]:
    consumer = AIOKafkaConsumer(
        topics(settings).reports.name,
        bootstrap_servers=settings.bootstrap,
        group_id=f"columns-{time.time_ns()}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    client = clickhouse_connect.get_client(dsn=settings.clickhouse_url, database=settings.clickhouse.database)
    await consumer.start()
    done, pending, begun, first = 0, [], None, 0
    try:
        while done < count:
            for batch in (await consumer.getmany(timeout_ms=200, max_records=5000)).values():
                pending += [_values(record) for record in batch]
            if len(pending) >= BATCH or (pending and done + len(pending) >= count):
                await asyncio.to_thread(client.insert, "reports", pending, NAMES)
                await consumer.commit()
                done += len(pending)
                pending = []
                if begun is None:
                    begun, first = time.monotonic(), done
    finally:
        await consumer.stop()
        client.close()
    assert begun is not None
    return {"rows_per_second": (count - first) / max(1e-9, time.monotonic() - begun)}


def _values(record: Any) -> list[Any]:
    from datetime import UTC, datetime

    one = decode_report(record.value)
    calls, other = one.calls, one.other
    return [
        datetime.fromtimestamp(one.received_at / 1000, UTC),
        *(one.kind, one.selector, one.username or ""),
        *((calls.token, calls.app_id or "") if calls else ("", "")),
        *((other.token, other.app_id or "") if other else ("", "")),
        *(one.user_agent or "", one.id, one.install_id or "", datetime.fromtimestamp(record.timestamp / 1000, UTC)),
        *("columns", record.partition, record.offset, 4),
    ]


def raw(settings: Settings, count: int, _directory: Path) -> dict[str, float]:
    """The same bytes that the sink sends, ready made, one insert after the other."""
    from types import SimpleNamespace
    from typing import cast

    from processors.log_record import LogRecord
    from schemas.records import encode

    made = []
    for start in range(0, min(count, BATCH), BATCH):
        entries = []
        for number in range(start, start + BATCH):
            one = report(number)
            entry = SimpleNamespace(
                offset=number, timestamp=one.received_at, key=one.selector.encode(), value=encode(one)
            )
            entries.append(cast(LogRecord, entry))
        made.append(RowMaker(Log("raw", 0, 1), 10**12).block(entries, lambda selector, username, at: False).lines)
    repeats = max(1, count // BATCH)
    with ClickHouse(settings) as clickhouse:
        table = f"{settings.clickhouse.database}.reports ({COLUMNS})"
        begun = time.monotonic()
        for number in range(repeats):
            token = {"insert_deduplication_token": f"raw-{time.time_ns()}-{number}"}
            clickhouse.insert_raw(table, made[0], FORMAT, INSERT_SETTINGS | token)
        return {"rows_per_second": repeats * BATCH / (time.monotonic() - begun)}


def _rows(settings: Settings) -> int:
    with ClickHouse(settings) as clickhouse:
        return int(clickhouse.query("SELECT count() FROM reports WHERE log_id != 'raw'").scalar())


def _reset(settings: Settings) -> None:
    with ClickHouse(settings) as clickhouse:
        for table in ("reports", "token_lifetimes_rollup"):
            clickhouse.command(f"TRUNCATE TABLE {table}")


def _bytes_per_row(settings: Settings) -> float:
    with ClickHouse(settings) as clickhouse:
        clickhouse.command("OPTIMIZE TABLE reports FINAL")
        found = clickhouse.query(
            "SELECT sum(data_compressed_bytes) / sum(rows) FROM system.parts "
            "WHERE active AND database = {database:String} AND table = 'reports'",
            {"database": settings.clickhouse.database},
        )
        return float(found.scalar())


def main() -> None:
    """Measure, print, write `results/sink.json`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a smoke test")
    quick = parser.parse_args().quick
    count, rounds = (200_000, 1) if quick else (1_000_000, 3)
    ways: dict[str, Callable[[Settings, int, Path], dict[str, float]]] = {"ours": ours, "columns": columns, "raw": raw}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        with running_kafka(directory / "kafka") as kafka, running_clickhouse(directory / "clickhouse") as engine:
            settings = make_settings(directory / "data", kafka.bootstrap, engine.url)
            size = 0.0
            _prepare(settings, count)
            for number in range(rounds):
                for name, way in ways.items():
                    _reset(settings)
                    one = make_settings(
                        directory / "data",
                        kafka.bootstrap,
                        engine.url,
                        kafka={"bootstrap": kafka.bootstrap, "topic_prefix": settings.kafka.topic_prefix},
                        clickhouse={"url": engine.url, "database": settings.clickhouse.database},
                    )
                    found[name].append(way(one, count, directory))
                    print(f"round {number + 1}: {name}: {found[name][-1]}", flush=True)
                    if name == "ours":
                        size = _bytes_per_row(settings)
    _write(found, count, size, "sink-quick.json" if quick else "sink.json")


def _prepare(settings: Settings, count: int) -> None:
    async def fill() -> None:
        await prepare(settings)
        for start in range(0, count, BATCH):
            await publish(settings, [report(number) for number in range(start, min(count, start + BATCH))])

    asyncio.run(fill())


def _write(found: dict[str, list[dict[str, float]]], count: int, size: float, name: str) -> None:
    rates = {way: statistics.median(one["rows_per_second"] for one in runs) for way, runs in found.items()}
    document = {
        "machine": machine(),
        "reports": count,
        "rows_per_second": rates,
        "ratio_to_columns": rates["ours"] / rates["columns"],
        "ratio_to_raw": rates["ours"] / rates["raw"],
        "peak_mib": max(one["peak_mib"] for one in found["ours"]),
        "bytes_per_row": size,
        "runs": found,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / name).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({key: value for key, value in document.items() if key != "runs"}, indent=2))


if __name__ == "__main__":
    main()

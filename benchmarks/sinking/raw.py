"""The raw limit: the bodies that the sink sends, ready made, one insert after the other; no Kafka, no rows to make."""

import time
from typing import Final

import psutil

from benchmarks.sinking.course import Course
from benchmarks.sinking.load import PHONES, report
from processors.clickhouse import ClickHouse
from processors.fetched import Fetched
from processors.sink.landing import INSERT_SETTINGS
from processors.sink.rows import COLUMNS, FORMAT, Log, RowMaker
from schemas.records import encode
from schemas.settings import Settings

BATCH: Final = 50_000


def raw(settings: Settings, count: int, engine: psutil.Process) -> Course:
    """Insert `count` rows (a multiple of 50,000); as on the log, a phone comes again after 200,000 reports."""
    bodies = [_body(start) for start in range(0, min(count, PHONES), BATCH)]
    with ClickHouse(settings) as clickhouse:
        table = f"{settings.clickhouse.database}.reports ({COLUMNS})"
        begun, before = time.monotonic(), sum(engine.cpu_times()[:2])
        for number in range(count // BATCH):
            token = {"insert_deduplication_token": f"{begun}-{number}"}
            clickhouse.insert_raw(table, bodies[number % len(bodies)], FORMAT, INSERT_SETTINGS | token)
    seconds = time.monotonic() - begun
    return Course(
        rows_per_second=count / seconds,
        drained_seconds=seconds,
        own_us=0.0,
        engine_us=(sum(engine.cpu_times()[:2]) - before) / count * 1e6,
        peak_mib=0.0,
    )


def _body(start: int) -> bytes:
    maker = RowMaker(Log("raw", 0, 0), 10**12)  # of 0 partitions: no row is on a wrong one
    rows = maker.empty()
    for number in range(start, start + BATCH):
        one = report(number)
        record = Fetched(number, one.received_at, one.selector.encode(), encode(one))
        maker.add(rows, [record], lambda selector, username, at: False)
    return b"".join(rows.body())

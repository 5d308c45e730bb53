"""The sink beside a straightforward column insert, ClickHouse's own Kafka engine and the raw limit (issue 5).

python -m benchmarks.sink            a backlog of 1,000,000 reports, 3 alternating rounds
python -m benchmarks.sink --quick    200,000 reports, one round; its figures mean nothing

Every way drains the same topic of the embedded Kafka into the same empty table of the embedded engine, and each row is
counted and told apart before its rate is believed. What is timed: `sinking/course.py`; what is compared:
docs/benchmarks.md.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil

from benchmarks.machine import machine
from benchmarks.sinking import kafka_engine
from benchmarks.sinking.course import Course, Table, follow
from benchmarks.sinking.load import fill
from benchmarks.sinking.raw import raw
from deploy.local.clickhouse import LocalClickHouse
from deploy.local.process import Process, python_path
from schemas.settings import Settings
from schemas.topics import topics
from tests.engines import make_settings, running_clickhouse, running_kafka, start_command
from tests.sinking import prepare

RESULTS: Final = Path(__file__).parent / "results"
PEAK_MIB: Final = 300.0
TO_COLUMNS, TO_KAFKA_ENGINE = 3.0, 1.2  # what issue 5 asks for


class Stage:
    """One run: the engines' addresses, the backlog, the table."""

    def __init__(self, settings: Settings, engine: LocalClickHouse, count: int, directory: Path) -> None:
        assert engine.pid is not None
        self.settings, self.count, self.directory = settings, count, directory
        self.engine = psutil.Process(engine.pid)
        self.table = Table(settings)
        self._runs = 0

    def group(self) -> str:
        """A consumer group that has read nothing yet."""
        self._runs += 1
        return f"{self.settings.kafka.topic_prefix}-{self._runs}"

    def followed(self, process: Process) -> Course:
        """The course of a contender that has a process of its own; it is stopped at the end."""
        try:
            assert process.pid is not None
            return follow(self.table, self.count, psutil.Process(process.pid), self.engine)
        finally:
            process.stop(20.0)


def ours(stage: Stage) -> Course:
    """`pushtokens sink` as shipped."""
    settings = make_settings(
        stage.directory / "data",
        stage.settings.bootstrap,
        stage.settings.clickhouse_url,
        kafka={"bootstrap": stage.settings.bootstrap, "topic_prefix": stage.settings.kafka.topic_prefix},
        clickhouse={"url": stage.settings.clickhouse_url, "database": stage.settings.clickhouse.database},
        sink={"group": stage.group()},
    )
    return stage.followed(start_command(settings, stage.directory / "sink.log", "sink"))


def columns(stage: Stage, rows: int = 0) -> Course:
    """`benchmarks/sinking/columns.py`; `rows` are gathered for an insert (0: what a fetch brings)."""
    given = {
        "bootstrap": stage.settings.bootstrap,
        "topic": topics(stage.settings).reports.name,
        "group": stage.group(),
        "url": stage.settings.clickhouse_url,
        "database": stage.settings.clickhouse.database,
        "partitions": stage.settings.partition_count,
        "log_id": "columns",
        "rows": rows,
    }
    command = [sys.executable, "-m", "benchmarks.sinking.columns", json.dumps(given)]
    process = Process("columns", command, stage.directory / "columns.log", python_path())
    process.start()
    return stage.followed(process)


def columns_gathered(stage: Stage) -> Course:
    """The same with 50,000 rows an insert: what one makes of it after reading ClickHouse's advice."""
    return columns(stage, 50_000)


def engine(stage: Stage) -> Course:
    """ClickHouse's Kafka engine; it works inside ClickHouse's process."""
    kafka_engine.start(stage.settings, stage.group(), "kafka-engine")
    try:
        return follow(stage.table, stage.count, None, stage.engine)
    finally:
        kafka_engine.stop(stage.settings)


def limit(stage: Stage) -> Course:
    """The raw limit."""
    return raw(stage.settings, stage.count, stage.engine)


WAYS: Final[dict[str, Callable[[Stage], Course]]] = {
    "ours": ours,
    "columns": columns,
    "columns-gathered": columns_gathered,
    "kafka-engine": engine,
    "raw": limit,
}


def main(arguments: Sequence[str]) -> int:
    """Measure, print, write `results/sink.json`; 1 if a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a smoke test")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--reports", type=int, default=1_000_000, help="a multiple of 50,000")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    chosen = parser.parse_args(arguments)
    count, rounds = (200_000, 1) if chosen.quick else (chosen.reports, chosen.rounds)
    document = {"machine": machine(), "reports": count} | measure(count, rounds, chosen.ways)
    RESULTS.mkdir(exist_ok=True)
    name = "sink-quick.json" if chosen.quick else "sink.json"
    (RESULTS / name).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({key: value for key, value in document.items() if key != "runs"}, indent=2))
    missed = [] if chosen.quick else wrong(document)
    for line in missed:
        print(f"MISSED: {line}")
    return 1 if missed else 0


def measure(count: int, rounds: int, ways: Sequence[str]) -> dict[str, Any]:
    """Run every way in each round, another one first each time."""
    runs: dict[str, list[Course]] = {name: [] for name in ways}
    size = 0.0
    with tempfile.TemporaryDirectory(prefix="push-token-bench-") as scratch:
        directory = Path(scratch)
        with running_kafka(directory / "kafka") as kafka, running_clickhouse(directory / "clickhouse") as clickhouse:
            settings = make_settings(directory / "data", kafka.bootstrap, clickhouse.url)
            asyncio.run(prepare(settings))
            asyncio.run(fill(settings, count))
            stage = Stage(settings, clickhouse, count, directory)
            for number in range(rounds):
                for name in [*ways[number % len(ways) :], *ways[: number % len(ways)]]:
                    stage.table.empty()
                    runs[name].append(WAYS[name](stage))
                    print(f"round {number + 1}: {name}: {msgspec.structs.asdict(runs[name][-1])}", flush=True)
                    if name != "raw":
                        stage.table.check(count)
                    if name == "ours":
                        size = stage.table.bytes_per_row()
            stage.table.close()
    return summary(runs) | {
        "bytes_per_row": size,
        "runs": {name: msgspec.to_builtins(all_) for name, all_ in runs.items()},
    }


def summary(runs: dict[str, list[Course]]) -> dict[str, Any]:
    """Medians by way, and our rate over theirs; of the peak the worst."""
    median = {
        name: {key: statistics.median(getattr(run, key) for run in found) for key in Course.__struct_fields__}
        for name, found in runs.items()
    }
    for name, found in runs.items():
        median[name]["peak_mib"] = max(run.peak_mib for run in found)
    ratios = {
        name: median["ours"]["rows_per_second"] / median[name]["rows_per_second"]
        for name in median
        if "ours" in median and name != "ours"
    }
    return {"median": median, "ours_over": ratios}


def wrong(document: dict[str, Any]) -> list[str]:
    """The bounds that are missed, a line each."""
    median, ratios = document["median"], document["ours_over"]
    found = []
    for name, bound in (("columns", TO_COLUMNS), ("kafka-engine", TO_KAFKA_ENGINE)):
        if name in ratios and ratios[name] < bound:
            found.append(f"{ratios[name]:.2f} x {name}; {bound} x is promised")
    if "ours" in median and median["ours"]["peak_mib"] > PEAK_MIB:
        found.append(f"{median['ours']['peak_mib']:.0f} MiB; {PEAK_MIB:.0f} are promised")
    return found


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

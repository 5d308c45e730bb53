"""The churn queries on 10 million rows: 400 days, 500,000 selectors, made inside ClickHouse from a seed (issue 5).

python -m benchmarks.churn            the whole, about 15 minutes
python -m benchmarks.churn --quick    200,000 rows; its figures mean nothing
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec

from benchmarks.churn_history.made import make_history
from benchmarks.machine import machine
from deploy.dashboard.charts import CHARTS
from deploy.local.clickhouse import LocalClickHouse
from deploy.local.environment import environment
from deploy.local.ports import free_port
from processors.churn.figures import figures
from processors.churn.filters import Filters, parse
from processors.churn.metrics import METRICS
from processors.churn.rollup import ROLLUPS, SETTINGS, rebuild
from processors.clickhouse import ClickHouse
from processors.migrations import migrate
from schemas.settings import Settings

RESULTS: Final = Path(__file__).parent / "results"
LAST: Final = date(2026, 11, 24)
DAYS: Final = 400
VIEW_SECONDS: Final = 1.0  # issue 5: the dashboard's default views
AD_HOC_SECONDS: Final = 10.0  # issue 5: windows over the history


class Engine:
    """The embedded ClickHouse, and the peak of its memory while something runs."""

    def __init__(self, directory: Path) -> None:
        self.engine = LocalClickHouse(directory, free_port(), memory_mb=4096)

    def measured(self, work: Callable[[], object]) -> dict[str, float]:
        """Run `work`: seconds, and the engine process's peak resident memory (MiB; `man 5 proc`, clear_refs)."""
        status = Path(f"/proc/{self.engine.pid}/status")
        Path(f"/proc/{self.engine.pid}/clear_refs").write_text("5", encoding="ascii")
        before = _mib(status, "VmRSS")
        start = time.monotonic()
        work()
        seconds = time.monotonic() - start
        peak = _mib(status, "VmHWM")
        return {"seconds": round(seconds, 3), "peak_mib": peak, "more_than_before_mib": max(0, peak - before)}

    def repeated(self, work: Callable[[], object], rounds: int) -> dict[str, float]:
        """`measured`, `rounds` times: the median of the seconds, the worst of them, and the highest peak."""
        found = [self.measured(work) for _ in range(rounds)]
        seconds = [one["seconds"] for one in found]
        return {
            "median_seconds": statistics.median(seconds),
            "worst_seconds": max(seconds),
            "peak_mib": max(one["peak_mib"] for one in found),
            "more_than_before_mib": max(one["more_than_before_mib"] for one in found),
        }


def _mib(status: Path, name: str) -> int:
    line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith(name + ":"))
    return int(line.split()[1]) // 1024


def questions(app_id: str) -> dict[str, Filters]:
    """What is asked of each metric: as the page does at first, narrowed, and over all days."""
    default = parse({"to": LAST.isoformat()}, LAST)
    return {
        "default": default,
        "one slot": msgspec.structs.replace(default, slot="calls"),
        "one app id": msgspec.structs.replace(default, app_id=app_id),
        "one platform": msgspec.structs.replace(default, platform="ios"),
        "all days": msgspec.structs.replace(default, from_day=LAST - timedelta(days=DAYS - 1)),
    }


def run(rows: int, rounds: int, directory: Path) -> dict[str, Any]:
    """Everything, as the document of results."""
    engine = Engine(directory / "clickhouse")
    engine.engine.start(120.0)
    try:
        settings = msgspec.convert(
            {
                "data_dir": str(directory),
                "clickhouse": {"url": f"http://127.0.0.1:{engine.engine.port}", "query_timeout": 120.0},
                "dashboard": {"port": free_port()},
            },
            Settings,
        )
        migrate(settings)
        with ClickHouse(settings, timeout=1800.0) as clickhouse:
            return _measure(engine, clickhouse, settings, rows, rounds)
    finally:
        engine.engine.stop()


def _measure(engine: Engine, clickhouse: ClickHouse, settings: Settings, rows: int, rounds: int) -> dict[str, Any]:
    say = _said(f"making {rows:,} rows")
    made = engine.measured(
        lambda: make_history(clickhouse, selectors=rows // 20, reports=21, days=DAYS, last=LAST, seed=1)
    )
    clickhouse.command("OPTIMIZE TABLE reports FINAL")
    say(made)
    document: dict[str, Any] = {
        "machine": machine(),
        "rows": clickhouse.query("SELECT count() FROM reports").scalar(),
        "selectors": clickhouse.query("SELECT uniqExact(selector) FROM reports").scalar(),
        "days": DAYS,
        "made": made,
        "rollups": {},
        "metrics": {},
    }
    for table in ROLLUPS:
        say = _said(f"computing {table}")
        every_column = f"SELECT sum(cityHash64(*)) FROM {table}_now"  # noqa: S608
        document["rollups"][table] = engine.measured(partial(clickhouse.query, every_column, None, SETTINGS))
        say(document["rollups"][table])
    document["rebuild"] = engine.measured(lambda: rebuild(clickhouse))
    for name in METRICS:
        say = _said(name)
        document["metrics"][name] = {
            what: engine.repeated(partial(figures, clickhouse, name, filters), rounds)
            for what, filters in questions("com.acme.phone").items()
        }
        say(document["metrics"][name]["default"])
    document["views"] = _views(settings, rounds)
    document["goals"] = _goals(document)
    return document


def _views(settings: Settings, rounds: int) -> dict[str, Any]:
    """The dashboard's default views over HTTP, one by one, and all at once as the page asks for them."""
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.cli.main", "dashboard"], env=environment(settings, os.environ)
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{settings.dashboard.port}", timeout=60.0, trust_env=False) as web:
            _until_ready(web)
            found: dict[str, Any] = {}
            for name in CHARTS:
                seconds = []
                for _ in range(rounds):
                    start = time.monotonic()
                    web.get(f"/api/charts/{name}").raise_for_status()
                    seconds.append(time.monotonic() - start)
                found[name] = {
                    "median_seconds": round(statistics.median(seconds), 3),
                    "worst_seconds": round(max(seconds), 3),
                }
            return found
    finally:
        process.terminate()
        process.wait(20)


def _until_ready(web: httpx.Client) -> None:
    end = time.monotonic() + 600.0
    while time.monotonic() < end:
        try:
            if web.get("/readyz").status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise TimeoutError("the dashboard was not ready within 600 s")


def _goals(document: dict[str, Any]) -> dict[str, Any]:
    slowest_view = max(one["worst_seconds"] for one in document["views"].values())
    slowest = max(one["worst_seconds"] for found in document["metrics"].values() for one in found.values())
    return {
        "slowest_default_view_seconds": slowest_view,
        "default_views_under_1_s": slowest_view < VIEW_SECONDS,
        "slowest_query_seconds": slowest,
        "every_query_under_10_s": slowest < AD_HOC_SECONDS,
    }


def _said(what: str) -> Callable[[dict[str, float]], None]:
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {what} …\n")

    def measured(found: dict[str, float]) -> None:
        sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {what}: {found}\n")

    return measured


def main(given: list[str]) -> int:
    """Exit code 0: measured and the goals met (with --quick: measured); 1: a goal missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.churn", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="200,000 rows, one round")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args(given)
    rows, rounds = (200_000, 1) if chosen.quick else (chosen.rows, chosen.rounds)
    directory = Path(tempfile.mkdtemp(prefix="bench-churn-"))
    try:
        document = run(rows, rounds, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(document, indent=2) + "\n"
    (RESULTS / ("churn-quick.json" if chosen.quick else "churn.json")).write_text(text, encoding="utf-8")
    sys.stdout.write(json.dumps(document["goals"], indent=2) + "\n")
    goals = document["goals"]
    return 0 if chosen.quick or (goals["default_views_under_1_s"] and goals["every_query_under_10_s"]) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

"""`pushtokens churn` as a person and a program use it."""

import argparse
import csv
import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec import Struct

from deploy.cli import churn as command
from deploy.local.environment import environment
from processors.churn.metrics import METRICS
from processors.clickhouse import ClickHouse
from schemas.settings import Settings
from tests.churn_reference import Record
from tests.engines import make_settings
from tests.integration.churn.conftest import insert


class Done(Struct):
    """What a command gave: exit code and texts."""

    returncode: int
    stdout: str
    stderr: str


def churn(settings: Settings, *arguments: str) -> Done:
    """`pushtokens churn ARGUMENTS` in this process (a process of its own takes seconds to import)."""
    parser = argparse.ArgumentParser(prog="pushtokens churn")
    command.add_arguments(parser)
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = command.run(parser.parse_args(arguments), settings)
        except SystemExit as ended:
            code = int(str(ended.code))
    return Done(code, out.getvalue(), err.getvalue())


def test_it_is_a_command_of_pushtokens(filled: Settings) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.cli.main", "churn", "--csv"],
        env=environment(filled, os.environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("day,slot,active,new,")


@pytest.fixture(scope="module")
def filled(engine: ClickHouse, churn_settings: Settings) -> Settings:
    """Two phones: one rotates its calls token today, one has an app id that a spreadsheet would run."""
    noon = datetime.now(UTC).replace(hour=0, minute=0, second=1, microsecond=0)
    today, before = int(noon.timestamp()) * 1000, int((noon - timedelta(days=2)).timestamp()) * 1000
    insert(
        engine,
        [
            Record(selector="a", at=before, offset=1, calls_token="secret-1", calls_app_id="com.a.pushkit"),
            Record(selector="a", at=today, offset=2, calls_token="secret-2", calls_app_id="com.a.pushkit"),
            Record(selector="b", at=today, offset=3, other_token="secret-3", other_app_id='=HYPERLINK("x")'),
        ],
    )
    return churn_settings


def test_the_table_of_the_last_days(filled: Settings) -> None:
    done = churn(filled)
    assert (done.returncode, done.stderr) == (0, "")
    today = datetime.now(UTC).date().isoformat()
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [today, "calls", "1", "0", "0", "1", "0", "0"] in lines
    assert ["other", "1", "1", "0", "0", "0", "0"] in lines
    assert sum(len(line) == 8 and line[0].startswith("20") for line in lines) == 14
    assert "as of" in done.stdout and "secret" not in done.stdout


def test_json_for_programs(filled: Settings) -> None:
    done = churn(filled, "reach", "--days", "3", "--slot", "calls", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert document["metric"] == "reach" and document["filters"]["slot"] == "calls"
    assert [(row["held"], row["reachable"], row["share"]) for row in document["rows"]] == [(1, 1, 1.0)] * 3
    assert document["rows"][-1]["day"] == datetime.now(UTC).date().isoformat()
    assert document["definition"].startswith("Reach:")


def test_csv_is_safe_to_open(filled: Settings) -> None:
    done = churn(filled, "new", "--csv")
    rows = list(csv.reader(io.StringIO(done.stdout)))
    assert rows[0] == ["day", "slot", "app_id", "number"]
    assert {row[2] for row in rows[1:]} == {"com.a.pushkit", '\'=HYPERLINK("x")'}


@pytest.mark.parametrize("metric", sorted(METRICS))
def test_every_metric_can_be_shown(filled: Settings, metric: str) -> None:
    done = churn(filled, metric, "--days", "5")
    assert (done.returncode, done.stderr) == (0, "")
    assert METRICS[metric].title in done.stdout


def test_the_page_to_keep(filled: Settings, tmp_path: Path) -> None:
    file = tmp_path / "churn.html"
    done = churn(filled, "--html", str(file))
    assert done.returncode == 0 and str(file) in done.stderr.replace("\n", "")
    text = file.read_text(encoding="utf-8")
    assert "secret" not in text and 'id="figures"' in text
    assert churn(filled, "--html", str(tmp_path / "no" / "where.html")).returncode == 1


def test_the_list_needs_no_server(tmp_path: Path) -> None:
    done = churn(make_settings(tmp_path, "127.0.0.1:1", "http://127.0.0.1:1"), "--list")
    assert done.returncode == 0
    assert all(name in done.stdout for name in METRICS)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["reach", "--from", "tomorrow"], 2, "from must be a day"),
        (["reach", "--from", "2026-01-01", "--days", "3"], 2, "--days"),
        (["nonsense"], 2, "invalid choice"),
        (["reach", "--slot", "voice"], 2, "invalid choice"),
        (["reach"], 1, "is it up at http://127.0.0.1:1"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    done = churn(make_settings(tmp_path, "127.0.0.1:1", "http://127.0.0.1:1"), *arguments)
    assert done.returncode == code
    assert said in done.stderr and "Traceback" not in done.stderr


def test_a_missing_schema_is_said_with_what_to_do(clickhouse: str, tmp_path: Path) -> None:
    done = churn(make_settings(tmp_path, "127.0.0.1:1", clickhouse))
    assert done.returncode == 1
    assert "pushtokens init" in done.stderr

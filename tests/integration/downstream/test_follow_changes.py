"""`examples/follow_changes.py`: every change once, in order, also when it is killed and reads all of them again."""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from deploy.local.process import Process, python_path
from tests.integration.downstream.conftest import GIVEN_UP, Stage
from tests.poll import until

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "follow_changes.py"
COLUMNS = ("id", "change", "slot", "selector", "changed_at")
SECONDS = 60.0


def handled(database: Path) -> dict[str, list[dict[str, Any]]]:
    """What it has handled, by selector, in the order in which it has."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as table:
        found = table.execute(f"SELECT {', '.join(COLUMNS)} FROM changes ORDER BY rowid").fetchall()
    return by_selector([dict(zip(COLUMNS, row, strict=True)) for row in found])


def by_selector(changes: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """In order per selector, which is what is promised."""
    kept: dict[str, list[dict[str, Any]]] = {}
    for change in changes:
        kept.setdefault(change["selector"], []).append({name: change[name] for name in COLUMNS})
    return kept


def follower(stage: Stage, database: Path, group: str) -> Process:
    """The example, started."""
    command = [sys.executable, str(EXAMPLE), "--bootstrap", stage.settings.bootstrap, "--database", str(database)]
    command += ["--topic", stage.names.changes.name, "--group", f"{stage.settings.kafka.topic_prefix}-{group}"]
    process = Process(group, command, database.parent / f"{group}.log", python_path())
    process.start()
    return process


def has_all(database: Path, process: Process, count: int) -> bool:
    """Whether as many are handled as there are."""
    process.check()
    return sum(map(len, handled(database).values())) >= count


async def test_each_change_once(stage: Stage, tmp_path: Path) -> None:
    database = tmp_path / "changes.sqlite"
    model = await stage.model()
    first = follower(stage, database, "first")
    try:
        until(
            lambda: has_all(database, first, len(model.changes)), "all are handled", SECONDS, bearing=(sqlite3.Error,)
        )
    finally:
        first.kill()
    assert handled(database) == by_selector(model.changes)

    model = await stage.report(100, seed=6)
    second = follower(stage, database, "second")  # a group that has committed nothing: it gets them all again
    try:
        until(lambda: has_all(database, second, len(model.changes)), "the rest is handled", SECONDS)
        assert second.stop(SECONDS)
    finally:
        second.kill()
    assert second.exit_code == 0, second.tail()
    assert GIVEN_UP not in handled(database)
    assert handled(database) == by_selector(model.changes)

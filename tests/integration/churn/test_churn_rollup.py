"""The roll-ups: built when there is something new, replaced in one step, exact under the sink's retries."""

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from processors.churn.figures import figures
from processors.churn.filters import Filters
from processors.churn.rollup import ROLLUPS, Build, last_build, rebuild, refresh
from processors.clickhouse import ClickHouse, RefusedError, Rows, Values
from schemas.settings import Settings
from tests.churn_reference import Record
from tests.integration.churn.conftest import empty, insert

DAY = date(2026, 3, 2)
AT = int(datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()) * 1000
FILTERS = Filters(from_day=DAY, to_day=DAY)
LATER = timedelta(days=1)


def registered(engine: ClickHouse) -> int:
    return sum(row[-1] for row in figures(engine, "new", FILTERS).rows)


def records(*names: str) -> list[Record]:
    return [Record(selector=name, at=AT, offset=n, calls_token=f"{name}-t") for n, name in enumerate(names)]


@pytest.fixture(autouse=True)
def clean(engine: ClickHouse) -> None:
    empty(engine)
    engine.command("TRUNCATE TABLE churn_builds")
    rebuild(engine)


def staging(engine: ClickHouse) -> list[str]:
    found = engine.query("SELECT name FROM system.tables WHERE database = currentDatabase() AND name LIKE '%_build_%'")
    return [name for (name,) in found.rows if name != "churn_builds"]


def test_an_empty_history_has_no_figures(engine: ClickHouse) -> None:
    assert all(engine.query(f"SELECT count() FROM {table}").scalar() == 0 for table in ROLLUPS)
    assert figures(engine, "reach", FILTERS).rows == [(DAY, 0, 0, None)]
    assert staging(engine) == []


def test_it_is_built_when_the_history_moved_and_not_before(engine: ClickHouse) -> None:
    first = last_build(engine)
    assert first is not None
    later = datetime.now(UTC) + LATER
    assert refresh(engine, now=later) == first
    insert(engine, records("a", "b"))
    second = refresh(engine, now=later)
    assert second.built_at > first.built_at and second.history_rows == 2
    assert registered(engine) == 2
    assert refresh(engine, now=later) == last_build(engine) == second
    engine.command("DELETE FROM reports WHERE selector = 'a'", settings={"mutations_sync": 2})
    refresh(engine, now=later)
    assert registered(engine) == 1  # an erasure is in the figures too


def test_a_long_build_is_not_repeated_at_once(engine: ClickHouse) -> None:
    now = datetime.now(UTC)
    build = Build(built_at=now, history_rows=1, newest=now, seconds=30.0)
    assert not build.due(now + timedelta(seconds=329))
    assert build.due(now + timedelta(seconds=330))
    insert(engine, records("a"))
    before = last_build(engine)
    assert before is not None
    assert refresh(engine, now=before.built_at) == before
    assert registered(engine) == 0
    assert refresh(engine, now=before.built_at, force=True) != before
    assert registered(engine) == 1


def test_a_repeated_insert_is_counted_once(engine: ClickHouse) -> None:
    for _ in range(3):
        insert(engine, records("a", "b"), token="log-topic-0-0-1")
    assert engine.query("SELECT count() FROM reports").scalar() == 2
    rebuild(engine)
    assert registered(engine) == 2
    assert figures(engine, "redundancy", FILTERS).rows == [(DAY, 2, 0, 0.0)]
    assert figures(engine, "reach", FILTERS).rows == [(DAY, 2, 2, 1.0)]


class Breaking(ClickHouse):
    """Fails at one statement, as a server that runs out of memory does."""

    def __init__(self, settings: Settings, breaks: Callable[[str], bool]) -> None:
        super().__init__(settings)
        self._breaks = breaks

    def command(self, sql: str, parameters: Values | None = None, settings: Values | None = None) -> None:
        if self._breaks(sql):
            raise RefusedError("run a statement", 241, "MEMORY_LIMIT_EXCEEDED", "")
        super().command(sql, parameters, settings)


@pytest.mark.parametrize("step", ["INSERT INTO churn_events_", "ALTER TABLE churn_events ", "INSERT INTO churn_builds"])
def test_a_build_that_fails_leaves_whole_figures_and_nothing_else(
    engine: ClickHouse, churn_settings: Settings, step: str
) -> None:
    insert(engine, records("a"))
    build = rebuild(engine)
    insert(engine, [Record(selector="b", at=AT, offset=9, calls_token="t")])
    with Breaking(churn_settings, lambda sql: sql.startswith(step)) as breaking, pytest.raises(RefusedError):
        rebuild(breaking)
    assert last_build(engine) == build
    assert registered(engine) in (1, 2)
    assert staging(engine) == []
    refresh(engine, now=datetime.now(UTC) + LATER)
    assert registered(engine) == 2


def test_a_reader_sees_whole_figures_while_several_build(engine: ClickHouse, churn_settings: Settings) -> None:
    insert(engine, records(*(f"s{n}" for n in range(50))))
    rebuild(engine)
    failed: list[BaseException] = []

    def build() -> None:
        try:
            with ClickHouse(churn_settings) as own:
                for _ in range(3):
                    rebuild(own)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=build) for _ in range(2)]
    for thread in threads:
        thread.start()
    seen: set[Any] = set()
    while any(thread.is_alive() for thread in threads):
        seen.add((registered(engine), figures(engine, "reach", FILTERS).rows[0][1]))
    assert failed == []
    assert seen == {(50, 50)}
    assert staging(engine) == []


class Old(ClickHouse):
    """Sees every staging table as one that was left long ago."""

    def query(self, sql: str, parameters: Values | None = None, settings: Values | None = None) -> Rows:
        given = dict(parameters or {})
        if "before" in given:
            given["before"] = (datetime.now(UTC) + LATER).replace(microsecond=0, tzinfo=None)
        return super().query(sql, given, settings)


def test_what_a_killed_builder_left_is_cleared_away_when_it_is_old(
    engine: ClickHouse, churn_settings: Settings
) -> None:
    engine.command("CREATE TABLE churn_events_build_0123456789ab AS churn_events")
    rebuild(engine)
    assert staging(engine) == ["churn_events_build_0123456789ab"]
    with Old(churn_settings) as later:
        rebuild(later)
    assert staging(engine) == []

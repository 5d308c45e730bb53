"""Lines of people who were forgotten: which are left out, and which were on the log too early to be."""

from typing import Any, cast

import pytest
from msgspec.structs import replace

from deploy.importing.log import ImportLog
from deploy.importing.progress import Counts
from deploy.importing.work import Erased, was_erased
from processors.clickhouse import ClickHouse, Rows
from processors.sink.erasures import SELECTOR, USERNAME, digest
from schemas.records import Pair, Report

AT = 1_790_000_000_000
LIST = {(SELECTOR, digest("GONE")): AT, (USERNAME, digest("johndow")): AT}


def _report(selector: str = "SEL", username: str | None = None, at: int = AT, id_: str = "import-1") -> Report:
    return Report(
        schema_version=1,
        id=id_,
        kind="report",
        received_at=at,
        selector=selector,
        username=username,
        calls=Pair("token"),
        other=None,
        origin="import",
    )


@pytest.mark.parametrize(
    ("selector", "username", "at", "erased"),
    [
        ("GONE", None, AT, True),
        ("GONE", "janedoe", AT, True),
        ("GONE", None, AT + 1, False),
        ("SEL", "johndow", AT, True),  # by its account, whatever its selector
        ("SEL", "johndow", AT - 1, True),
        ("SEL", "johndow", AT + 1, False),
        ("SEL", "janedoe", AT, False),
        ("SEL", None, AT, False),
        ("johndow", "GONE", AT, False),  # a selector is no user name
    ],
)
def test_by_selector_and_by_username(selector: str, username: str | None, at: int, erased: bool) -> None:
    assert was_erased(_report(selector, username, at), LIST) is erased
    assert not was_erased(_report(selector, username, at), {})


class _ClickHouse:
    """The list; `asked` has the length of each statement."""

    def __init__(self) -> None:
        self.erased: dict[tuple[str, str], int] = {}
        self.asked: list[int] = []

    def query(self, sql: str, parameters: Any = None, settings: Any = None) -> Rows:
        self.asked.append(len(sql))
        assert "GONE" not in sql
        rows = [(what, text, at) for (what, text), at in self.erased.items() if text in sql or "LIMIT 1" in sql]
        return Rows(("what", "digest", "at"), rows)


class _Log:
    def __init__(self, *there: str) -> None:
        self._there = there

    def has(self, report: Report) -> bool:
        return report.id in self._there


async def _sorted(erased: Erased, reports: list[Report], counts: Counts, *there: str) -> list[str]:
    return [report.id for report in await erased.sort_out(reports, cast(ImportLog, _Log(*there)), counts)]


async def test_an_erasure_between_two_batches_is_seen() -> None:
    clickhouse, counts = _ClickHouse(), Counts()
    erased = Erased(cast(ClickHouse, clickhouse))
    first, second = _report("GONE", id_="import-1"), _report("GONE", id_="import-2")
    assert await _sorted(erased, [first], counts) == ["import-1"]
    clickhouse.erased = LIST
    assert await _sorted(erased, [second, _report("SEL", id_="import-3")], counts) == ["import-3"]
    assert await _sorted(erased, [], counts) == []
    assert counts == Counts(sent=2, forgotten=1, overtaken=1)


async def test_an_erasure_after_the_last_batch_is_seen() -> None:
    clickhouse, counts = _ClickHouse(), Counts()
    erased = Erased(cast(ClickHouse, clickhouse))
    await _sorted(erased, [_report("SEL", "johndow")], counts)
    clickhouse.erased = LIST
    await _sorted(erased, [], counts)
    assert counts == Counts(sent=1, overtaken=1)


async def test_what_a_killed_run_put_onto_the_log_counts_as_sent() -> None:
    clickhouse, counts = _ClickHouse(), Counts()
    clickhouse.erased = LIST
    erased = Erased(cast(ClickHouse, clickhouse))
    assert await _sorted(erased, [_report("GONE")], counts, "import-1") == ["import-1"]
    await _sorted(erased, [], counts)
    assert counts == Counts(sent=1, overtaken=1)


async def test_a_question_is_bounded() -> None:
    """Statements stay under ClickHouse's `max_query_size` (262,144 bytes), and there are few of them."""
    clickhouse, counts = _ClickHouse(), Counts()
    erased = Erased(cast(ClickHouse, clickhouse))
    batch = [replace(_report(), selector=f"SEL{at}", username=f"user{at}", id=f"import-{at}") for at in range(1000)]
    await _sorted(erased, batch, counts)
    assert len(clickhouse.asked) == 1, "an empty list is asked for nobody"
    clickhouse.erased = {(SELECTOR, digest("SEL7")): AT, (USERNAME, digest("SEL8")): AT}
    others = [
        replace(one, selector=f"{one.selector}-2", username=f"{one.username}-2", id=f"{one.id}-2") for one in batch
    ]
    await _sorted(erased, others, counts)
    assert len(clickhouse.asked) == 1 + 1 + 2
    assert max(clickhouse.asked) < 200_000
    assert counts == Counts(sent=2000, overtaken=1)

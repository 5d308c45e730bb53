"""Schema files as data: order, checksums, placeholders."""

from pathlib import Path

import pytest

from processors.ddl import Migration, SchemaError, load, plan, render, stored
from schemas.settings import ClickHouse

PLAIN = ClickHouse(database="d")
REPLICATED = ClickHouse(database="d", replicated=True, cluster="c")
FILES = (Migration(1, "0001_a", "A;\n"), Migration(2, "0002_b", "B;\n"))
APPLIED = {file.number: file.checksum for file in FILES}


def test_our_own_files_are_in_order_and_render_both_ways() -> None:
    files = load()
    assert [file.number for file in files] == sorted(file.number for file in files)
    for file in files:
        for settings in (PLAIN, REPLICATED):
            for statement in render(file.text, settings):
                assert "{{" not in statement
    text = "\n".join(statement for file in files for statement in render(file.text, REPLICATED))
    assert "ReplicatedMergeTree" in text
    assert "ENGINE = Distributed" in text


@pytest.mark.parametrize(
    ("applied", "pending"), [({}, ["0001_a", "0002_b"]), ({1: FILES[0].checksum}, ["0002_b"]), (APPLIED, [])]
)
def test_what_is_still_to_be_applied(applied: dict[int, str], pending: list[str]) -> None:
    assert [file.name for file in plan(FILES, applied)] == pending


@pytest.mark.parametrize(
    ("applied", "says"),
    [({1: "another"}, "0001_a.sql has changed since"), (APPLIED | {7: "x"}, "0007.*does not know")],
)
def test_what_is_refused(applied: dict[int, str], says: str) -> None:
    with pytest.raises(SchemaError, match=says):
        plan(FILES, applied)


@pytest.mark.parametrize("names", [["1_a.sql"], ["0001_a.sql", "0001_b.sql"], ["0001-A.sql"]])
def test_names_that_are_none(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("A;", encoding="utf-8")
    with pytest.raises(SchemaError):
        load(tmp_path)


TEXT = """\
-- A comment with a ; in it
CREATE TABLE {{database}}.t{{local}} {{on_cluster}} (a Int8) ENGINE = {{engine MergeTree}} ORDER BY a;

-- when: replicated
CREATE TABLE {{database}}.t ENGINE = Distributed('{{cluster}}', '{{database}}', 't_local', a);
"""


def test_one_server() -> None:
    (statement,) = render(TEXT, PLAIN)
    assert "CREATE TABLE d.t  (a Int8) ENGINE = MergeTree() ORDER BY a" in statement
    assert stored("t", PLAIN) == "d.t"


def test_a_cluster() -> None:
    first, second = render(TEXT, REPLICATED)
    assert "CREATE TABLE d.t_local ON CLUSTER 'c' (a Int8)" in first
    assert "ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')" in first
    assert "Distributed('c', 'd', 't_local', a)" in second
    assert stored("t", REPLICATED) == "d.t_local"


def test_an_unknown_placeholder() -> None:
    with pytest.raises(SchemaError, match="unknown placeholder"):
        render("CREATE {{databse}};\n", PLAIN)

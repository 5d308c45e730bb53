"""An INSERT is split where ClickHouse's own parser ends the statement and begins the data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.clickhouse_insert import Insert, split_insert


@pytest.mark.parametrize(
    ("sql", "head", "form", "data"),
    [
        (b"INSERT INTO t FORMAT Native\n\n\nx", "INSERT INTO t", "Native", b"\n\nx"),
        (b"insert into t format TSV\r\n1", "insert into t", "TSV", b"1"),
        (b"INSERT INTO t FORMAT CSV 1,2", "INSERT INTO t", "CSV", b"1,2"),
        (b"INSERT INTO d.t (a, format) FORMAT CSV\n1", "INSERT INTO d.t (a, format)", "CSV", b"1"),
        (b"INSERT INTO `d`.`format` FORMAT CSV\n1", "INSERT INTO `d`.`format`", "CSV", b"1"),
        (b"INSERT INTO values VALUES (1)", "INSERT INTO values", "Values", b" (1)"),
        (b"INSERT INTO t(a)VALUES(1);\n\n(2)", "INSERT INTO t(a)", "Values", b"(1);\n\n(2)"),
        (b"INSERT INTO {t:Identifier} FORMAT CSV\n1", "INSERT INTO {t:Identifier}", "CSV", b"1"),
        (b"INSERT INTO FUNCTION null('a UInt8') FORMAT CSV\n1", "INSERT INTO FUNCTION null('a UInt8')", "CSV", b"1"),
        (b"INSERT INTO t FORMAT CSV", "INSERT INTO t", "CSV", b""),
    ],
)
def test_the_parts(sql: bytes, head: str, form: str, data: bytes) -> None:
    assert split_insert(sql) == Insert(head, "", form, data)


def test_settings_go_behind_the_file() -> None:
    sql = b"/* FORMAT a */ -- FORMAT b\nINSERT INTO TABLE t (a) SETTINGS x='FORMAT y \\' z' FORMAT JSONEachRow\n{}"
    found = split_insert(sql)
    head, settings = "/* FORMAT a */ -- FORMAT b\nINSERT INTO TABLE t (a)", "SETTINGS x='FORMAT y \\' z'"
    assert found == Insert(head, settings, "JSONEachRow", b"{}")
    assert found.reading("/f") == f"{head} FROM INFILE '/f' COMPRESSION 'none' {settings} FORMAT JSONEachRow"


@pytest.mark.parametrize(
    "sql",
    [
        b"SELECT 1 FORMAT CSV",
        b"INSERT INTO t SELECT 1",
        b"INSERT INTO t (a) WITH 1 AS x SELECT x FORMAT CSV",
        b"INSERT INTO t FROM INFILE 'x' FORMAT CSV",
        b"CREATE TABLE insert_into (a UInt8)",
        b"INSERT INTO t",
        b"",
    ],
)
def test_statements_without_data(sql: bytes) -> None:
    assert split_insert(sql) is None


@given(st.binary())
def test_data_is_never_touched(data: bytes) -> None:
    found = split_insert(b"INSERT INTO t (a) FORMAT Native\n" + data)
    assert found == Insert("INSERT INTO t (a)", "", "Native", data)


@given(st.binary(max_size=200))
def test_no_input_raises(sql: bytes) -> None:
    split_insert(sql)
    split_insert(b"INSERT INTO " + sql)

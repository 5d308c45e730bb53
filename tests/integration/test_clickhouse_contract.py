"""The embedded server does what a real ClickHouse does for clickhouse-connect, and what the sink leans on."""

import gzip
import http.client
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from tests.engines import running_clickhouse
from tests.poll import until

ENDLESS = "SELECT count() FROM numbers(100000000000000) WHERE sipHash64(number) = 1"
ONE_BLOCK = {
    "input_format_parallel_parsing": 0,
    "max_insert_block_size": 10_000_000,
    "min_insert_block_size_rows": 10_000_000,
    "min_insert_block_size_bytes": 1 << 30,
    "async_insert": 0,
}


def connect(url: str, **options: Any) -> Client:
    return clickhouse_connect.get_client(dsn=url, autogenerate_session_id=False, **options)


@pytest.fixture
def client(clickhouse: str, request: pytest.FixtureRequest) -> Iterator[Client]:
    with connect(clickhouse) as client:
        database = f"t_{abs(hash(request.node.nodeid)):x}"
        client.command(f"DROP DATABASE IF EXISTS {database}")
        client.command(f"CREATE DATABASE {database}")
        client.database = database
        client.command(
            "CREATE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a "
            "SETTINGS non_replicated_deduplication_window = 100"
        )
        yield client
        client.command(f"DROP DATABASE {database}")


def count(client: Client, table: str = "t") -> int:
    return int(client.query(f"SELECT count() FROM {table}").result_rows[0][0])


def raw(url: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None, method: str = "POST") -> Any:
    """A request without a client: status, headers, body."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.request(method, target, body or None, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def test_values_come_back_as_they_went(client: Client) -> None:
    moment = datetime(2026, 11, 24, 3, 0, 0, 123000, tzinfo=UTC)
    given = {"s": "tab\tquote'back\\line\nnul\0€", "n": 2**63, "l": ["a'b", "\\", "\t"], "e": None, "t": moment}
    row = client.query(
        "SELECT {s:String}, {n:UInt64}, {l:Array(String)}, {e:Nullable(String)}, {t:DateTime64(3, 'UTC')}",
        parameters=given,
    ).result_rows[0]
    assert row[:4] == (given["s"], given["n"], given["l"], None)
    assert row[4].replace(tzinfo=UTC) == moment


def test_typed_columns_survive_an_insert(client: Client) -> None:
    client.command(
        "CREATE TABLE typed (a LowCardinality(String), b Nullable(Int32), c DateTime64(3, 'UTC'), d Array(UInt8), "
        "e Map(String, String), f Bool) ENGINE = MergeTree ORDER BY a"
    )
    moment = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC).replace(tzinfo=None)  # as the library gives it back
    rows: list[list[Any]] = [["x", None, moment, [1, 2], {"k": "v"}, True], ["y", -5, moment, [], {}, False]]
    client.insert("typed", rows, column_names=list("abcdef"))
    assert [list(row) for row in client.query("SELECT * FROM typed ORDER BY a").result_rows] == rows


@pytest.mark.parametrize("compress", ["lz4", "zstd", "gzip", False], ids=str)
def test_inserts_under_every_compression(client: Client, clickhouse: str, compress: str | bool) -> None:
    with connect(clickhouse, compress=compress, database=client.database) as other:
        # several blocks, each a frame of its own
        other.insert("t", [[number, "x" * 50] for number in range(70_000)], column_names=["a", "b"])
    assert client.query("SELECT count(), sum(a) FROM t").result_rows == [(70_000, 2_449_965_000)]


def test_an_insert_statement_in_the_query_parameter(client: Client, clickhouse: str) -> None:
    query = quote("INSERT INTO t FORMAT JSONEachRow")
    body = gzip.compress(b'{"a":1,"b":"one"}\n{"a":2,"b":"two"}\n')
    status, headers, _ = raw(
        clickhouse, f"/?database={client.database}&query={query}", body, {"Content-Encoding": "gzip"}
    )
    assert status == 200
    assert json.loads(headers["X-ClickHouse-Summary"])["written_rows"] == "2"
    assert client.query("SELECT b FROM t ORDER BY a").result_rows == [("one",), ("two",)]


def test_json_lines_with_a_deduplication_token_land_once(client: Client) -> None:
    lines = b'{"a":1,"b":"same"}\n{"a":2,"b":"same"}\n'
    settings = ONE_BLOCK | {"insert_deduplication_token": "log-reports-0-10-11"}
    for _ in range(2):
        client.raw_insert("t", insert_block=lines, fmt="JSONEachRow", settings=settings)
    assert count(client) == 2
    client.raw_insert(
        "t", insert_block=lines, fmt="JSONEachRow", settings=settings | {"insert_deduplication_token": "other"}
    )
    assert count(client) == 4


def test_a_large_insert_is_one_block(client: Client) -> None:
    lines = b'{"a":1,"b":"%s"}\n' % (b"x" * 200) * 200_000
    client.raw_insert("t", insert_block=lines, fmt="JSONEachRow", settings=ONE_BLOCK)
    parts = client.query(
        "SELECT rows FROM system.parts WHERE database = currentDatabase() AND table = 't' AND active"
    ).result_rows
    assert parts == [(200_000,)]


def test_a_setting_holds_for_its_request_only(client: Client) -> None:
    asked = "SELECT getSetting('max_result_rows')"
    usual = client.query(asked).result_rows
    assert client.query(asked, settings={"max_result_rows": 77}).result_rows == [(77,)] != usual
    client.command("SET max_result_rows = 88")
    assert [client.query(asked).result_rows for _ in range(8)] == [usual] * 8


def test_data_may_hold_anything(client: Client) -> None:
    """Empty lines and the bytes 0A 0A in a block: the engine's own statement parser would end the data there."""
    client.raw_insert("t", insert_block=b'{"a":1,"b":"x"}\n\n{"a":2,"b":"y;"}\n', fmt="JSONEachRow")
    client.insert("t", [[0x0A0A0A0A0A0A0A0A, "\n\n;\0"], [3, "z"]], column_names=["a", "b"])
    client.command("INSERT INTO t (a, b) VALUES (4, 'a''b\n\n;'), \n\n (5, 'FORMAT')")
    assert client.query("SELECT b FROM t ORDER BY a").result_rows == [
        ("x",),
        ("y;",),
        ("z",),
        ("a'b\n\n;",),
        ("FORMAT",),
        ("\n\n;\0",),
    ]


def test_a_database_holds_for_its_request_only(client: Client, clickhouse: str) -> None:
    with connect(clickhouse) as other:
        assert other.query("SELECT currentDatabase()").result_rows == [("default",)]
        assert client.query("SELECT currentDatabase()").result_rows == [(client.database,)]
        assert other.query("SELECT currentDatabase()").result_rows == [("default",)]


@pytest.mark.parametrize(
    ("sql", "code", "status"),
    [
        ("SELECT * FROM no_such_table", 60, 404),
        ("SELECT no_such_column FROM t", 47, 400),
        ("SELEKT 1", 62, 400),
        ("SELECT 1; SELECT 2", 62, 400),
        ("SELECT throwIf(number = 3) FROM numbers(10)", 395, 500),
        ("INSERT INTO t FORMAT JSONEachRow {bad json}", 26, 400),
        ("SELECT 1 SETTINGS no_such_setting = 1", 115, 400),
        ("SELECT * FROM no_such_database.t", 81, 404),
    ],
)
def test_errors_carry_clickhouse_codes(client: Client, clickhouse: str, sql: str, code: int, status: int) -> None:
    answer, headers, body = raw(clickhouse, f"/?database={client.database}", sql.encode())
    assert (answer, headers["X-ClickHouse-Exception-Code"]) == (status, str(code)), body
    assert body.startswith(f"Code: {code}. DB::Exception: ".encode())


def test_the_client_library_sees_the_code_and_the_name(client: Client) -> None:
    with pytest.raises(DatabaseError) as caught:
        client.query("SELECT * FROM no_such_table")
    assert (caught.value.code, caught.value.name) == (60, "UNKNOWN_TABLE")


def test_a_row_of_the_wrong_type_lands_nothing(client: Client) -> None:
    lines = b'{"a":1,"b":"good"}\n{"a":"not a number","b":"bad"}\n'
    with pytest.raises(DatabaseError):
        client.raw_insert("t", insert_block=lines, fmt="JSONEachRow", settings=ONE_BLOCK)
    assert count(client) == 0


def test_an_insert_that_fails_after_parsing_is_said_so(client: Client) -> None:
    """chdb's own streaming insert says "done" of both of these, and lands nothing."""
    client.command("CREATE TABLE narrow (a UInt64, CONSTRAINT small CHECK a < 5) ENGINE = MergeTree ORDER BY a")
    client.command("CREATE TABLE parts (a UInt64) ENGINE = MergeTree ORDER BY a PARTITION BY a")
    for table, code in (("narrow", "469"), ("parts", "252")):
        with pytest.raises(DatabaseError, match=code):
            client.insert(table, [[number] for number in range(200)], column_names=["a"])
        assert count(client, table) == 0


def test_settings_of_an_insert_statement_hold(clickhouse: str, client: Client) -> None:
    sql = f"INSERT INTO {client.database}.t (a) SETTINGS max_partitions_per_insert_block = 7 FORMAT CSV\n1\n2\n"
    assert raw(clickhouse, "/", sql.encode())[0] == 200
    assert count(client) == 2


def test_an_unknown_database_is_said_so(clickhouse: str) -> None:
    status, headers, _ = raw(clickhouse, "/?database=nowhere", b"SELECT 1")
    assert (status, headers["X-ClickHouse-Exception-Code"]) == (404, "81")


def test_get_reads_and_cannot_write(client: Client, clickhouse: str) -> None:
    assert raw(clickhouse, "/?query=SELECT+41%2B1", method="GET")[2] == b"42\n"
    for sql in ("INSERT INTO t VALUES (1, '')", "DROP TABLE t", "SET max_threads = 1"):
        status, headers, _ = raw(clickhouse, f"/?database={client.database}&query={quote(sql)}", method="GET")
        assert (status, headers["X-ClickHouse-Exception-Code"]) == (500, "164"), sql
    assert count(client) == 0


def test_formats_by_clause_parameter_and_default(clickhouse: str) -> None:
    for target, sql, form, body in (
        ("/", "SELECT 1 AS a", "TabSeparated", b"1\n"),
        ("/?default_format=JSONEachRow", "SELECT 1 AS a", "JSONEachRow", b'{"a":1}\n'),
        ("/?default_format=JSONEachRow", "SELECT 1 AS a FORMAT CSV", "CSV", b"1\n"),
    ):
        status, headers, found = raw(clickhouse, target, sql.encode())
        assert (status, headers["X-ClickHouse-Format"], found) == (200, form, body)


def test_ping(clickhouse: str) -> None:
    assert raw(clickhouse, "/ping", method="GET")[2] == b"Ok.\n"


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Host": "evil.example:8123"}], ids=str)
def test_web_pages_are_refused(clickhouse: str, headers: dict[str, str]) -> None:
    status, answer, _ = raw(clickhouse, "/", b"SELECT 1", headers)
    assert (status, answer["X-ClickHouse-Exception-Code"]) == (403, "516")


def test_no_query_is_a_syntax_error(clickhouse: str) -> None:
    assert raw(clickhouse, "/")[0] == 400


def test_an_unknown_compression_is_refused(clickhouse: str) -> None:
    assert raw(clickhouse, "/", b"SELECT 1", {"Content-Encoding": "snappy"})[0] == 501
    assert raw(clickhouse, "/", b"SELECT 1", {"Content-Encoding": "lz4"})[0] == 400


def test_a_query_ends_at_its_time_limit(client: Client) -> None:
    began = time.monotonic()
    with pytest.raises(DatabaseError) as caught:
        client.query(ENDLESS, settings={"max_execution_time": 1})
    assert caught.value.code == 159
    assert time.monotonic() - began < 10


def test_slow_selects_do_not_hold_up_an_insert(client: Client, clickhouse: str) -> None:
    client.command("CREATE TABLE seen (n UInt64) ENGINE = Memory")
    with ThreadPoolExecutor(4) as pool:
        began = time.monotonic()
        slow = [pool.submit(_endless, clickhouse, 30) for _ in range(4)]  # one more than readers may have at once
        # Asked by an insert, since a SELECT would find no connection: three, and itself.
        three = "INSERT INTO seen SELECT count() + throwIf(count() < 4) FROM system.processes"
        until(lambda: client.command(three) is not None, "three run", deadline=15.0, bearing=(DatabaseError,))
        client.raw_insert("t", insert_block=b'{"a":1,"b":"x"}\n', fmt="JSONEachRow", settings=ONE_BLOCK)
        took = time.monotonic() - began
        kill = "KILL QUERY WHERE query LIKE 'SELECT count() FROM numbers%' ASYNC"
        until(lambda: client.command(kill) is not None and all(task.done() for task in slow), "all are killed")
        assert [task.result() for task in slow] == [394] * 4
    assert took < 20  # before the first of them could have made room
    assert count(client) == 1


def test_more_slow_selects_than_connections_wait_their_turn(clickhouse: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda _: _endless(clickhouse, 1), range(8)))
    assert codes == [159] * 8


def test_a_client_that_leaves_stops_its_select(client: Client, clickhouse: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(clickhouse).netloc, timeout=30)
    connection.request("POST", "/", ENDLESS)
    until(lambda: running(client) == 1, "the statement runs")
    connection.close()
    until(lambda: running(client) == 0, "the statement is gone", deadline=10.0)


def test_data_survives_kill_and_restart(tmp_path: Path) -> None:
    with running_clickhouse(tmp_path / "clickhouse") as engine:
        with connect(engine.url) as client:
            client.command("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
            done = _insert_until_gone(client, engine.kill)
        assert not engine.running
        engine.start()
        with connect(engine.url) as client:
            found = [row[0] for row in client.query("SELECT a FROM t ORDER BY a").result_rows]
        # Every confirmed row is there; at most the one under way is there as well.
        assert found[: len(done)] == done
        assert len(found) - len(done) in (0, 1)
        assert engine.stop()
        engine.start()
        with connect(engine.url) as client:
            assert count(client) == len(found)


def test_stopping_finishes_the_insert_under_way(tmp_path: Path) -> None:
    with running_clickhouse(tmp_path / "clickhouse") as engine, connect(engine.url) as client:
        client.command("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
        with ThreadPoolExecutor(1) as pool:
            insert = pool.submit(client.command, "INSERT INTO t SELECT number + sleepEachRow(0.01) FROM numbers(100)")
            until(lambda: running(client) == 1, "the insert runs")
            assert engine.stop(deadline=15.0)
            insert.result()
        engine.start()
        assert count(client) == 100


def running(client: Client) -> int:
    """How many statements run, this one aside."""
    return int(client.query("SELECT count() - 1 FROM system.processes").result_rows[0][0])


def _endless(url: str, seconds: int) -> int | None:
    with connect(url) as client, pytest.raises(DatabaseError) as caught:
        client.query(ENDLESS, settings={"max_execution_time": seconds, "max_threads": 1})
    return caught.value.code


def _insert_until_gone(client: Client, kill: Any) -> list[int]:
    """Insert 0, 1, 2, … one by one; `kill` comes after a while; returns what was confirmed."""
    done: list[int] = []
    enough = threading.Event()
    killer = threading.Thread(target=lambda: (enough.wait(30), kill()))
    killer.start()
    try:
        for number in range(100_000):
            client.raw_insert("t", insert_block=b'{"a":%d}' % number, fmt="JSONEachRow", settings=ONE_BLOCK)
            done.append(number)
            if number == 50:
                enough.set()
    except Exception:  # whatever a dying server looks like to the library
        assert len(done) > 50
    killer.join(30)
    return done

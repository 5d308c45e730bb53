"""ClickHouse's HTTP parameters and error codes, without an engine."""

import gzip
from collections.abc import Callable

import lz4.frame
import pytest
from backports import zstd

from deploy.local.clickhouse_errors import EngineError, engine_error
from deploy.local.clickhouse_statement import decompress, quote, set_clause, statement


def test_settings_parameters_and_the_rest_are_told_apart() -> None:
    found = statement(
        [
            ("query", "SELECT {x:String}"),
            ("param_x", "a"),
            ("max_threads", "1"),
            ("database", "d"),
            ("query_id", "q"),
            ("session_id", "s"),
            ("wait_end_of_query", "1"),
            ("default_format", "JSON"),
        ],
        b"",
        get=True,
    )
    assert found.sql == "SELECT {x:String}"
    assert found.settings == {"max_threads": "1"}
    assert found.parameters == {"x": "a"}
    assert (found.database, found.query_id, found.default_format, found.get) == ("d", "q", "JSON", True)


def test_query_and_body_are_one_statement() -> None:
    found = statement([("query", "INSERT INTO t FORMAT CSV")], b"1,2\n", get=False)
    assert found.insert is not None
    assert found.insert.data == b"1,2\n"
    assert statement([("query", "SELECT 1")], b"+ 1", get=False).sql == "SELECT 1\n+ 1"


@pytest.mark.parametrize("name", ["a b", "a;b", "a=1,b", "1a", "a'"])
def test_a_parameter_that_is_no_settings_name_is_refused(name: str) -> None:
    with pytest.raises(EngineError) as caught:
        statement([("query", "SELECT 1"), (name, "1")], b"", get=False)
    assert caught.value.code == 115


def test_no_statement_is_a_syntax_error() -> None:
    with pytest.raises(EngineError) as caught:
        statement([], b" \n", get=False)
    assert (caught.value.code, caught.value.status) == (62, 400)


@pytest.mark.parametrize(
    ("sql", "form"),
    [
        ("SELECT 1", "TabSeparated"),
        ("SELECT 1 FORMAT Native", "Native"),
        ("SELECT 1\n FORMAT JSON;", "JSON"),
        ("SELECT 1 FORMAT JSON SETTINGS max_threads = 1", "JSON"),
        ("SELECT ' FORMAT JSON', 1", "TabSeparated"),
    ],
)
def test_the_answers_format(sql: str, form: str) -> None:
    assert statement([("query", sql)], b"", get=False).format == form


def test_values_are_quoted() -> None:
    assert set_clause({"a": "1", "b": "it's \\ so"}) == "SET a = '1', b = 'it\\'s \\\\ so'"
    assert quote("'") == "'\\''"


@pytest.mark.parametrize(
    ("coding", "compress"), [("lz4", lz4.frame.compress), ("zstd", zstd.compress), ("gzip", gzip.compress)]
)
def test_a_body_of_several_frames(coding: str, compress: Callable[[bytes], bytes]) -> None:
    """clickhouse-connect makes a frame of each block of an insert."""
    body = compress(b"one") + compress(b"") + compress(b"two")
    assert decompress(body, coding) == b"onetwo"
    with pytest.raises(EngineError):
        decompress(body[:-1], coding)


@pytest.mark.parametrize("coding", ["lz4", "zstd", "gzip", "deflate"])
def test_a_body_that_is_not_in_its_encoding_is_refused(coding: str) -> None:
    with pytest.raises(EngineError) as caught:
        decompress(b"not compressed", coding)
    assert caught.value.code == 271


@pytest.mark.parametrize(
    ("text", "code", "status"),
    [
        ("Code: 60. DB::Exception: Unknown table 't'. (UNKNOWN_TABLE)", 60, 404),
        ("std::exception. Code: 159. DB::Exception: Timeout exceeded. (TIMEOUT_EXCEEDED)", 159, 408),
        ("Code: 241. DB::Exception: Memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)", 241, 500),
        ("something else", 1002, 500),
    ],
)
def test_codes_and_statuses(text: str, code: int, status: int) -> None:
    error = EngineError(text)
    assert (error.code, error.status) == (code, status)
    assert error.text.startswith(f"Code: {code}. DB::Exception: ")


def test_an_errors_own_words_hold_nothing_of_the_data() -> None:
    assert "secret" not in str(engine_error(27, "CANNOT_PARSE", "at 'secret-token'"))

"""Import files: CSV and JSON Lines, whatever is in them, with the numbers of their lines."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy.importing.files import MAX_LINE, FileError, form_of, identity, lines

HEADER = "selector,received_at,calls_token\n"


def _csv(tmp_path: Path, body: str | bytes, header: str = HEADER) -> Path:
    path = tmp_path / "file.csv"
    path.write_bytes(header.encode() + (body.encode() if isinstance(body, str) else body))
    return path


def test_csv(tmp_path: Path) -> None:
    path = _csv(tmp_path, 'a,1,t\n\n"b, ""quoted""\nover two lines",2,\n')
    found = list(lines(path, "csv"))
    assert [line.values for line in found] == [
        {"selector": "a", "received_at": "1", "calls_token": "t"},
        {"selector": 'b, "quoted"\nover two lines', "received_at": "2", "calls_token": ""},
    ]
    assert [line.number for line in found] == [2, 5]
    assert found[-1].end == path.stat().st_size


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_byte_order_mark_and_capitals(tmp_path: Path, delimiter: str) -> None:
    text = "\ufeffSelector,Received_At,CALLS_TOKEN\r\na,1,t\r\n".replace(",", delimiter)
    (line,) = lines(_csv(tmp_path, "", text), "csv")
    assert line.values == {"selector": "a", "received_at": "1", "calls_token": "t"}


@pytest.mark.parametrize(
    "bad", [b"a,1\n", b"a,1,t,u\n", b"\xff,1,t\n", b'"a"b,1,t\n', b"a,1," + b"x" * MAX_LINE + b"\n"]
)
def test_a_bad_csv_line_and_the_rest(tmp_path: Path, bad: bytes) -> None:
    found = list(lines(_csv(tmp_path, b"a,1,t\n" + bad + b"c,3,t\n"), "csv"))
    assert [line.error is None for line in found] == [True, False, True]
    assert found[1].number == 3
    assert found[2].values == {"selector": "c", "received_at": "3", "calls_token": "t"}


@pytest.mark.parametrize(
    "header", ["", "\n", "selector\n", "selector,received_at,call_token\n", "selector,selector,received_at\n"]
)
def test_a_header_that_would_lose_something(tmp_path: Path, header: str) -> None:
    with pytest.raises(FileError):
        list(lines(_csv(tmp_path, "a,1,t\n", header), "csv"))


def test_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "file.jsonl"
    path.write_bytes(
        b'\xef\xbb\xbf{"selector":"a"}\n\n[1]\n{"selector":\n\xff\n' + b"x" * (2 * MAX_LINE) + b'\n{"selector":"z"}'
    )
    found = list(lines(path, "jsonl"))
    assert [(line.number, line.error is None) for line in found] == [
        (1, True), (3, False), (4, False), (5, False), (6, False), (7, True),
    ]  # fmt: skip
    assert found[-1].values == {"selector": "z"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=10), max_size=10))
def test_json_lines_round_trip(tmp_path: Path, selectors: list[str]) -> None:
    path = tmp_path / "file.jsonl"
    path.write_text(
        "".join(json.dumps({"selector": text}, ensure_ascii=False) + "\n" for text in selectors), newline=""
    )
    assert [line.values for line in lines(path, "jsonl")] == [{"selector": text} for text in selectors]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=100)
@given(st.binary(max_size=300), st.sampled_from(["csv", "jsonl"]))
def test_no_bytes_break_the_reader(tmp_path: Path, body: bytes, form: str) -> None:
    path = _csv(tmp_path, body) if form == "csv" else tmp_path / "file.jsonl"
    if form == "jsonl":
        path.write_bytes(body)
    for line in lines(path, form):
        assert (line.values is None) == (line.error is not None)


def test_the_form_is_told_by_the_name() -> None:
    assert form_of(Path("a.CSV"), None) == "csv"
    assert form_of(Path("a.ndjson"), None) == "jsonl"
    assert form_of(Path("a.txt"), "jsonl") == "jsonl"
    with pytest.raises(FileError, match="--format"):
        form_of(Path("a.txt"), None)


def test_identity_is_the_content(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"same")
    two.write_bytes(b"same")
    assert identity(one) == identity(two)
    two.write_bytes(b"other")
    assert identity(one) != identity(two)

"""From records to rows: what each column gets, what is left out."""

import hmac
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.sink.landing import offset_of
from processors.sink.rows import Log, Row, RowMaker, hashed, plain, timestamp
from schemas.records import Pair, Report, encode
from tests.unit.compactor.logs import Entry

NOW = 1_790_000_000_000
LOG = Log("log-A", 2, 4)


def made(entries: list[Entry], **maker: object) -> list[dict[str, object]]:
    block = RowMaker(LOG, 300_000, **maker).block(entries, lambda selector, username, at: selector == "FORGOTTEN")  # type: ignore[arg-type]
    return [dict(zip(Row.__struct_fields__, json.loads(line), strict=True)) for line in block.lines.splitlines()]


def report(**given: object) -> Report:
    fields: dict[str, object] = {
        "schema_version": 1,
        "id": "r1",
        "kind": "report",
        "received_at": NOW,
        "selector": "S:1",
        "username": None,
        "calls": Pair(token="secret-token", app_id="app"),
        "other": None,
    }
    return Report(**(fields | given))  # type: ignore[arg-type]


def entry(one: Report, offset: int = 5, key: bytes | None = None) -> Entry:
    return Entry(offset, NOW + 7, one.selector.encode() if key is None else key, encode(one))


def test_absent_is_the_empty_text() -> None:
    (row,) = made([entry(report())])
    assert row == {
        "received_at": "2026-09-21 14:13:20.000",
        "appended_at": "2026-09-21 14:13:20.007",
        "kind": "report",
        "selector": "S:1",
        "username": "",
        "calls_token": "secret-token",
        "calls_app_id": "app",
        "other_token": "",
        "other_app_id": "",
        "install_id": "",
        "user_agent": "",
        "origin": "app",
        "reason": "",
        "schema_version": 1,
        "id": "r1",
        "log_id": "log-A",
        "kafka_partition": 2,
        "kafka_offset": 5,
        "kafka_partitions": 4,
    }


def test_tokens_as_keyed_hash() -> None:
    (row,) = made([entry(report())], token_form=hashed("key"))
    digest = hmac.new(b"key", b"secret-token", "sha256").hexdigest()
    assert row["calls_token"] == digest != hashed("other")("secret-token")
    assert row["other_token"] == ""


@pytest.mark.parametrize(
    "bad",
    [
        Entry(1, NOW, b"S:1", None),
        Entry(1, NOW, b"S:1", b"no json"),
        Entry(1, NOW, b"S:1", b"{}"),
        entry(report(), key=b"S:2"),
        Entry(1, NOW, None, encode(report())),
        entry(report(received_at=NOW + 300_008)),
    ],
)
def test_what_is_no_report_is_counted(bad: Entry) -> None:
    block = RowMaker(LOG, 300_000).block([bad, entry(report(), 9)], lambda selector, username, at: False)
    assert (block.bad, block.erased, block.offsets) == (1, 0, [9])


def test_the_forgotten_stay_out() -> None:
    block = RowMaker(LOG, 300_000).block([entry(report(selector="FORGOTTEN"))], lambda selector, username, at: True)
    assert (block.bad, block.erased, block.offsets, block.lines) == (0, 1, [], b"")


def test_keys_that_a_foreign_producer_adds_reach_no_column() -> None:
    value = encode(report())[:-1] + b',"kafka_offset":99,"log_id":"x","selector":"S:1"}'
    (row,) = made([Entry(5, NOW, b"S:1", value)])
    assert (row["kafka_offset"], row["log_id"]) == (5, "log-A")


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(st.lists(st.tuples(texts, texts, st.integers(0, 4_102_444_799_999)), max_size=5))
def test_a_line_a_row_whatever_it_holds(values: list[tuple[str, str, int]]) -> None:
    entries = [
        Entry(number, 4_102_444_799_999, selector.encode(), encode(report(selector=selector, id=text, received_at=at)))
        for number, (selector, text, at) in enumerate(values)
    ]
    block = RowMaker(LOG, 300_000, plain).block(entries, lambda selector, username, at: False)
    lines = block.lines.splitlines(keepends=True)
    assert [offset_of(line) for line in lines] == block.offsets == list(range(len(values)))
    assert [json.loads(line)[3] for line in lines] == [selector for selector, _, _ in values]


@given(st.integers(0, 4_102_444_800_000))
def test_times_are_those_of_the_calendar(at: int) -> None:
    expected = datetime.fromtimestamp(at // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S") + f".{at % 1000:03d}"
    assert timestamp(at) == expected

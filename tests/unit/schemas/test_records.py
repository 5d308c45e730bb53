"""Records: what they look like as JSON, what is refused, and that tokens stay out of `repr`."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.documents.json_schema import RECORDS
from schemas.records import (
    Change,
    InvalidRecordError,
    Latest,
    Pair,
    Rejected,
    Removed,
    Report,
    Slot,
    Source,
    decode_latest,
    decode_removed,
    decode_report,
    encode,
)

# design.md section 4, with the selector and tokens of the specification's example.
REPORT: dict[str, Any] = {
    "schema_version": 1,
    "id": "0192f3a0-0000-7000-8000-000000000000",
    "kind": "report",
    "received_at": 1790000000000,
    "selector": "12869E0E6E553673C54F29105A0647204C416A2A:7C3A0D14",
    "username": "johndow",
    "calls": {"token": "Udl99X2JFP1bWwS5gR/wGeLE1hmAB2CMpr1Ej0wxkrY=", "app_id": "com.cloudsoftphone.app.pushkit"},
    "other": None,
    "install_id": None,
    "user_agent": "CloudSoftphone/1.5.6",
    "origin": "app",
}
REQUIRED = ("schema_version", "id", "kind", "received_at", "selector", "username", "calls", "other")


def with_(**changes: Any) -> bytes:
    return json.dumps(REPORT | changes).encode()


def without(*names: str) -> bytes:
    return json.dumps({name: value for name, value in REPORT.items() if name not in names}).encode()


def test_the_designs_example() -> None:
    report = decode_report(json.dumps(REPORT).encode())
    assert report.calls == Pair("Udl99X2JFP1bWwS5gR/wGeLE1hmAB2CMpr1Ej0wxkrY=", "com.cloudsoftphone.app.pushkit")
    written = json.loads(encode(report))
    assert list(written) == [*REPORT, "reason"]
    assert written == REPORT | {"reason": None}


def test_fields_after_other_are_optional_for_other_producers() -> None:
    report = decode_report(without("install_id", "user_agent", "origin"))
    assert (report.install_id, report.user_agent, report.origin) == (None, None, "app")


def test_later_versions_and_open_values_are_read() -> None:
    report = decode_report(with_(schema_version=7, kind="moved", origin="import", colour="red"))
    assert (report.schema_version, report.kind, report.origin) == (7, "moved", "import")


@pytest.mark.parametrize("name", REQUIRED)
def test_a_field_missing(name: str) -> None:
    with pytest.raises(InvalidRecordError, match=name):
        decode_report(without(name))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"selector": ""}, "selector"),
        ({"selector": "x" * 8193}, "selector"),
        ({"selector": 5}, "selector"),
        ({"selector": None}, "selector"),
        ({"received_at": -1}, "received_at"),
        ({"received_at": 1790000000.5}, "received_at"),
        ({"received_at": 1790000000000000}, "received_at"),
        ({"received_at": "1790000000000"}, "received_at"),
        ({"schema_version": 0}, "schema_version"),
        ({"calls": "token"}, "calls"),
        ({"calls": {"token": ""}}, "calls.token"),
        ({"calls": {"app_id": "a"}}, "calls"),
        ({"other": {"token": "x" * 8193}}, "other.token"),
        ({"username": 5}, "username"),
        ({"origin": ""}, "origin"),
        ({"origin": None}, "origin"),
    ],
)
def test_a_field_wrong_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRecordError, match=field):
        decode_report(with_(**changes))


@pytest.mark.parametrize(
    "value", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"selector": "\xff"}', b"[" * 100_000, b"7", with_() + b"x"]
)
def test_what_is_no_record_is_refused_without_being_quoted(value: bytes) -> None:
    with pytest.raises(InvalidRecordError) as raised:
        decode_report(value)
    assert len(str(raised.value)) < 200


@given(value=st.binary(max_size=300))
def test_no_bytes_raise_anything_else(value: bytes) -> None:
    for decode in (decode_report, decode_latest, decode_removed):
        with pytest.raises(InvalidRecordError):
            decode(value)


@pytest.mark.parametrize(
    "changes", [{"calls": {"token": "SECRETSECRET", "app_id": 5}}, {"other": {"token": ["SECRETSECRET"]}}]
)
def test_an_error_never_shows_a_token(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidRecordError) as raised:
        decode_report(with_(**changes))
    assert "SECRET" not in str(raised.value)
    assert raised.value.__cause__ is None and raised.value.__suppress_context__


NAMES = st.text(min_size=1, max_size=40)
MAYBE = st.none() | st.text(max_size=40)
MILLIS = st.integers(0, 4_102_444_800_000)
PAIRS = st.none() | st.builds(Pair, token=NAMES, app_id=MAYBE)
SLOTS = st.none() | st.builds(Slot, token=NAMES, app_id=MAYBE, since=MILLIS, rotations=st.integers(0, 2**31))
SOURCES = st.builds(Source, log_id=NAMES, partition=st.integers(0, 10_000), offset=st.integers(0, 2**62))
REPORTS = st.builds(
    Report,
    schema_version=st.integers(1, 9),
    id=NAMES,
    kind=NAMES,
    received_at=MILLIS,
    selector=NAMES,
    username=MAYBE,
    calls=PAIRS,
    other=PAIRS,
    install_id=MAYBE,
    user_agent=MAYBE,
    origin=NAMES,
    reason=MAYBE,
)
LATESTS = st.builds(
    Latest,
    selector=NAMES,
    username=MAYBE,
    calls=SLOTS,
    other=SLOTS,
    first_seen=MILLIS,
    last_seen=MILLIS,
    source=SOURCES,
    calls_removed_at=st.just(msgspec.UNSET) | MILLIS,
)
REMOVEDS = st.builds(
    Removed,
    selector=NAMES,
    calls_removed_at=st.none() | MILLIS,
    other_removed_at=st.none() | MILLIS,
    reason=MAYBE,
    source=SOURCES,
)


@given(report=REPORTS)
def test_reports_come_back_as_they_went(report: Report) -> None:
    assert decode_report(encode(report)) == report


@given(latest=LATESTS)
def test_latest_comes_back_as_it_went(latest: Latest) -> None:
    assert decode_latest(encode(latest)) == latest
    assert (b"calls_removed_at" in encode(latest)) == (latest.calls_removed_at is not msgspec.UNSET)


@given(removed=REMOVEDS)
def test_removed_comes_back_as_it_went(removed: Removed) -> None:
    assert decode_removed(encode(removed)) == removed


TOKEN = "QVBBOTFiRzlhcVd2bW54bllC"
SOURCE = Source(log_id="log", partition=1, offset=2)
SLOT = Slot(token=TOKEN, app_id="app", since=1, rotations=0)
CHANGE = Change(
    schema_version=1,
    id="log-1-2-calls",
    change="rotated",
    slot="calls",
    selector="S",
    username="u",
    previous_username=None,
    token=TOKEN,
    app_id="app",
    previous_token=TOKEN,
    previous_app_id=None,
    previous_age_ms=5,
    changed_at=6,
    origin="app",
    source=SOURCE,
)


@pytest.mark.parametrize(
    "record",
    [
        Pair(TOKEN, "app"),
        SLOT,
        CHANGE,
        msgspec.convert(REPORT | {"calls": {"token": TOKEN}, "other": {"token": TOKEN}}, Report),
        Latest(selector="S", username=None, calls=SLOT, other=SLOT, first_seen=1, last_seen=1, source=SOURCE),
    ],
    ids=lambda record: type(record).__name__,
)
def test_tokens_stay_out_of_repr_and_str(record: msgspec.Struct) -> None:
    for shown in (repr(record), str(record), f"{record}", f"{[record]}", f"{record!r}"):
        assert TOKEN not in shown
        assert f"<token {len(TOKEN)}>" in shown


def test_every_record_can_be_written() -> None:
    rejected = Rejected(
        schema_version=1, id="x", reason="r", detail="d", field=None, received_at=1, template=None, input={"a": 1}
    )
    assert json.loads(encode(rejected))["source"] is None
    assert json.loads(encode(CHANGE))["source"] == {"log_id": "log", "partition": 1, "offset": 2}
    assert set(RECORDS.values()) == {Report, Latest, Change, Rejected, Removed}


def test_records_do_not_change() -> None:
    frozen: Any = SLOT
    with pytest.raises(AttributeError):
        frozen.token = "other"

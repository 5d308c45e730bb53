"""Messages as their types: each topic's, later versions', and what is none of ours."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cloudevents import headers
from schemas.consumer.message import CHANGES, KINDS, Headers, Message, Tombstone, Topic, Unknown, read_message
from schemas.records import Change, InvalidRecordError, Latest, Rejected, Report
from tests.unit.schemas.test_documents import LATEST
from tests.unit.schemas.test_records import CHANGE, REPORT

SELECTOR = REPORT["selector"]
REJECTED = {
    "schema_version": 1,
    "id": "r",
    "reason": "conflict",
    "detail": "two values",
    "field": "selector",
    "received_at": 1,
    "template": None,
    "input": {"selector": "S"},
}
CHANGED = msgspec.to_builtins(CHANGE)


def as_bytes(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    ("topic", "key", "value", "event", "kind"),
    [
        ("reports", SELECTOR, REPORT, "report", Report),
        ("reports", SELECTOR, REPORT | {"kind": "removal"}, "removal", Report),
        ("reports", SELECTOR, REPORT | {"kind": "release"}, "release", Report),
        ("reports", SELECTOR, REPORT | {"schema_version": 2, "locale": "en"}, "report", Report),
        ("latest", "S", LATEST, "latest", Latest),
        ("latest", "S", LATEST | {"bound_to": "ann", "locale": "en"}, "latest", Latest),
        ("changes", CHANGED["selector"], CHANGED, "change", Change),
        ("changes", CHANGED["selector"], CHANGED | {"why": "update"}, "change", Change),
        ("rejected", "S", REJECTED, "rejected", Rejected),
        ("rejected", "", REJECTED | {"reason": "of_a_later_version"}, "rejected", Rejected),
    ],
)
def test_each_topic_has_its_type(topic: Topic, key: str, value: dict[str, Any], event: str, kind: type) -> None:
    for about in (headers(event, "id", 0), None, [], [("ce_type", b"com.example.report")], [("ce_type", None)]):
        assert type(read_message(topic, key.encode(), as_bytes(value), about)) is kind


def test_a_tombstone_is_one() -> None:
    assert read_message("latest", "Sü".encode(), None, headers("latest", "id", 0)) == Tombstone("Sü")


@pytest.mark.parametrize(
    ("topic", "key", "value", "about", "expected"),
    [
        ("reports", SELECTOR, REPORT | {"kind": "moved"}, None, "moved"),
        ("changes", CHANGED["selector"], CHANGED | {"change": "expired"}, None, "expired"),
        ("reports", SELECTOR, {"nothing": "we know"}, headers("heartbeat", "id", 0), "heartbeat"),
        ("latest", "S", {"nothing": "we know"}, headers("snapshot", "id", 0), "snapshot"),
        ("latest", "S", None, headers("snapshot", "id", 0), "snapshot"),
    ],
)
def test_what_a_later_version_says_is_unknown(
    topic: Topic, key: str, value: dict[str, Any] | None, about: Headers, expected: str
) -> None:
    found = read_message(topic, key.encode(), None if value is None else as_bytes(value), about)
    assert isinstance(found, Unknown)
    assert found.name == expected
    assert (found.record is None) == (about is not None)


@pytest.mark.parametrize(
    ("topic", "key", "value", "text"),
    [
        ("reports", b"other", as_bytes(REPORT), "key"),
        ("reports", None, as_bytes(REPORT), "key"),
        ("latest", b'"S"', as_bytes(LATEST), "key"),
        ("latest", b"\xff", None, "UTF-8"),
        ("changes", b"other", as_bytes(CHANGED), "key"),
        ("reports", SELECTOR.encode(), None, "null"),
        ("changes", b"S", None, "null"),
        ("rejected", None, None, "null"),
        ("reports", SELECTOR.encode(), b"{", "JSON"),
        ("changes", b"S", b"\xff", "JSON"),
        ("changes", b"S", b"[]", "object"),
        ("latest", b"S", as_bytes({**LATEST, "calls": 7}), "calls"),
        ("rejected", b"", as_bytes({**REJECTED, "reason": 5}), "reason"),
    ],
)
def test_what_is_none_of_ours(topic: Topic, key: bytes | None, value: bytes | None, text: str) -> None:
    with pytest.raises(InvalidRecordError, match=text):
        read_message(topic, key, value)


@pytest.mark.parametrize("name", sorted(KINDS | CHANGES))
def test_the_page_of_records_has_every_name(name: str) -> None:
    page = Path(__file__).resolve().parents[4] / "docs" / "records.md"
    assert f"`{name}`" in page.read_text(encoding="utf-8")


@given(
    st.sampled_from(("reports", "latest", "changes", "rejected")),
    st.none() | st.binary(max_size=20),
    st.none() | st.binary(max_size=60) | st.dictionaries(st.text(max_size=8), st.none() | st.text()).map(as_bytes),
    st.none() | st.lists(st.tuples(st.sampled_from(("ce_type", "x")), st.none() | st.binary(max_size=20)), max_size=3),
)
def test_anything_is_a_message_or_none_of_ours(
    topic: Topic, key: bytes | None, value: bytes | None, about: Headers
) -> None:
    try:
        found: Message = read_message(topic, key, value, about)
    except InvalidRecordError:
        return
    assert isinstance(found, Latest | Tombstone | Change | Report | Rejected | Unknown)


def test_no_token_is_shown() -> None:
    shown = [
        read_message("reports", SELECTOR.encode(), as_bytes(REPORT)),
        read_message("reports", SELECTOR.encode(), as_bytes(REPORT | {"kind": "moved"})),
        read_message("latest", b"S", as_bytes(LATEST)),
        read_message("changes", CHANGED["selector"].encode(), as_bytes(CHANGED | {"change": "expired"})),
    ]
    tokens = [REPORT["calls"]["token"], LATEST["calls"]["token"], CHANGED["token"], CHANGED["previous_token"]]
    text = f"{shown!r} {shown!s}"
    assert [token for token in tokens if token and token in text] == []

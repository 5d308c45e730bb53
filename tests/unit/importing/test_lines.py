"""One line of an import file to one record: what is taken, what is refused, and that nothing is told of its values."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from deploy.importing.lines import LineError, Rules, report_of
from ingest.values import Limits
from schemas.records import Pair

NOW = 1_790_000_000_000
RULES = Rules(Limits(), NOW)
GOOD: dict[str, Any] = {"selector": "SEL:1", "received_at": str(NOW), "calls_token": "dG9rZW4="}


def test_every_column() -> None:
    values = {
        **GOOD,
        "username": " johndow ",
        "calls_app_id": "com.example.pushkit",
        "other_token": "b3RoZXI=",
        "other_app_id": "",
        "install_id": "null",
        "user_agent": "CloudSoftphone/1.5.6",
        "kind": "report",
        "id": "theirs",
        "origin": "app",
        "authenticated_username": "ann",
    }
    report = report_of(values, RULES)
    assert (report.selector, report.username, report.install_id) == ("SEL:1", "johndow", None)
    assert report.calls == Pair("dG9rZW4=", "com.example.pushkit")
    assert report.other == Pair("b3RoZXI=", None)
    assert (report.origin, report.kind, report.received_at) == ("import", "report", NOW)
    assert report.id.startswith("import-")
    assert report.authenticated_username is UNSET  # the operator's file proves nothing of an account


def test_a_record_as_it_stands_on_the_topic() -> None:
    calls = {"token": "dG9rZW4=", "app_id": "com.example"}
    report = report_of({"selector": "SEL:1", "received_at": NOW, "calls": calls, "other": None}, RULES)
    assert (report.calls, report.other) == (Pair("dG9rZW4=", "com.example"), None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1700000000123", 1_700_000_000_123),
        (1_700_000_000_123, 1_700_000_000_123),
        ("2023-11-14T22:13:20.123Z", 1_700_000_000_123),
        ("2023-11-14T23:13:20.123+01:00", 1_700_000_000_123),
        ("0", 0),
    ],
)
def test_times(text: Any, expected: int) -> None:
    assert report_of({**GOOD, "received_at": text}, RULES).received_at == expected


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"selector": ""}, "selector"),
        ({"selector": None}, "selector"),
        ({"selector": 5}, "selector"),
        ({"selector": "a\x00b"}, "selector"),
        ({"username": "x" * 5000}, "username"),
        ({"calls_token": ""}, "calls_token"),
        ({"calls_token": "%pushToken%"}, "calls_token"),
        ({"calls_token": "tökén"}, "calls_token"),
        ({"received_at": ""}, "received_at"),
        ({"received_at": None}, "received_at"),
        ({"received_at": "yesterday"}, "received_at"),
        ({"received_at": "2023-11-14T22:13:20"}, "received_at"),
        ({"received_at": "-1"}, "received_at"),
        ({"received_at": -1}, "received_at"),
        ({"received_at": True}, "received_at"),
        ({"received_at": 1.5}, "received_at"),
        ({"received_at": NOW + 1}, "received_at"),
        ({"received_at": NOW * 1000}, "received_at"),
        ({"kind": "removal"}, "kind"),
        ({"password": "12345678"}, "password"),
        ({"calls": "flat"}, "calls"),
        ({"calls": {"token": "a", "secret": "b"}}, "calls"),
        ({"user_agent": 7}, "user_agent"),
    ],
)
def test_what_is_refused(change: dict[str, Any], field: str) -> None:
    with pytest.raises(LineError) as caught:
        report_of({**GOOD, **change}, RULES)
    assert caught.value.field == field


def test_an_error_tells_no_value() -> None:
    secret = "c2VjcmV0\x01" * 4
    for name in ("selector", "calls_token", "username"):
        with pytest.raises(LineError) as caught:
            report_of({**GOOD, name: secret}, RULES)
        assert secret not in str(caught.value)
    with pytest.raises(LineError) as caught:
        report_of({**GOOD, "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0=": "x"}, RULES)
    assert "c2VjcmV0" not in str(caught.value)


_VALUE = st.none() | st.integers() | st.text(max_size=40) | st.booleans() | st.lists(st.integers(), max_size=2)
_NAME = st.sampled_from([*GOOD, "username", "other_token", "calls", "other", "install_id", "kind", "x"])


@given(st.dictionaries(_NAME, _VALUE, max_size=8))
def test_anything_becomes_a_record_or_an_error(values: dict[str, Any]) -> None:
    try:
        report = report_of({**GOOD, **values}, RULES)
    except LineError:
        return
    assert report.selector
    assert report.calls or report.other
    assert 0 <= report.received_at <= NOW


@given(st.sampled_from(["a", "b"]), st.integers(min_value=0, max_value=3))
def test_the_id_is_the_content(selector: str, at: int) -> None:
    first = report_of({**GOOD, "selector": selector, "received_at": at}, RULES)
    assert first == report_of({"received_at": str(at), **GOOD, "selector": selector} | {"received_at": at}, RULES)
    assert first.id != report_of({**GOOD, "selector": selector, "received_at": at + 1}, RULES).id

"""The short way through a JSON body reads what the long way reads, or leaves it to that."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.read_json import _parse, _texts, read_json
from ingest.reading import Reading
from ingest.refusal import RefusedError
from ingest.template import compile_template
from ingest.values import Limits
from ingest.variables import Field
from schemas.settings import Template

_NAMES = st.sampled_from(["a", "b", "selector", 'q"', "\\", "é", "\x7f", "\u2028", "😀", ""])
_VALUES = _NAMES | st.integers() | st.none() | st.booleans() | st.lists(_NAMES, max_size=2)
_DOCUMENTS = st.lists(st.tuples(_NAMES, _VALUES | st.dictionaries(_NAMES, _VALUES, max_size=2)), max_size=4)


def written(pairs: list[tuple[str, Any]], *, ascii_only: bool) -> bytes:
    """JSON with every pair, doubles included."""
    items = (f"{json.dumps(name)} : {json.dumps(value, ensure_ascii=ascii_only)}" for name, value in pairs)
    return ("{" + ",\n ".join(items) + "}\n").encode()


def long_way(body: bytes) -> list[tuple[str, Any]] | None:
    """As the long way reads it; None: it refuses."""
    try:
        return list(_parse(body))
    except RefusedError:
        return None


@given(pairs=_DOCUMENTS, ascii_only=st.booleans())
def test_as_the_long_way_has_it(pairs: list[tuple[str, Any]], ascii_only: bool) -> None:
    body = written(pairs, ascii_only=ascii_only)
    texts = _texts(body)
    assert texts is None or list(texts) == long_way(body) == pairs


@given(
    pairs=_DOCUMENTS,
    at=st.integers(0, 200),
    sign=st.sampled_from(
        [*(bytes([code]) for code in range(256)), b'""', b"\xed\xa0\x80", b"\xc0\x80", b"\xef\xbb\xbf"]
    ),
    cut=st.integers(0, 2),
)
def test_with_a_byte_of_it_changed(pairs: list[tuple[str, Any]], at: int, sign: bytes, cut: int) -> None:
    body = written(pairs, ascii_only=False)
    at = min(at, len(body))
    body = body[:at] + sign + body[at + cut :]
    texts = _texts(body)
    assert texts is None or list(texts) == long_way(body)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"a": "x", "a": "y"}', id="a name twice"),
        pytest.param(b'{"a": "x", "a": "x"}', id="twice the same"),
        pytest.param(b'{"a": {"b": "c"}, "a": "y"}', id="twice, an object first"),
        pytest.param(b'{"a": 1, "a": "y"}', id="twice, a number first"),
        pytest.param(b'{"a": "\\u0062"}', id="an escape"),
        pytest.param(b'{"a": 1}', id="a number"),
        pytest.param(b'["a"]', id="a list"),
        pytest.param(b'{"a": "x"', id="cut off"),
        pytest.param(b'{"a": "x"}}', id="more behind it"),
        pytest.param(b'{"a": "\x01"}', id="a control character"),
        pytest.param(b'{"a": "\xff"}', id="not UTF-8"),
        pytest.param(b"[" * 5000, id="deep"),
        pytest.param(b'{"a":' * 5000, id="deep objects"),
    ],
)
def test_left_to_the_long_way(body: bytes) -> None:
    assert _texts(body) is None


def test_what_apps_send_goes_the_short_way() -> None:
    body = b'{\r\n"selector" : "ab:cd",\r\n"token_calls" : "x/y=",\r\n"username" : "\xc3\xa9"\r\n}\r\n'
    assert list(_texts(body) or ()) == [("selector", "ab:cd"), ("token_calls", "x/y="), ("username", "é")]
    assert list(_texts(b"{}") or ()) == []


@pytest.mark.parametrize("more", ["", 1])  # the short way, the long way
@pytest.mark.parametrize("inside", [False, True])
def test_names_are_bounded(more: object, inside: bool) -> None:
    """As those of a form are: to look a name up takes longer than to send it."""
    nested = '{"in": {"s": "%selector%", "t": "%pushToken%"}}'
    data = nested if inside else '{"s": "%selector%", "t": "%pushToken%"}'
    url, kind = "https://h/t", "application/json"
    template = compile_template(Template(name="t", url=url, post_data=data, content_type=kind))

    def told(names: int) -> dict[Field, str]:
        pairs = {"s": "S"} | {f"x{number}": more for number in range(names - 1)}
        reading = Reading(template, Limits())
        read_json(reading, template.body, "b", json.dumps({"in": pairs} if inside else pairs).encode())
        return dict(reading.values)

    assert told(1000) == {"selector": "S"}
    with pytest.raises(RefusedError) as caught:
        told(1001)
    assert (caught.value.status, caught.value.reason, caught.value.field) == (400, "too_many", "body")
    assert "1000 names" in caught.value.detail

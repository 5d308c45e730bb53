"""A GET, too, is answered when it has come as a whole: a refusal of its body must not follow upon its record."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.unit.ingest.test_http_protocol import Line

_GET = b"GET /token/?selector=s&token_calls=t HTTP/1.1\r\nHost: h\r\n"
_CHUNKED = _GET + b"Transfer-Encoding: chunked\r\n\r\n"
_LENGTH = _GET + b"Content-Length: 9\r\n\r\n"
_MORE = b"4000\r\n" + bytes(0x4000) + b"\r\n"


@pytest.fixture
def line() -> Iterator[Line]:
    loop = asyncio.new_event_loop()
    found = Line(loop)
    yield found
    found.end()
    loop.close()


@pytest.mark.parametrize("first", [_CHUNKED, _CHUNKED + b"3\r\nabc\r\n"])
def test_a_body_that_grows_beyond_the_limit_leaves_no_record(line: Line, first: bytes) -> None:
    line.feed(first, *[_MORE] * 5)
    assert line.statuses == [413]
    assert line.bench.sink.messages == []


@pytest.mark.parametrize("first", [_CHUNKED, _CHUNKED + b"3\r\nab", _LENGTH, _LENGTH + b"abc"])
def test_a_body_that_does_not_come_leaves_no_record(line: Line, first: bytes) -> None:
    line.feed(first)
    assert line.statuses == []
    line.pass_time(60.0)
    assert line.statuses == [408]
    assert line.bench.sink.messages == []


@pytest.mark.parametrize(
    ("first", "rest"), [(_CHUNKED, b"3\r\nabc\r\n0\r\n\r\n"), (_LENGTH + b"abc", b"defghi"), (_GET, b"\r\n")]
)
def test_one_that_comes_is_not_read(line: Line, first: bytes, rest: bytes) -> None:
    line.feed(first)
    assert line.statuses == []
    line.feed(rest, _GET + b"\r\n")
    assert line.statuses == [200, 200]
    assert len(line.bench.sink.messages) == 2

"""What a request or a connection leaves goes at once: Python's collector, which `ingest.server` sends round seldom,
finds it only when hundreds of MB have piled up."""

import asyncio
import gc
from collections.abc import Iterator

import pytest

from ingest.http_cycle import IngressCycle
from ingest.http_protocol import IngressProtocol
from ingest.refusal import RefusedError
from tests.unit.ingest.test_http_protocol import Line

_HEAD = b"POST /token/ HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
_GET = b"GET /token/?selector=s&token_calls=t HTTP/1.1\r\nHost: h\r\n"
_CHUNK = b"Transfer-Encoding: chunked\r\n\r\nfffff\r\n" + bytes(70_000)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    found = asyncio.new_event_loop()
    gc.collect()
    gc.disable()
    yield found
    gc.enable()
    found.close()


def left() -> list[str]:
    """Whatever of a connection is still there."""
    kinds = (IngressProtocol, IngressCycle, RefusedError)
    return [type(found).__name__ for found in gc.get_objects() if issubclass(type(found), kinds)]


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(_GET + b"\r\n", id="accepted"),
        pytest.param(_HEAD + b"Content-Length: 2\r\n\r\n{}", id="refused"),
        pytest.param(_HEAD + b"Content-Length: 9\r\n\r\n{", id="half"),
        pytest.param(_GET + b"\r\n" + _HEAD + b"Content-Length: 2\r\n\r\n{}" + _GET, id="pipelined"),
        pytest.param(_GET + _CHUNK, id="cut_before_it_began"),
    ],
)
def test_a_connection_that_ends_leaves_nothing_to_the_collector(loop: asyncio.AbstractEventLoop, sent: bytes) -> None:
    line = Line(loop)
    if b"chunked" not in sent:
        line.feed(sent)
    line.protocol.data_received(sent)
    line.protocol.connection_lost(None)  # before the application has run for this one
    line.settle()
    del line
    assert left() == []


def test_a_refusal_leaves_nothing_to_the_collector(loop: asyncio.AbstractEventLoop) -> None:
    line = Line(loop)
    line.feed(_HEAD + b"Content-Length: 2\r\n\r\n{}")
    assert line.statuses == [400]
    assert "RefusedError" not in left() and "MismatchError" not in left()
    line.end()

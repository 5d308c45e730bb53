"""What an application is told of its request: the body whole or in pieces, and then that the client has gone."""

import asyncio
from typing import Any

import pytest

from tests.unit.ingest.test_http_protocol import POST, Line, loop

__all__ = ["loop"]

HEAD, _, BODY = POST.partition(b"\r\n\r\n")


@pytest.mark.parametrize("pieces", [(POST,), (HEAD + b"\r\n\r\n", BODY), (HEAD + b"\r\n\r\n" + BODY[:9], BODY[9:])])
def test_the_body_comes_once_and_then_nothing_until_the_client_goes(
    loop: asyncio.AbstractEventLoop, pieces: tuple[bytes, ...]
) -> None:
    line = Line(loop)
    told: list[Any] = []

    async def app(_: Any, receive: Any, __: Any) -> None:
        while not told or told[-1]["type"] != "http.disconnect":
            told.append(await receive())

    line.protocol.app = app
    line.feed(*pieces)
    assert b"".join(each["body"] for each in told) == BODY
    assert [each["more_body"] for each in told] == [True] * (len(told) - 1) + [False]
    assert line.protocol.cycle.body == b""
    line.protocol.connection_lost(None)
    line.settle()
    assert told[-1] == {"type": "http.disconnect"}
    assert not line.server.tasks

"""The protocol over a pretended transport: whatever bytes come, it answers, waits or closes; it never breaks."""

import asyncio
import re
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uvicorn import Config
from uvicorn.server import ServerState

from ingest.crowd import Crowd
from ingest.http_cycle import AcceptedText
from ingest.http_limits import HttpLimits
from ingest.http_protocol import IngressProtocol
from ingest.journal import Journal
from schemas.settings import Ingest, Settings
from tests.examples import examples, wire
from tests.unit.ingest.asgi import Bench
from tests.unit.ingest.many import many

FUZZ = many(100)


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name in ("peername", "sockname") else default

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Line:
    """A connection to the application with a sink in memory."""

    def __init__(self, loop: asyncio.AbstractEventLoop, **limits: Any) -> None:
        self.loop = loop
        self.bench = Bench(Settings())
        loop.run_until_complete(self.bench.start())
        config = Config(
            self.bench.app, lifespan="off", ws="none", interface="asgi3", log_config=None, server_header=False
        )
        config.load()
        bounds = HttpLimits.of(Ingest(**limits))
        journal = Journal(Ingest(request_id_header="x-request-id"))
        state = {"limits": bounds, "crowd": Crowd(bounds), "accepted_text": AcceptedText(), "journal": journal}
        self.transport = Transport()
        self.server = ServerState()
        self.protocol = IngressProtocol(config, self.server, state, loop)
        self.protocol.connection_made(self.transport)

    def feed(self, *chunks: bytes) -> bytes:
        """Send chunks one after the other and let the application finish; what has been answered so far."""
        for chunk in chunks:
            if not self.transport.is_closing():
                self.protocol.data_received(chunk)
            self.settle()
        return self.transport.written

    def settle(self) -> None:
        for _ in range(20):
            self.loop.run_until_complete(_turn())

    def pass_time(self, seconds: float) -> None:
        """As if `seconds` had gone by."""
        self.protocol.sweep(self.loop.time() + seconds)
        self.settle()

    @property
    def statuses(self) -> list[int]:
        return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", self.transport.written)]

    def end(self) -> None:
        self.protocol.connection_lost(None)
        for task in list(self.server.tasks):
            task.cancel()
        self.settle()


async def _turn() -> None:
    """One turn of the loop: what is ready runs."""
    loop = asyncio.get_running_loop()
    turned = loop.create_future()
    loop.call_soon(turned.set_result, None)
    await turned


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    found = asyncio.new_event_loop()
    yield found
    found.close()


GOOD = wire(examples("good", "requests")["spec-get"], close=False)
POST = wire(examples("good", "requests")["spec-post-json"], close=False)


@FUZZ
@given(st.lists(st.binary(max_size=200), max_size=5))
def test_any_bytes(chunks: list[bytes]) -> None:
    check(chunks)


@FUZZ
@given(
    st.sampled_from([GOOD, POST, GOOD + POST]),
    st.lists(st.tuples(st.integers(0, 700), st.integers(0, 3), st.binary(max_size=8)), max_size=4),
    st.lists(st.integers(1, 400), max_size=4),
)
def test_requests_with_bytes_changed_and_split_anywhere(
    request: bytes, changes: list[tuple[int, int, bytes]], cuts: list[int]
) -> None:
    for at, removed, added in changes:
        request = request[:at] + added + request[at + removed :]
    chunks = []
    for cut in cuts:
        chunks.append(request[:cut])
        request = request[cut:]
    check([*chunks, request])


def check(chunks: list[bytes]) -> None:
    loop = asyncio.new_event_loop()
    try:
        line = Line(loop)
        line.feed(*chunks)
        assert all(status in (200, 400, 401, 403, 404, 405, 413, 414, 415, 431) for status in line.statuses)
        assert len(line.bench.sink.messages) == line.statuses.count(200)
        # Whatever state it is in, its deadlines end it.
        for _ in range(4):
            line.pass_time(1000)
        assert line.transport.is_closing()
        line.end()
    finally:
        loop.close()


def test_one_byte_at_a_time(loop: asyncio.AbstractEventLoop) -> None:
    line = Line(loop)
    line.feed(*(bytes([byte]) for byte in GOOD + POST))
    assert line.statuses == [200, 200]
    line.end()


def test_deadlines(loop: asyncio.AbstractEventLoop) -> None:
    cases: list[tuple[bytes, float, float, list[int]]] = [
        # what came, a time that is still in order, one that is not, the answers then
        (b"", 9, 11, []),
        (b"GET /tok", 9, 11, [408]),
        (b"POST /token/ HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nx", 14, 16, [408]),
        (GOOD, 59, 61, [200]),
        (GOOD + b"GET /", 9, 11, [200, 408]),
    ]
    for sent, in_time, too_late, statuses in cases:
        line = Line(loop)
        if sent:
            line.feed(sent)
        line.pass_time(in_time)
        assert not line.transport.is_closing(), sent
        line.pass_time(too_late)
        assert line.transport.is_closing(), sent
        assert line.statuses == statuses
        line.end()


def test_bytes_now_and_then_do_not_extend_a_deadline(loop: asyncio.AbstractEventLoop) -> None:
    line = Line(loop)
    line.feed(b"GET /token/?a=")
    before = line.protocol.deadline
    line.feed(b"b", b"c")
    assert line.protocol.deadline == before
    line.end()


def test_a_client_that_does_not_read_is_given_up(loop: asyncio.AbstractEventLoop) -> None:
    line = Line(loop)
    line.protocol.pause_writing()
    line.feed(GOOD)
    assert line.statuses == []
    line.pass_time(16)
    assert not line.transport.is_closing()
    line.pass_time(17)
    assert line.transport.is_closing()
    line.end()


def another(line: Line) -> tuple[IngressProtocol, Transport]:
    """One more connection to the same server."""
    transport = Transport()
    second = IngressProtocol(line.protocol.config, line.server, line.protocol.app_state, line.loop)
    second.connection_made(transport)
    return second, transport


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (b"", []),
        (GOOD, [200]),
        (b"GET /tok", [503]),
        (b"POST /token/ HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nx", [503]),
        (GOOD + b"GET /", [200, 503]),
    ],
)
def test_who_has_waited_longest_makes_room(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch, sent: bytes, statuses: list[int]
) -> None:
    line = Line(loop, max_connections=1)
    if sent:
        line.feed(sent)
    # Everybody has a second to send a request: the newcomer is refused, at once.
    young, refused = another(line)
    assert refused.written.startswith(b"HTTP/1.1 503 ") and b"retry-after: " in refused.written
    assert refused.is_closing() and not line.transport.is_closing()
    young.connection_lost(None)
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now + 1.5)
    newcomer, welcome = another(line)
    assert line.transport.is_closing() and not welcome.is_closing() and welcome.written == b""
    assert line.statuses == statuses
    monkeypatch.undo()
    newcomer.connection_lost(None)
    line.end()


def test_a_connection_with_an_answer_due_never_makes_room(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line(loop, max_connections=1)
    line.bench.sink.held = asyncio.Event()
    line.feed(GOOD)
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now + 5)
    newcomer, refused = another(line)
    monkeypatch.undo()
    assert refused.written.startswith(b"HTTP/1.1 503 ") and not line.transport.is_closing()
    newcomer.connection_lost(None)
    line.bench.sink.held.set()
    line.settle()
    assert line.statuses == [200]
    line.end()


def test_what_unfinished_requests_hold_is_bounded(loop: asyncio.AbstractEventLoop) -> None:
    line = Line(loop, max_unfinished_bytes=3000)
    half = b"POST /token/ HTTP/1.1\r\nHost: t\r\nContent-Length: 5000\r\n\r\n"
    others = [another(line) for _ in range(3)]
    line.feed(half, b"a" * 1500)
    others[0][0].data_received(half + b"a" * 1200)
    line.settle()
    assert others[0][1].written == b""
    others[1][0].data_received(half + b"a" * 400)  # now it is too much
    assert others[1][1].written.startswith(b"HTTP/1.1 503 ") and b"retry-after: " in others[1][1].written
    # Whole requests hold nothing, and pass.
    others[2][0].data_received(GOOD)
    line.settle()
    assert others[2][1].written.startswith(b"HTTP/1.1 200 ")
    others[1][0].connection_lost(None)
    line.feed(b"a" * 3500)  # complete (and refused, for it is no report)
    assert line.statuses == [400]
    crowd = line.protocol.crowd
    assert crowd.held == len(half) + 1200
    for protocol, _ in others:
        protocol.connection_lost(None)
    line.end()
    assert crowd.held == 0


def test_who_holds_half_a_request_for_longest_makes_room_for_the_next(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line(loop, max_unfinished_bytes=3000)
    half = b"POST /token/ HTTP/1.1\r\nHost: t\r\nContent-Length: 5000\r\n\r\n"
    idle, kept = another(line)
    line.feed(half, b"a" * 2500)
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now + 1.5)
    newcomer, welcome = another(line)
    newcomer.data_received(half + b"a" * 1200)
    assert line.statuses == [503] and line.transport.is_closing()
    assert welcome.written == b"" and not kept.is_closing()  # who holds nothing need not go
    monkeypatch.undo()
    for protocol in (idle, newcomer):
        protocol.connection_lost(None)
    line.end()
    assert line.protocol.crowd.held == 0


def test_pipelined_requests_are_bounded_and_answered_in_order(loop: asyncio.AbstractEventLoop) -> None:
    line = Line(loop)
    line.feed(GOOD * 90)
    for _ in range(100):
        line.settle()
    assert line.statuses == [200] * 90 and not line.transport.is_closing()
    line.feed(GOOD * 300)
    for _ in range(100):
        line.settle()
    # The one under way and a hundred behind it; then a refusal and the end: a client knows which were not taken.
    assert line.statuses == [200] * (90 + 101) + [503]
    assert line.transport.is_closing()
    line.end()


def test_shutting_down_closes_idle_connections_and_finishes_busy_ones(loop: asyncio.AbstractEventLoop) -> None:
    idle = Line(loop)
    idle.feed(GOOD)
    idle.protocol.shutdown()
    assert idle.transport.is_closing()
    idle.end()
    busy = Line(loop)
    busy.bench.sink.held = asyncio.Event()
    busy.feed(GOOD)
    busy.protocol.shutdown()
    assert not busy.transport.is_closing() and busy.statuses == []
    busy.bench.sink.held.set()
    busy.settle()
    assert busy.statuses == [200] and busy.transport.is_closing()
    assert b"connection: close" in busy.transport.written
    busy.end()


@pytest.mark.parametrize("length", [b"15", b"15 ", b"15\t", b"0" * 30 + b"15"])
def test_a_body_after_an_upgrade_is_read_however_its_length_is_written(
    loop: asyncio.AbstractEventLoop, length: bytes
) -> None:
    line = Line(loop)
    line.feed(
        b"POST /token/?selector=s HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: "
        + length
        + b"\r\n\r\ntoken_calls=abc"
    )
    assert line.statuses == [200]
    (message,) = line.bench.sink.messages
    assert b'"token":"abc"' in message.value
    line.end()


@pytest.mark.parametrize(("scheme", "stays"), [("http", True), ("https", False)])
def test_who_sends_nothing_more_still_gets_an_answer_but_not_through_tls(
    loop: asyncio.AbstractEventLoop, scheme: Literal["http", "https"], stays: bool
) -> None:
    line = Line(loop)
    line.protocol.scheme = scheme
    line.bench.sink.held = asyncio.Event()
    line.feed(GOOD)
    assert line.protocol.eof_received() is stays
    line.bench.sink.held.set()
    line.end()


def test_nobody_writes_to_who_went_away_with_requests_waiting(
    loop: asyncio.AbstractEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    line = Line(loop)
    line.bench.sink.held = asyncio.Event()
    line.feed(GOOD * 3)
    line.protocol.connection_lost(ConnectionResetError())
    line.bench.sink.held.set()
    line.settle()
    assert len(line.bench.sink.messages) == 1  # the others were not begun
    assert line.transport.written == b"" and not line.server.tasks and not caplog.records

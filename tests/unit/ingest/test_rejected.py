"""What is kept of a refused request; and how much of it, however many there are."""

import asyncio
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.record import Message
from ingest.refusal import RefusedError
from ingest.reject_sink import RejectSink
from ingest.rejected import outline, rejected_message, shape
from ingest.token_bucket import TokenBucket
from schemas.settings import Ingest, Settings
from tests.poll import until_async


def test_parsed_fields_are_masked() -> None:
    error = RefusedError(400, "conflict", "two different values for username", "username")
    values: dict[Any, str] = {"selector": "S:1", "calls_token": "dG9rZW4=", "username": "u" * 1000}
    message = rejected_message(error, 1_790_000_000_000, "token", values, "text/plain", b"secret")
    record = json.loads(message.value)
    assert record["input"] == {"selector": "S:1", "calls_token": "<token 8>", "username": "u" * 256}
    assert (record["reason"], record["field"], record["template"]) == ("conflict", "username", "token")
    assert message.key == b"S:1"
    assert dict(message.headers)["ce_type"] == b"push-token.rejected"


def test_unparsed_bodies_leave_an_outline() -> None:
    error = RefusedError(400, "not_json", "not JSON", "body")
    message = rejected_message(error, 0, None, {}, "application/json; secret=1", b'{"password": "hunter2"')
    assert json.loads(message.value)["input"] == {
        "body_length": 22,
        "body_sha256": hashlib.sha256(b'{"password": "hunter2"').hexdigest(),
        "body_content_type": "application/json",
        "body_shape": '{"aaaaaaaa": "aaaaaa9"',
    }
    assert message.key == b""


@pytest.mark.parametrize(
    ("content_type", "kept"),
    [("text/plain; charset=x", "text/plain"), ("TEXT/XML", "text/xml"), ("text/hunter2", "aaaa/aaaaaa9"), ("", None)],
)
def test_content_types(content_type: str, kept: str | None) -> None:
    assert outline(content_type, b"")["body_content_type"] == kept


@given(st.binary(max_size=400))
def test_a_shape_tells_no_letter_and_no_digit(body: bytes) -> None:
    found = shape(body)
    assert len(found) == min(len(body), 256)
    assert {sign for sign in found if sign.isalnum()} <= {"a", "9"}
    assert found.isascii() and found.isprintable()


@given(st.lists(st.tuples(st.integers(1, 300), st.floats(0, 2))), st.integers(50, 200))
def test_a_bucket_never_gives_more_than_its_rate(takes: list[tuple[int, float]], rate: int) -> None:
    bucket = TokenBucket(rate, 0.0)
    now = spent = 0.0
    for size, pause in takes:
        now += pause
        if bucket.take(size, now):
            spent += size
        assert spent <= rate * (1 + now) + 1e-6


def test_a_bucket_refuses_and_recovers() -> None:
    bucket = TokenBucket(100, 10.0)
    assert bucket.take(100, 10.0)
    assert not bucket.take(1, 10.0)
    assert not bucket.take(60, 10.5)
    assert bucket.take(50, 10.5)
    assert not bucket.take(101, 1000.0)


class FakeProducer:
    """Takes messages, or fails while `away`."""

    def __init__(self, sent: list[bytes], away: list[bool]) -> None:
        self._sent = sent
        self._away = away

    async def start(self) -> None:
        if self._away[0]:
            raise ConnectionError

    async def stop(self) -> None:
        pass

    async def send_and_wait(self, topic: str, value: bytes, **_: Any) -> None:
        if self._away[0]:
            raise ConnectionError
        self._sent.append(value)


def message(number: int, size: int = 10) -> Message:
    return Message(b"", (b"%d-" % number).ljust(size, b"x"), [])


async def test_rejects_wait_in_a_bounded_queue_and_the_rest_is_dropped_and_counted() -> None:
    sent: list[bytes] = []
    dropped: list[int] = []
    away = [True]
    settings = Settings(ingest=Ingest(rejected_queue=5))
    sink = RejectSink(settings, dropped.append, lambda _: FakeProducer(sent, away))
    for number in range(8):
        sink.offer(message(number))
    assert sum(dropped) == 3
    away[0] = False

    async def five() -> bool:
        return len(sent) == 5

    await until_async(five, "what was queued is sent once Kafka is back", 10)
    await sink.close(1.0)
    assert sent == [message(number).value for number in range(5)]
    assert sum(dropped) == 3


async def test_rejects_keep_to_their_bytes_a_second() -> None:
    sent: list[bytes] = []
    dropped: list[int] = []
    settings = Settings(ingest=Ingest(rejected_bytes_per_second=1000))
    sink = RejectSink(settings, dropped.append, lambda _: FakeProducer(sent, [False]))
    started = asyncio.get_running_loop().time()
    for number in range(100):
        sink.offer(message(number, 100))
    allowed = 10 + (asyncio.get_running_loop().time() - started) * 10
    await sink.close(5.0)
    assert 10 <= len(sent) <= allowed + 1
    assert len(sent) + sum(dropped) == 100


async def test_closing_drops_what_cannot_be_sent_in_time() -> None:
    dropped: list[int] = []
    sink = RejectSink(Settings(), dropped.append, lambda _: FakeProducer([], [True]))
    sink.offer(message(1))
    await sink.close(0.05)
    assert dropped == [1]

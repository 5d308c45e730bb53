"""The log of requests: bounded, findable by id, and without anything that was sent."""

import logging
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from ingest.journal import About, Journal
from ingest.request_id import request_id
from ingest.template_set import template_set
from schemas.settings import Ingest, Settings
from tests.unit.ingest.asgi import Bench

TEMPLATE = template_set(Settings()).templates[0]


class Clock:
    """Stands in for the `time` module."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    perf_counter = monotonic


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("ingest.journal.time", clock)
    return clock


def shown(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    plain = vars(logging.makeLogRecord({})).keys() | {"message"}
    return [
        {"said": record.message.partition("\n")[0], "level": record.levelname}
        | {name: value for name, value in vars(record).items() if name not in plain}
        for record in caplog.records
    ]


def test_a_refusal_is_logged_with_what_is_ours(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    journal = Journal(Ingest())
    headers = [(b"authorization", b"PASSWORD"), (b"x-request-id", b"TOKEN")]
    about = About(headers, "PASSWORD", TEMPLATE, 17, clock.now)
    clock.now += 0.0251
    found = journal.refused(400, "missing", about)
    journal.refused(503, "unconfirmed", About())
    one, other = shown(caplog)
    assert one == {
        "said": "refused",
        "level": "INFO",
        "request_id": found,
        "status": 400,
        "outcome": "bad_request",
        "reason": "missing",
        "method": "other",
        "template": TEMPLATE.name,
        "ms": 25.1,
        "bytes": 17,
    }
    assert (other["level"], other["status"], other["reason"]) == ("WARNING", 503, "unconfirmed")
    assert other["request_id"] != found


def test_a_flood_is_counted_and_not_logged(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    journal = Journal(Ingest(refusals_logged_per_second=3))
    for _ in range(100):
        journal.refused(404, "not_found", About())
    journal.refused(503, "kafka_away", About())  # ours have a budget of their own
    found = shown(caplog)
    assert [line["status"] for line in found] == [404, 404, 404, 503]
    assert found[-1]["suppressed"] == 97
    journal.tell()
    for _ in range(5):
        journal.refused(404, "not_found", About())
    assert len(caplog.records) == 4
    journal.tell()
    assert len(caplog.records) == 4  # no budget for that either, yet
    clock.now += 0.5
    journal.tell()
    journal.tell()
    assert shown(caplog)[4:] == [{"said": "further requests were refused", "level": "INFO", "suppressed": 5}]


def test_none_is_logged_where_the_settings_say_so(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    journal = Journal(Ingest(refusals_logged_per_second=0))
    assert UUID(journal.refused(404, "not_found", About()))
    clock.now += 60
    journal.tell()
    assert caplog.records == []


@pytest.mark.parametrize(("every", "logged"), [(0, []), (1, [1, 2, 3, 4, 5, 6, 7]), (3, [3, 6])])
def test_accepted_requests_are_logged_by_setting(
    clock: Clock, caplog: pytest.LogCaptureFixture, every: int, logged: list[int]
) -> None:
    caplog.set_level("INFO")
    journal = Journal(Ingest(access_log_every=every))
    assert journal.logs_accepted is bool(every)
    if every:
        for number in range(1, 8):
            journal.accepted(About([], "GET", TEMPLATE, number, clock.now))
    assert [line["bytes"] for line in shown(caplog)] == logged
    assert all(
        (line["status"], line["outcome"], line["said"]) == (200, "accepted", "accepted") for line in shown(caplog)
    )


async def test_a_failure_of_ours_is_logged_without_what_it_says(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def publish(self, message: Any) -> None:
            raise KeyError(message.key)

        def trouble(self) -> None:
            return None

    caplog.set_level("INFO")
    answer = await Bench(Settings(), sink=Broken()).send(
        {"method": "GET", "target": "/token/?selector=VERYSECRET", "headers": {}}
    )
    (line,) = shown(caplog)
    assert (answer.status, line["status"], line["said"]) == (500, 500, "a request failed: KeyError")
    assert answer.header("x-request-id") == line["request_id"]
    assert "in publish" in caplog.records[0].message and "VERYSECRET" not in caplog.text


async def test_an_answer_has_the_id_that_the_log_has(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    settings = Settings()
    settings = replace(settings, ingest=replace(settings.ingest, request_id_header="X-Request-Id", access_log_every=1))
    bench = Bench(settings)
    given = "0192F3D0-0000-7000-8000-00000000ABCD"
    for target in ("/nowhere", "/token/?x=1", "/token/?selector=s"):
        answer = await bench.send({"method": "GET", "target": target, "headers": {"X-Request-ID": given}})
        assert shown(caplog)[-1]["request_id"] == given.lower()
        if answer.status != 200:
            assert answer.header("x-request-id") == given.lower()
            assert b'"instance": "urn:uuid:%b"' % given.lower().encode() in answer.body
        else:
            assert answer.headers == [(b"content-length", b"0")]


UUID_TEXT = b"0192f3d0-0000-7000-8000-00000000abcd"


@pytest.mark.parametrize(
    ("headers", "trusted", "taken"),
    [
        ([(b"x-id", UUID_TEXT)], b"x-id", True),
        ([(b"x-id", UUID_TEXT.upper())], b"x-id", True),
        ([(b"x-id", UUID_TEXT.replace(b"-", b""))], b"x-id", True),
        ([(b"x-id", UUID_TEXT)], b"", False),
        ([(b"x-id", UUID_TEXT)], b"x-other", False),
        ([(b"x-id", UUID_TEXT), (b"x-id", UUID_TEXT)], b"x-id", False),
        ([(b"x-id", UUID_TEXT + b"a")], b"x-id", False),
        ([(b"x-id", UUID_TEXT + b"\n")], b"x-id", False),
        ([(b"x-id", UUID_TEXT.replace(b"-", b"", 1))], b"x-id", False),
        ([(b"x-id", b"a" * 64)], b"x-id", False),  # a push token of Apple's
        ([(b"x-id", b"")], b"x-id", False),
        ([], b"x-id", False),
    ],
)
def test_ids(headers: list[tuple[bytes, bytes]], trusted: bytes, taken: bool) -> None:
    found = request_id(headers, trusted)
    UUID(found)
    assert (found == (headers[0][1].decode().lower() if headers else "")) is taken
    assert found == found.lower()

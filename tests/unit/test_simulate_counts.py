"""Judging answers, counting them, and comparing what was accepted with what the topic holds."""

import io
import json
from collections import Counter

import msgspec
import pytest

from deploy.simulate.connection import Answer, Target, target
from deploy.simulate.fleet import Plan, requests
from deploy.simulate.kafka_check import compare
from deploy.simulate.ledger import Ledger, fingerprint
from deploy.simulate.request import Request, Told
from deploy.simulate.summary import text
from deploy.simulate.tally import Tally, judge
from schemas.records import Pair, Report

STREAM = list(requests(Plan(accounts=40, reports=1500, seed=3, marked=True)))
GOOD = next(request for request in STREAM if request.expect == 200)
BROKEN = next(request for request in STREAM if request.expect == 400)


def answer(status: int, body: bytes = b"", content_type: str | None = None, retry_after: float | None = None) -> Answer:
    return Answer(status=status, keep=True, retry_after=retry_after, content_type=content_type, body=body)


PROBLEM = "application/problem+json"


@pytest.mark.parametrize(
    ("request_", "given", "outcome"),
    [
        (GOOD, answer(200), "accepted"),
        (GOOD, answer(200, b"{}"), "unexpected"),
        (GOOD, answer(200, b"", "application/json"), "unexpected"),
        (GOOD, answer(204), "unexpected"),
        (GOOD, answer(400, b"{}", PROBLEM), "unexpected"),
        (GOOD, answer(500), "unexpected"),
        (GOOD, answer(503, b"{}", PROBLEM, 5.0), None),
        (GOOD, answer(429, b"{}", PROBLEM, 0.0), None),
        (GOOD, answer(503, b"{}", PROBLEM), "unexpected"),
        (BROKEN, answer(400, b"{}", PROBLEM), "refused"),
        (BROKEN, answer(400, b"no", "text/html"), "unexpected"),
        (BROKEN, answer(404, b"{}", PROBLEM), "unexpected"),
        (BROKEN, answer(200), "unexpected"),
        (BROKEN, answer(503, b"{}", PROBLEM, 5.0), None),
    ],
)
def test_judging(request_: Request, given: Answer, outcome: str | None) -> None:
    assert judge(request_, given)[0] == outcome


def test_a_surprise_names_what_came_and_what_should_have() -> None:
    tally = Tally()
    outcome, reason = judge(GOOD, answer(500))
    assert outcome == "unexpected"
    tally.count(GOOD, outcome, reason)
    assert dict(tally.surprises) == {f"{GOOD.kind}, {GOOD.shape}: 500 instead of 200": 1}
    assert not tally.as_expected


def test_counts_add_up() -> None:
    tally = Tally()
    for request in STREAM:
        tally.count(request, "accepted" if request.expect == 200 else "refused")
    summary = tally.summary()
    assert tally.as_expected
    assert tally.done == sum(summary["outcomes"].values()) == len(STREAM)
    assert sum(sum(counts.values()) for counts in summary["kinds"].values()) == len(STREAM)
    assert sum(sum(counts.values()) for counts in summary["shapes"].values()) == len(STREAM)


def test_latency_percentiles() -> None:
    tally = Tally()
    assert tally.percentile(0.5) is None
    for tenths in range(1, 101):
        tally.latency(tenths / 10_000 + 1e-9)
    tally.latency(7.77)
    assert (tally.percentile(0.5), tally.percentile(0.99), tally.percentile(1.0)) == (5.1, 10.0, 7700.0)


def test_the_summary_says_the_promise_is_broken() -> None:
    tally = Tally()
    tally.count(GOOD, "gave_up", "503, 8 times")
    tally.retry("503")
    report = {"accounts": 1, "reports": 1, "seed": 1, "seconds": 2.0, "per_second": 0.5, **tally.summary()}
    shown = text(report | {"kafka_check": {"missing": 1, "holds": False}})
    assert "THE PROMISE IS BROKEN (missing 1)" in shown
    assert f"UNEXPECTED {GOOD.kind}, {GOOD.shape}: 503, 8 times: 1" in shown
    assert "sent again: 503 1" in shown


TOLD = Told(
    kind="report",
    selector="S",
    username="u",
    calls=Pair("c", "ca"),
    other=Pair("o", None),
    install_id="i",
    user_agent="a",
)


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": "removal"},
        {"selector": "s"},
        {"username": None},
        {"calls": None},
        {"calls": Pair("c", "cb")},
        {"other": Pair("O", None)},
        {"install_id": None},
        {"user_agent": "b"},
    ],
)
def test_fingerprints_differ_with_any_field(changed: dict[str, object]) -> None:
    assert fingerprint(TOLD) != fingerprint(msgspec.structs.replace(TOLD, **changed))


def test_a_record_has_the_fingerprint_of_what_was_told() -> None:
    record = Report(schema_version=1, id="x", received_at=5, **msgspec.structs.asdict(TOLD))
    assert fingerprint(record) == fingerprint(TOLD)


def ledger(*accepted: int, twice: tuple[int, ...] = ()) -> Ledger:
    """Five requests were sent, number 4 a broken one."""
    found = Ledger(5)
    for number in range(5):
        found.sent(number, None if number == 4 else TOLD)
    for number in twice:
        found.sent(number, TOLD)
    for number in accepted:
        found.accept(number, TOLD)
    return found


@pytest.mark.parametrize(
    ("given", "counts", "holds", "differs"),
    [
        (ledger(0, 1, 2, 3), [0, 1, 2, 3], True, {}),
        (ledger(0, 1, 2, 3), [0, 1, 3], False, {"missing": 1}),
        (ledger(0, 1, 2, 3), [0, 1, 1, 2, 3], False, {"repeated": 1}),
        (ledger(0, 1, 2, 3), [0, 1, 2, 3, 4], False, {"uninvited": 1}),
        (ledger(0, 1, 2, 3, twice=(1,)), [0, 1, 1, 2, 3], True, {"extra": 1}),
        (ledger(0, 1, 2, 3, twice=(1,)), [0, 2, 3], False, {"missing": 1}),
        (ledger(0, 1, 2, twice=(3,)), [0, 1, 2, 3, 3], True, {"extra": 2}),
        (ledger(0, 1, 2, twice=(3,)), [0, 1, 2], True, {}),
    ],
)
def test_the_topic_is_held_against_what_was_accepted(
    given: Ledger, counts: list[int], holds: bool, differs: dict[str, int]
) -> None:
    finding = compare(given, Counter(counts), wrong=0)
    none = {"missing": 0, "repeated": 0, "wrong": 0, "uninvited": 0, "extra": 0}
    assert msgspec.structs.asdict(finding) == {"records": len(counts), **none, **differs}
    assert finding.holds is holds
    assert not compare(given, Counter(counts), wrong=1).holds


def test_the_record_file_has_a_line_for_each_accepted_request() -> None:
    file = io.BytesIO()
    found = Ledger(3, file)
    found.sent(2, TOLD)
    found.sent(2, TOLD)
    found.accept(2, TOLD)
    (line,) = file.getvalue().splitlines()
    assert json.loads(line) == {
        "number": 2,
        "attempts": 2,
        "kind": "report",
        "selector": "S",
        "username": "u",
        "calls": {"token": "c", "app_id": "ca"},
        "other": {"token": "o", "app_id": None},
        "install_id": "i",
        "user_agent": "a",
    }


@pytest.mark.parametrize(
    ("url", "expected", "authority"),
    [
        ("http://127.0.0.1:8080", Target("127.0.0.1", 8080), "127.0.0.1:8080"),
        ("http://localhost", Target("localhost", 80), "localhost:80"),
        ("https://push.example.net/", Target("push.example.net", 443, True), "push.example.net:443"),
        ("http://[::1]:8080", Target("::1", 8080), "[::1]:8080"),
    ],
)
def test_targets(url: str, expected: Target, authority: str) -> None:
    assert (target(url), target(url).authority) == (expected, authority)


@pytest.mark.parametrize("url", ["", "127.0.0.1:8080", "ftp://host", "http://", "http://host/path", "http://h:port"])
def test_what_is_no_target(url: str) -> None:
    with pytest.raises(ValueError, match=r"target|[Pp]ort"):
        target(url)

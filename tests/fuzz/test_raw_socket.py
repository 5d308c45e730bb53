"""Every case of docs/http-answers.md over a real socket, with a deadline, in front of a real Kafka."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.fuzz.answers import CASES, PAGE, page
from tests.fuzz.case import OTHER, Case, query
from tests.fuzz.conftest import Bench
from tests.fuzz.count import COUNTS
from tests.fuzz.wire import Answer, Wire

SECONDS = 20.0  # for one connection, from its first byte to its end
PROMPT = [case for case in CASES if not case.then]
WAITING = [case for case in CASES if case.then]
LAST = query(b"selector=last", b"Connection: close")


def test_the_page_is_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "docs/http-answers.md has drifted: run `make documents`"
    assert len({case.about for case in CASES}) == len(CASES)
    COUNTS.append(f"{len(CASES)} cases of docs/http-answers.md")


@pytest.mark.parametrize("case", PROMPT, ids=lambda case: case.name)
def test_case(bench: Bench, case: Case) -> None:
    bench.reports.new()  # what a failed case may have left
    head = case.sent.startswith(b"HEAD")
    with Wire(bench.port, SECONDS) as wire:
        wire.send(case.sent)
        answers = wire.answers(len(case.answers), head=head) if case.stays else wire.rest(head=head)
        check(case, answers)
        if case.stays:
            # The next request on the connection shows that both sides agree where the last one ended.
            wire.send(LAST)
            assert [answer.status for answer in wire.rest()] == [200]
    check_records(bench, case, 1 if case.stays else 0)
    if not case.stays and case.sent:
        with Wire(bench.port, SECONDS) as wire:
            wire.send(case.sent + query(f"selector={OTHER}".encode()))
            check(case, wire.rest(head=head))
        check_records(bench, case)
    check_served(bench)


def test_cases_that_wait(bench: Bench) -> None:
    """All at once, since each waits for a deadline of the server."""
    bench.reports.new()

    def run(case: Case) -> list[Answer]:
        with Wire(bench.port, SECONDS) as wire:
            wire.send(case.sent)
            if case.then == "half-close":
                wire.end()
            elif case.then == "drip":
                wire.drip()
            return wire.rest()

    with ThreadPoolExecutor(len(WAITING)) as pool:
        for case, answers in zip(WAITING, pool.map(run, WAITING), strict=True):
            check(case, answers)
    assert len(bench.reports.new()) == sum(case.accepted for case in WAITING)
    check_served(bench)


def check(case: Case, answers: list[Answer]) -> None:
    assert tuple(answer.status for answer in answers) == case.answers, answers
    for answer in answers:
        answer.check()


def check_records(bench: Bench, case: Case, more: int = 0) -> None:
    """As many records as there were 200s, with what was sent."""
    found: list[dict[str, Any]] = [json.loads(record.value) for record in bench.reports.new()]
    own = [record for record in found if record["selector"] != "last"]
    assert (len(own), len(found)) == (case.accepted, case.accepted + more), found
    assert OTHER not in [record["selector"] for record in own]
    for record in own:
        assert {name: record[name] for name in case.record} == dict(case.record)


def check_served(bench: Bench) -> None:
    """A fresh good request is still answered."""
    with Wire(bench.port, SECONDS) as wire:
        wire.send(LAST)
        assert [answer.status for answer in wire.rest()] == [200]
    assert len(bench.reports.new()) == 1

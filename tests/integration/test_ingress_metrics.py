"""Metrics over real sockets: exact after good and bad requests, of all workers together."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

from deploy.init import init_topics
from tests.conftest import SettingsFor
from tests.ingress import Ingress, ask, get, running_ingress, selector_of, status_of
from tests.poll import until
from tests.scrape import metrics_text, requests_counted, total

GOOD, BAD, LOST = 60, 25, 7


def report(number: int) -> bytes:
    return get(f"/token/?selector={selector_of(number)}&token_calls=dG9rZW4&token_msgs=%28null%29")


def accept(ingress: Ingress, numbers: range) -> None:
    def taken(number: int) -> bool:
        return status_of(ask(ingress.port, report(number))) == 200

    for number in numbers:
        # A worker that has just started may have no Kafka yet: an app tries again.
        until(partial(taken, number), "the report is accepted")


def test_two_workers_count_exactly(settings_for: SettingsFor, tmp_path: Path) -> None:
    settings = settings_for(ingest={"workers": 2})
    asyncio.run(init_topics(settings))
    with running_ingress(settings, tmp_path / "ingress.log") as ingress:
        until(lambda: len(ingress.workers()) == 2, "two workers")
        until(ingress.ready, "ready")
        accept(ingress, range(GOOD))
        for number in range(BAD):
            assert status_of(ask(ingress.port, get(f"/token/?username={number}"))) == 400
            assert status_of(ask(ingress.port, get(f"/nowhere/{number}"))) == 404
        port = ingress.port

        def exact() -> bool:
            return [
                requests_counted(port, template="token", kind="report", outcome="accepted"),
                requests_counted(port, template="token", outcome="bad_request", reason="missing"),
                requests_counted(port, template="", outcome="not_found"),
            ] == [GOOD, BAD, BAD]

        until(exact, "every request is counted once")
        text = metrics_text(port)
        absent = "pushtokens_ingest_absent_values_total"
        # A 503 at the start had been read as well.
        tried = GOOD + total(text, "pushtokens_ingest_requests_total", outcome="unavailable")
        assert total(text, absent, template="token", field="other_token", form="(null)") == tried
        assert total(text, "pushtokens_ingest_confirm_seconds_count") == GOOD
        assert total(text, "pushtokens_ingest_confirm_seconds_bucket", le="+Inf") == GOOD
        assert 0 < total(text, "pushtokens_ingest_confirm_seconds_sum") < GOOD * 1.5
        connections_are_counted(port)
        a_worker_that_ends_takes_nothing_along(ingress)
        assert ingress.stop() == 0


def connections_are_counted(port: int) -> None:
    """Those of both workers, while they are open."""

    def at_least(number: int) -> Callable[[], bool]:
        return lambda: total(metrics_text(port), "pushtokens_ingest_connections") >= number

    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 5))
        until(at_least(20), "open connections are counted")
    until(lambda: not at_least(5)(), "closed ones are not")


def a_worker_that_ends_takes_nothing_along(ingress: Ingress) -> None:
    """SIGTERM to one worker: what it had not handed over yet is handed over as it ends."""
    before = ingress.workers()
    accept(ingress, range(GOOD, GOOD + LOST))
    os.kill(before[0], signal.SIGTERM)
    until(lambda: len(ingress.workers()) == 2 and ingress.workers() != before, "another has taken its place")
    until(lambda: requests_counted(ingress.port, outcome="accepted") == GOOD + LOST, "nothing is lost")


def test_deadlines_are_counted_by_what_was_waited_for(settings_for: SettingsFor, tmp_path: Path) -> None:
    settings = settings_for(
        ingest={"header_timeout": 0.8, "body_timeout": 0.8, "idle_timeout": 0.8, "max_connections": 3}
    )
    asyncio.run(init_topics(settings))
    with running_ingress(settings, tmp_path / "ingress.log") as ingress:
        cases = {
            b"": "idle",
            b"GET /token/?selector=": "header",
            b"POST /token/ HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\nselector=": "body",
        }
        for sent in cases:
            ask(ingress.port, sent)
        text = metrics_text(ingress.port)
        for deadline in cases.values():
            assert total(text, "pushtokens_ingest_connection_timeouts_total", deadline=deadline) == 1, deadline
        assert total(text, "pushtokens_ingest_connections_refused_total") == 0
        with ExitStack() as stack:
            crowd = [stack.enter_context(socket.create_connection(("127.0.0.1", ingress.port), 5)) for _ in range(8)]
            with suppress(ConnectionResetError):
                crowd[0].recv(1)  # it has waited longest, and makes room
        name = "pushtokens_ingest_connections_refused_total"
        until(lambda: total(metrics_text(ingress.port), name) > 0, "connections beyond the limit are counted")
        assert ingress.stop() == 0

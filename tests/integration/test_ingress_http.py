"""The ingress as a process, over real sockets, in front of a real Kafka."""

import asyncio
import json
import os
import re
import signal
import socket
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from deploy.init import init_topics
from schemas.records import decode_report
from schemas.secret import Secret
from schemas.settings import Settings, Template
from tests.conftest import SettingsFor
from tests.examples import examples, templates_of, wire
from tests.ingress import (
    Ingress,
    Load,
    ask,
    check_promise,
    get,
    problem_of,
    read_all,
    records,
    running_ingress,
    start_process,
    status_of,
)
from tests.ingress import selector_of as selector
from tests.poll import elapse, until, until_async
from tests.scrape import requests_counted, total

SPEC_GET = (
    b"GET /token/?username=johndow&password=12345678&selector=12869E0E6E553673C54F29105A0647204C416A2A:7C3A0D14"
    b"&token_msgs=QVBBOTFiRzlhcVd2bW54bllCWldHOWh4dnRrZ3pUWFNvcGZpdWZ6bWM2dFAzS2J&appid_msgs=com.cloudsoftphone.app"
    b"&token_calls=Udl99X2JFP1bWwS5gR%2FwGeLE1hmAB2CMpr1Ej0wxkrY%3D&appid_calls=com.cloudsoftphone.app.pushkit"
    b" HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\nCache-Control: max-age=0\r\n"
    b"User-Agent: CloudSoftphone/1.5.6\r\n\r\n"
)
SPEC_BODY = (
    b'{\r\n  "token_msgs" : "QVBBOTFiRzlhcVd2bW54bllCWldHOWh4dnRrZ3pUWFNvcGZpdWZ6bWM2dFAzS2J",\r\n'
    b'  "appid_msgs" : "com.cloudsoftphone.app",\r\n'
    b'  "token_calls" : "Udl99X2JFP1bWwS5gR/wGeLE1hmAB2CMpr1Ej0wxkrY=",\r\n'
    b'  "appid_calls" : "com.cloudsoftphone.app.pushkit",\r\n'
    b'  "selector" : "12869E0E6E553673C54F29105A0647204C416A2A:7C3A0D14"\r\n}'
)


def spec_post(length: int, connection: bytes = b"Connection: close\r\n") -> bytes:
    return (
        b"POST /token/johndow/ HTTP/1.1\r\nHost: example.com\r\n" + connection + b"Cache-Control: max-age=0\r\n"
        b"User-Agent: CloudSoftphone/1.5.6\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n" % length
    ) + SPEC_BODY


@pytest.fixture
def start(settings_for: SettingsFor, tmp_path: Path) -> Iterator[Callable[..., tuple[Settings, Ingress]]]:
    """Starts an ingress over its own topics: `settings, ingress = start(ingest={...}, templates=(...))`."""
    with ExitStack() as stack:

        def begin(templates: tuple[Template, ...] = (), **given: Any) -> tuple[Settings, Ingress]:
            settings = msgspec.structs.replace(settings_for(**given), templates=templates)
            asyncio.run(init_topics(settings))
            return settings, stack.enter_context(running_ingress(settings, tmp_path / "ingress.log"))

        yield begin


Start = Callable[..., tuple[Settings, Ingress]]


def in_topic(settings: Settings, topic: str = "reports") -> list[Any]:
    return asyncio.run(records(settings, topic))


def test_the_specification_byte_for_byte(start: Start) -> None:
    settings, ingress = start()
    answer = ask(ingress.port, SPEC_GET)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n") and body == b""
    names = {line.split(b":")[0].lower() for line in head.split(b"\r\n")[1:]}
    assert names == {b"date", b"content-length", b"connection"}
    assert b"content-length: 0" in head.lower()
    printed = ask(ingress.port, spec_post(183))
    assert status_of(printed) == 400
    assert problem_of(printed)["field"] == "body"
    assert status_of(ask(ingress.port, spec_post(183, b""))) == 400  # and it closes, or `ask` would not return
    assert status_of(ask(ingress.port, spec_post(len(SPEC_BODY)))) == 200
    reports = [decode_report(found.value) for found in in_topic(settings)]
    assert len(reports) == 2
    for report in reports:
        assert report.username == "johndow" and report.calls is not None and report.other is not None
        assert report.calls.token == "Udl99X2JFP1bWwS5gR/wGeLE1hmAB2CMpr1Ej0wxkrY="
    assert reports[0].id != reports[1].id


def groups(kind: str) -> dict[str, list[dict[str, Any]]]:
    """Examples by the templates they need: one ingress serves each group."""
    found: dict[str, list[dict[str, Any]]] = {}
    for example in examples(kind, "requests").values():
        found.setdefault(json.dumps(example.get("templates", [])), []).append(example)
    return found


@pytest.mark.parametrize("group", sorted({*groups("good"), *groups("bad")}), ids=lambda text: text[11:40] or "builtin")
def test_examples(start: Start, group: str) -> None:
    good, bad = groups("good").get(group, []), groups("bad").get(group, [])
    settings, ingress = start(templates=templates_of((good or bad)[0]))
    for example in good:
        answer = ask(ingress.port, wire(example))
        assert (status_of(answer), answer.endswith(b"\r\n\r\n")) == (200, True), (example["about"], answer)
    for example in bad:
        answer = ask(ingress.port, wire(example))
        assert status_of(answer) == example["status"], (example["about"], answer)
    found = [json.loads(found.value) for found in in_topic(settings)]
    expected = [example["record"] for example in good]
    kept = [{key: record.get(key) for key in expected[0]} for record in found] if expected else found
    assert sorted(map(repr, kept)) == sorted(map(repr, expected))
    noted = [example["reason"] for example in bad if example.get("recorded", True)]

    def all_noted() -> bool:
        return sorted(json.loads(found.value)["reason"] for found in in_topic(settings, "rejected")) == sorted(noted)

    until(all_noted, "the refusals are on the rejected topic")


def test_keep_alive_and_pipelining(start: Start) -> None:
    settings, ingress = start()
    requests = b"".join(
        get(f"/token/?selector={selector(number)}", close=number == 9)
        if number % 3
        else get("/token/?x=1", close=False)
        for number in range(1, 10)
    )
    # The last of them is refused (no selector), and in between others are; all are answered, in order.
    requests += get(f"/token/?selector={selector(99)}")
    answers = ask(ingress.port, requests)
    found = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+)", answers)]
    assert found == [200, 200, 400, 200, 200, 400, 200, 200, 400, 200]
    assert len(in_topic(settings)) == 7


def test_half_closed_clients_get_their_answer(start: Start) -> None:
    _, ingress = start()
    with socket.create_connection(("127.0.0.1", ingress.port), 10) as connection:
        connection.sendall(get(f"/token/?selector={selector(1)}", close=False))
        connection.shutdown(socket.SHUT_WR)
        assert status_of(read_all(connection)) == 200


def test_digest_as_the_app_does_it(start: Start) -> None:
    template = Template(
        name="digest",
        url="https://h/t?s=%selector%&t=%pushToken%",
        auth="digest",
        auth_username="push",
        auth_password=Secret("pass word"),
    )
    settings, ingress = start(templates=(template,))
    url = f"http://127.0.0.1:{ingress.port}/t?s={urllib.parse.quote(selector(1))}&t=ab%2Fcd%3D"
    with httpx.Client(auth=httpx.DigestAuth("push", "pass word")) as client:
        assert client.get(url).status_code == 200
        assert client.get(url + "&x=1").status_code == 200  # the same nonce again
    with httpx.Client(auth=httpx.DigestAuth("push", "other")) as client:
        assert client.get(url).status_code == 401
    plain = httpx.get(url)
    assert plain.status_code == 401
    challenges = plain.headers.get_list("www-authenticate")
    assert ["SHA-256" in challenge for challenge in challenges] == [True, False]
    assert len(in_topic(settings)) == 2


def test_own_pages(start: Start) -> None:
    _, ingress = start()
    base = f"http://127.0.0.1:{ingress.port}"
    ask(ingress.port, SPEC_GET)
    assert httpx.get(f"{base}/healthz").status_code == 200
    assert httpx.get(f"{base}/readyz").json() == {"status": "ok"}
    page = httpx.get(f"{base}/metrics")
    assert total(page.text, "pushtokens_ingest_requests_total", outcome="accepted", kind="report") == 1
    assert "Udl99X2JFP1b" not in page.text and "johndow" not in page.text
    for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP"):
        assert httpx.get(f"{base}/metrics", headers={name: "192.0.2.1"}).status_code == 403


def test_clients_that_take_their_time(start: Start) -> None:
    """Half a header, half a body, nothing at all, a byte now and then: each is cut off at its deadline."""
    limits = {"header_timeout": 0.8, "body_timeout": 0.8, "idle_timeout": 0.8}
    settings, ingress = start(ingest=limits)
    half_body = b"POST /token/ HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\nselector="
    cases = {
        b"": b"",
        b"GET /token/?sel": b"HTTP/1.1 408 ",
        b"GET /token/ HTTP/1.1\r\nHost: t\r\nX-A: ": b"HTTP/1.1 408 ",
        half_body: b"HTTP/1.1 408 ",
        get(f"/token/?selector={selector(1)}", close=False): b"HTTP/1.1 200 ",
        # An answer that does not wait for the body, which then never comes.
        b"POST /nowhere HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\nx": b"HTTP/1.1 404 ",
    }
    for sent, start_of_answer in cases.items():
        answer = ask(ingress.port, sent, 6.0)
        assert answer.startswith(start_of_answer) and (start_of_answer or not answer), (sent, answer)
        assert answer.count(b"HTTP/1.1") <= 1
    with socket.create_connection(("127.0.0.1", ingress.port), 6.0) as slow:
        slow.settimeout(0.1)
        answer = b""

        def cut_off() -> bool:
            nonlocal answer
            try:
                slow.sendall(b"G" if not answer else b"")
                answer += slow.recv(1000) or b"."
            except TimeoutError:
                return False
            except OSError:
                return True
            return answer.endswith(b".")

        until(cut_off, "a client that sends a byte now and then is cut off", 5.0)
    assert len(in_topic(settings)) == 1


def test_clients_that_send_too_much(start: Start) -> None:
    _, ingress = start(ingest={"max_url": 2000, "max_header": 4000, "max_body": 3000})
    body = b"a" * 3001
    cases = {
        b"GET /token/?" + b"a" * 2000 + b" HTTP/1.1\r\nHost: t\r\n\r\n": 414,
        b"GET /token/ HTTP/1.1\r\nHost: t\r\nX-Long: " + b"a" * 1_000_000 + b"\r\n\r\n": 431,
        b"GET /token/ HTTP/1.1\r\nHost: t\r\n" + b"X-A: b\r\n" * 200 + b"\r\n": 431,
        b"POST /token/ HTTP/1.1\r\nHost: t\r\nContent-Length: 3001\r\n\r\n" + body: 413,
        b"POST /token/ HTTP/1.1\r\nHost: t\r\nContent-Length: 999999999\r\n\r\n" + body: 413,
        b"POST /token/ HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999999999999999999999\r\n\r\n" + body: 400,
        b"POST /token/ HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nbb9\r\n" + body + b"\r\n0\r\n\r\n": 413,
        b"POST /token/ HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": 400,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03": 400,
        b"GET /token/ HTTP/9.9\r\n\r\n": 400,
    }
    for sent, status in cases.items():
        answer = ask(ingress.port, sent)
        assert status_of(answer) == status, (sent[:80], answer[:200])
        assert problem_of(answer)["status"] == status
        assert b"connection: close" in answer.lower()
    assert status_of(ask(ingress.port, SPEC_GET)) == 200


def test_an_upgrade_is_ignored(start: Start) -> None:
    settings, ingress = start()
    upgrade = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
    request = get(f"/token/?selector={selector(1)}", close=False, headers=upgrade)
    assert status_of(ask(ingress.port, request)) == 200
    assert len(in_topic(settings)) == 1


def test_sigterm_under_load_drains(start: Start) -> None:
    settings, ingress = start()

    async def go() -> Load:
        load = Load(ingress.port)
        running = asyncio.create_task(load.run())

        async def enough() -> bool:
            return load.count(200) >= 500

        await until_async(enough, "500 reports")
        code = await asyncio.to_thread(ingress.stop)
        load.stop.set()
        await running
        assert code == 0
        await check_promise(settings, load.answers)
        return load

    load = asyncio.run(go())
    assert load.count(503) == 0


def test_several_workers(start: Start) -> None:
    """Two processes behind one port: metrics are summed, a dead worker is replaced, SIGTERM drains both."""
    settings, ingress = start(ingest={"workers": 2})

    def children() -> set[int]:
        path = Path(f"/proc/{ingress.process.pid}/task/{ingress.process.pid}/children")
        return {int(pid) for pid in path.read_text().split() if b"spawn_main" in _command(int(pid))}

    def accepted() -> float:
        return requests_counted(ingress.port, outcome="accepted", kind="report")

    # The other worker hands its counts over now and then, and at its end; what a kill -9 finds must be there before.
    def taken(number: int) -> bool:
        return status_of(ask(ingress.port, get(f"/token/?selector={selector(number)}"))) == 200

    def report(numbers: range) -> None:
        for number in numbers:
            # A worker that has just started may have no Kafka yet: it says 503, and an app tries again.
            until(partial(taken, number), "the report is accepted")

    until(lambda: len(children()) == 2, "two workers")
    report(range(40))
    until(lambda: accepted() == 40, "every report is counted")
    before = children()
    os.kill(min(before), signal.SIGKILL)
    until(lambda: len(children()) == 2 and children() != before, "the dead worker is replaced")
    until(ingress.ready, "ready again")
    report(range(40, 60))
    until(lambda: accepted() == 60, "every report is counted, those of the dead worker too")
    assert ingress.stop() == 0, ingress.log.read_text(encoding="utf-8")[-3000:]
    assert len(in_topic(settings)) == 60


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_at_any_moment_of_the_start_ends_it(settings_for: SettingsFor, tmp_path: Path, workers: int) -> None:
    settings = settings_for(ingest={"workers": workers})
    for pause in (0.1, 0.3, 0.6, 0.9):
        process = start_process(settings, tmp_path / "ingress.log")
        elapse(pause, "the moment of the signal decides who hears it")
        process.terminate()
        process.join(20)
        # Before the role has begun, Python itself ends by the signal.
        assert process.exitcode in (0, -signal.SIGTERM), (pause, (tmp_path / "ingress.log").read_text())


def test_a_port_in_use_is_said(start: Start, settings_for: SettingsFor, tmp_path: Path) -> None:
    _, ingress = start()
    second = settings_for(ingest={"port": ingress.port})
    log = tmp_path / "second.log"
    process = start_process(second, log)
    process.join(20)
    assert process.exitcode == 1
    assert "PUSHTOKENS_INGEST_PORT" in log.read_text()

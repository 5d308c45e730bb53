"""What answers carry besides their content: nothing that names or dates the software, nothing for browsers' scripts."""

import asyncio
import re
import socket
from pathlib import Path

from deploy.init import init_topics
from tests.conftest import SettingsFor
from tests.ingress import ask, get, read_all, running_ingress, selector_of, status_of

# What is under us; a name or a version of it is a hint where to look for known holes.
NAMES = re.compile(
    rb"uvicorn|starlette|httptools|uvloop|asyncio|python|aiokafka|msgspec|openssl|traceback|\.py\b", re.I
)
PROBLEM = {b"date", b"content-type", b"content-length", b"cache-control", b"x-content-type-options"}
OPTIONAL = {b"connection", b"x-request-id"}
ORIGIN = "Origin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n"


def post(body: bytes, content_type: str, target: str = "/token/") -> bytes:
    head = f"POST {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: {content_type}\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body


def fields_of(answer: bytes) -> dict[bytes, bytes]:
    lines = answer.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}


def test_no_answer_tells_more_than_it_must(settings_for: SettingsFor, tmp_path: Path) -> None:
    settings = settings_for(ingest={"selector_rate": 2, "rate_cells": 4096, "header_timeout": 1.0, "max_body": 1000})
    asyncio.run(init_topics(settings))
    report = f"/token/?selector={selector_of(1)}"
    with running_ingress(settings, tmp_path / "ingress.log") as ingress:
        cases: list[tuple[bytes, int, set[bytes]]] = [
            # the request, its status, header fields beyond those of every refusal
            (get("/token/?selector="), 400, set()),
            (post(b"{", "application/json"), 400, set()),
            (get("/nowhere", headers=ORIGIN), 404, set()),
            (get(report, headers=ORIGIN).replace(b"GET", b"OPTIONS", 1), 405, {b"allow"}),
            (get(report).replace(b"GET", b"TRACE", 1), 405, {b"allow"}),
            (post(b"a" * 1001, "text/plain"), 413, set()),
            (get("/token/?" + "a" * 17000), 414, set()),
            (post(b"<a/>", "text/xml"), 415, set()),
            (get("/token/", headers="X-A: " + "a" * 40_000 + "\r\n"), 431, set()),
            (b"\x00\x01\r\n\r\n", 400, set()),
            (b"GET /token/?a HTTP/1.1\r\nHost", 408, set()),
            (get("/metrics", headers="Forwarded: for=192.0.2.1\r\n"), 403, set()),
        ]
        for sent, status, more in cases:
            answer = ask(ingress.port, sent)
            assert status_of(answer) == status, (sent[:60], answer)
            assert {*fields_of(answer)} - OPTIONAL == PROBLEM | more, (sent[:60], answer)
            assert fields_of(answer)[b"cache-control"] == b"no-store"
            assert not NAMES.search(answer), answer
        # The specification's 200 has nothing but its length, whoever asks.
        accepted = [ask(ingress.port, get(report, headers=ORIGIN)) for _ in range(3)]
        assert [status_of(answer) for answer in accepted] == [200, 200, 429]
        assert {*fields_of(accepted[0])} == {b"date", b"content-length", b"connection"}
        assert {*fields_of(accepted[2])} - OPTIONAL == PROBLEM | {b"retry-after"}
        assert 30 <= int(fields_of(accepted[2])[b"retry-after"]) <= 60
        for method in (b"POST", b"OPTIONS", b"DELETE"):
            own = ask(ingress.port, get("/healthz", headers=ORIGIN).replace(b"GET", method, 1))
            assert status_of(own) == 405 and not NAMES.search(own)
            assert not [name for name in fields_of(own) if name.startswith(b"access-control") or name == b"server"]


def test_a_rate_concerns_neither_other_selectors_nor_the_connection(settings_for: SettingsFor, tmp_path: Path) -> None:
    settings = settings_for(ingest={"selector_rate": 2, "rate_cells": 4096})
    asyncio.run(init_topics(settings))
    with (
        running_ingress(settings, tmp_path / "ingress.log") as ingress,
        socket.create_connection(("127.0.0.1", ingress.port), 10) as connection,
    ):
        busy, other = (f"/token/?selector={selector_of(number)}" for number in (1, 2))
        with_body = post(b"token_calls=dG9rZW4", "application/x-www-form-urlencoded", busy)
        again = with_body.replace(b"Connection: close\r\n", b"")
        connection.sendall(get(busy, close=False) * 3 + again + get(other))
        statuses = re.findall(rb"HTTP/1\.1 (\d+)", read_all(connection))
    assert statuses == [b"200", b"200", b"429", b"429", b"200"]

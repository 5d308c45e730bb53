"""No push token and no password leaves the ingress but by the record it belongs to: every way to fail is tried."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from deploy.init import init_topics
from deploy.local.ports import free_port
from schemas.secret import Secret
from schemas.settings import Settings, Template
from tests.conftest import SettingsFor
from tests.ingress import Ingress, ask, get, problem_of, records, running_ingress, status_of
from tests.poll import until_async
from tests.scrape import metrics_text, total

TOKEN = "TOKENtokenTOKENtokenTOKENtoken0123456789"
PASSWORD = "PassWordNeverSeen42"
SECRET = "SharedSecretNeverSeen43"
USERNAME = "UserNeverSeen44"
SELECTOR = "12869E0E6E553673C54F29105A0647204C416A2A:7C3A0D14"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

TEMPLATES = (
    Template(
        name="parameter",
        url="https://h/p?u=%account[username]%&s=%selector%&t=%pushTokenIncomingCall%&o=%pushTokenOther%",
        auth="parameter",
        auth_parameter="key",
        auth_password=Secret(SECRET),
    ),
    Template(
        name="digest",
        url="https://h/d?s=%selector%&t=%pushTokenIncomingCall%",
        auth="digest",
        auth_username="push",
        auth_password=Secret(PASSWORD),
    ),
    Template(
        name="json",
        url="https://h/j/%account[username]%",
        post_data='{"s": "%selector%", "t": "%pushTokenIncomingCall%", "v": 1}',
    ),
)


def post(target: str, body: str, content_type: str) -> bytes:
    data = body.encode()
    head = f"POST {target} HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Type: {content_type}\r\n"
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


def failures() -> list[tuple[bytes, int]]:
    """Requests with a token, a password or a secret in them, and the status each gets."""
    with_all = f"password={PASSWORD}&key={SECRET}&t={TOKEN}"
    js = "application/json"
    return [
        (get(f"/p?{with_all}"), 400),  # no selector
        (get(f"/p?{with_all}&s=a&s=b"), 400),
        (get(f"/p?{with_all}&s={SELECTOR}&o={TOKEN}%0A{TOKEN}"), 400),
        (get(f"/p?{with_all}&s={SELECTOR}&o={TOKEN * 200}"), 400),
        (get(f"/p?{with_all}&s={SELECTOR}&o=%FF{TOKEN}"), 400),
        (get(f"/p?{with_all}&s={SELECTOR}&t={TOKEN}x"), 400),
        (get(f"/p?s={SELECTOR}&t={TOKEN}&key={PASSWORD}"), 403),
        (get(f"/d?s={SELECTOR}&t={TOKEN}"), 401),
        (get(f"/d?s={SELECTOR}&t={TOKEN}", headers=f"Authorization: Digest username={PASSWORD}\r\n"), 401),
        (get(f"/d?s={SELECTOR}&t={TOKEN}", headers=f"Authorization: Bearer {PASSWORD}\r\n"), 401),
        (get(f"/nowhere/{TOKEN}?password={PASSWORD}"), 404),
        (post("/d", f"t={TOKEN}", "text/plain"), 401),
        (get(f"/d?t={TOKEN}").replace(b"GET", b"DELETE", 1), 405),
        (post("/j/u", f'{{"s": "{SELECTOR}", "t": "{TOKEN}", "password": "{PASSWORD}"', js), 400),
        (post("/j/u", f'{{"s": "{SELECTOR}", "t": ["{TOKEN}"], "v": 1}}', js), 400),
        (post("/j/u", f'{{"s": "{SELECTOR}", "t": "{TOKEN}", "v": "{PASSWORD}"}}', js), 400),
        (post("/j/u", f"<t>{TOKEN}</t><password>{PASSWORD}</password>", "text/xml"), 415),
        (post("/j/u", f"{TOKEN}", f"text/{PASSWORD}; secret={SECRET}"), 415),
        (b"GET /p?%s HTTP/1.1\r\nHost: t\r\n\r\n" % (TOKEN.encode() * 1000), 414),
        (b"GET /p HTTP/1.1\r\nHost: t\r\nAuthorization: %s\r\n\r\n" % (PASSWORD.encode() * 9000), 431),
        (b"POST /j/u HTTP/1.1\r\nHost: t\r\nContent-Length: 9999999\r\n\r\n" + TOKEN.encode(), 413),
        (f"BREW /p?t={TOKEN} HTCPCP/1.0\r\n{PASSWORD}\r\n\r\n".encode(), 400),
        (f"GET /p?t={TOKEN} HTTP/1.1\r\n{PASSWORD} {SECRET}\r\n\r\n".encode(), 400),
        (f"GET /p?t={TOKEN}&u={USERNAME} HTTP/1.1\r\nX-A: {PASSWORD}".encode(), 408),
        (post(f"/j/{USERNAME}", f"{TOKEN}{PASSWORD}", js)[:-5], 408),
        (get(f"/nowhere/{USERNAME}", headers=f"X-Request-ID: {TOKEN}\r\nTraceparent: {PASSWORD}\r\n"), 404),
        *[(post(f"/j/{USERNAME}", f'{{"s": "often", "t": "{TOKEN}", "v": 1}}', js), code) for code in (200, 200, 429)],
    ]


def leaks(text: str) -> list[str]:
    """Which of the secrets, or a good part of one, stands in `text`."""
    parts = [TOKEN[:12], TOKEN[-12:], PASSWORD[:10], SECRET[:10], USERNAME]
    return [part for part in parts if part.lower() in text.lower()]


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
async def test_nothing_leaks(settings_for: SettingsFor, tmp_path: Path, level: str) -> None:
    settings = settings_for(
        log={"level": level, "format": "json"},
        ingest={
            "header_timeout": 1.5,
            "body_timeout": 1.5,
            "selector_rate": 2,
            "request_id_header": "x-request-id",
            "refusals_logged_per_second": 1000,
            "access_log_every": 1,
        },
    )
    settings = msgspec.structs.replace(settings, templates=TEMPLATES)
    await init_topics(settings)
    told: dict[str, int] = {}
    with running_ingress(settings, tmp_path / "ingress.log") as ingress:
        for request, status in failures():
            answer = ask(ingress.port, request)
            assert status_of(answer) == status, (request[:200], answer[:300])
            assert leaks(answer.decode("latin-1")) == [], request[:200]
            if status != 200:
                told[request_id_of(answer)] = status
        assert_accepted(ingress)
        expected = sum(1 for _, status in failures() if status in (400, 415)) - 2  # two of them never were HTTP

        async def noted() -> bool:
            return len(await records(settings, "rejected")) == expected

        await until_async(noted, "every refusal is noted", 15.0)
        assert leaks(ask(ingress.port, get("/metrics")).decode()) == []
        assert ingress.stop() == 0
    text = ingress.log.read_text()
    assert leaks(text) == []
    check_log(text, told)
    for record in await records(settings, "rejected"):
        assert leaks(shown(record).replace(USERNAME, "")) == []
    await check_reports(settings)


def request_id_of(answer: bytes) -> str:
    """The id of a refusal: one and the same in header and body."""
    found = re.search(rb"\r\nx-request-id: ([0-9a-f-]{36})\r\n", answer)
    assert found is not None, answer
    assert problem_of(answer)["instance"] == f"urn:uuid:{found[1].decode()}"
    return found[1].decode()


def check_log(text: str, told: dict[str, int]) -> None:
    """Every line is JSON; every refusal is there by its id, accepted requests too."""
    lines = [json.loads(line) for line in text.splitlines()]
    asked = [line for line in lines if line["logger"] == "ingest.requests"]
    assert {line["request_id"]: line["status"] for line in asked if line["status"] != 200} == told
    accepted = [line for line in asked if line["status"] == 200]
    assert [(line["template"], line["method"]) for line in accepted] == [("json", "POST")] * 2 + [("parameter", "GET")]
    assert all(line["ms"] > 0 for line in accepted)


async def test_nothing_leaks_while_kafka_is_away(settings_for: SettingsFor, tmp_path: Path) -> None:
    """503 for reports, and refusals whose record has nowhere to go: neither says more than before."""
    settings = settings_for(
        kafka={"bootstrap": f"127.0.0.1:{free_port()}"}, log={"level": "DEBUG"}, ingest={"drain_timeout": 1.0}
    )
    settings = msgspec.structs.replace(settings, templates=TEMPLATES)
    with running_ingress(settings, tmp_path / "ingress.log", ready=False) as ingress:
        accepted = f"/p?password={PASSWORD}&key={SECRET}&t={TOKEN}&s={SELECTOR}&u={USERNAME}"
        refused = f"/p?password={PASSWORD}&key={SECRET}&t={TOKEN}&u={USERNAME}"
        for target, status in ((accepted, 503), (refused, 400)):
            for _ in range(3):
                answer = ask(ingress.port, get(target))
                assert status_of(answer) == status
                assert leaks(answer.decode("latin-1")) == [] and request_id_of(answer)
        text = metrics_text(ingress.port)
        assert leaks(text) == []
        name = "pushtokens_ingest_requests_total"
        assert total(text, name, template="parameter", outcome="unavailable", reason="kafka_away") == 3
        assert total(text, name, template="parameter", outcome="bad_request", reason="missing") == 3
        assert ingress.stop() == 0
    assert leaks(ingress.log.read_text()) == []
    assert '"reason": "kafka_away"' in ingress.log.read_text()


def assert_accepted(ingress: Ingress) -> None:
    target = f"/p?password={PASSWORD}&key={SECRET}&t={TOKEN}&s={SELECTOR}&u=johndow"
    headers = f"Traceparent: {TRACE}\r\nTracestate: a=1\r\nTracestate: b=2\r\n"
    assert status_of(ask(ingress.port, get(target, headers=headers))) == 200


async def check_reports(settings: Settings) -> None:
    """The accepted report has its token, and nothing else of what was sent."""
    (report,) = [found for found in await records(settings, "reports") if found.key == SELECTOR.encode()]
    headers = dict(report.headers)
    assert (headers["traceparent"], headers["tracestate"]) == (TRACE.encode(), b"a=1,b=2")
    assert json.loads(report.value)["calls"] == {"token": TOKEN, "app_id": None}
    assert leaks(shown(report).replace(TOKEN, "")) == []


def shown(record: Any) -> str:
    """Key, headers and value of a record as text."""
    headers = b" ".join(value for _, value in record.headers)
    text = b" ".join([record.key or b"", headers, record.value]).decode()
    assert re.search(r"ce_|push-token", text)
    return text

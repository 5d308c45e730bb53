"""No push token and no password leaves the ingress but by the record it belongs to: every way to fail is tried."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from deploy.init import init_topics
from schemas.secret import Secret
from schemas.settings import Settings, Template
from tests.conftest import SettingsFor
from tests.ingress import Ingress, ask, get, records, running_ingress, status_of
from tests.poll import until_async

TOKEN = "TOKENtokenTOKENtokenTOKENtoken0123456789"
PASSWORD = "PassWordNeverSeen42"
SECRET = "SharedSecretNeverSeen43"
SELECTOR = "12869E0E6E553673C54F29105A0647204C416A2A:7C3A0D14"

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
    ]


def leaks(text: str) -> list[str]:
    """Which of the secrets, or a good part of one, stands in `text`."""
    parts = [TOKEN[:12], TOKEN[-12:], PASSWORD[:10], SECRET[:10]]
    return [part for part in parts if part.lower() in text.lower()]


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
async def test_nothing_leaks(settings_for: SettingsFor, tmp_path: Path, level: str) -> None:
    settings = msgspec.structs.replace(settings_for(log={"level": level}), templates=TEMPLATES)
    await init_topics(settings)
    with running_ingress(settings, tmp_path / "ingress.log") as ingress:
        for request, status in failures():
            answer = ask(ingress.port, request)
            assert status_of(answer) == status, (request[:200], answer[:300])
            assert leaks(answer.decode("latin-1")) == [], request[:200]
        assert_accepted(ingress)
        expected = sum(1 for _, status in failures() if status in (400, 415)) - 2  # two of them never were HTTP

        async def noted() -> bool:
            return len(await records(settings, "rejected")) == expected

        await until_async(noted, "every refusal is noted", 15.0)
        assert leaks(ask(ingress.port, get("/metrics")).decode()) == []
        assert ingress.stop() == 0
    assert leaks(ingress.log.read_text()) == []
    for record in await records(settings, "rejected"):
        assert leaks(shown(record)) == []
    await check_reports(settings)


def assert_accepted(ingress: Ingress) -> None:
    target = f"/p?password={PASSWORD}&key={SECRET}&t={TOKEN}&s={SELECTOR}&u=johndow"
    assert status_of(ask(ingress.port, get(target))) == 200


async def check_reports(settings: Settings) -> None:
    """The accepted report has its token, and nothing else of what was sent."""
    (report,) = await records(settings, "reports")
    assert json.loads(report.value)["calls"] == {"token": TOKEN, "app_id": None}
    assert leaks(shown(report).replace(TOKEN, "")) == []


def shown(record: Any) -> str:
    """Key, headers and value of a record as text."""
    headers = b" ".join(value for _, value in record.headers)
    text = b" ".join([record.key or b"", headers, record.value]).decode()
    assert re.search(r"ce_|push-token", text)
    return text

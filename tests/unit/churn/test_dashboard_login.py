"""Who may see the page."""

import base64
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from deploy.dashboard.headers import CONTENT_SECURITY_POLICY, SafeHeaders
from deploy.dashboard.login import OPEN_PATHS, Login, is_loopback
from deploy.dashboard.role import run
from schemas.secret import Secret
from schemas.settings import Dashboard, Settings


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.5", False),
        ("dashboard.example", False),
        ("", False),
    ],
)
def test_what_stays_on_this_machine(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "dashboard.example"])
def test_beyond_this_machine_the_role_refuses_to_start_without_a_password(
    host: str, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(Settings(data_dir=str(tmp_path), dashboard=Dashboard(host=host))) == 2
    assert "PUSHTOKENS_DASHBOARD_PASSWORD" in capfd.readouterr().err


async def ask(
    settings: Dashboard, path: str = "/", host: str = "127.0.0.1:8088", authorization: str | None = None
) -> httpx.Response:
    routes = [Route(path, lambda _: PlainTextResponse("in"))]
    app = Starlette(routes=routes, middleware=[Middleware(SafeHeaders), Middleware(Login, settings=settings)])
    headers = {"host": host} | ({} if authorization is None else {"authorization": authorization})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        return await client.get(path, headers=headers)


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


LOCKED = Dashboard(user="admin", password=Secret("pass:wörd"))


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (basic("admin", "pass:wörd"), 200),
        (basic("admin", "pass:wörd").replace("Basic", "basic"), 200),
        (None, 401),
        ("", 401),
        ("Basic", 401),
        ("Basic !!!", 401),
        ("Basic YWRtaW4", 401),
        ("Bearer " + basic("admin", "pass:wörd")[6:], 401),
        (basic("admin", ""), 401),
        (basic("admin", "pass"), 401),
        (basic("", "pass:wörd"), 401),
        (basic("Admin", "pass:wörd"), 401),
    ],
)
async def test_a_login(authorization: str | None, status: int) -> None:
    answer = await ask(LOCKED, authorization=authorization, host="churn.example")
    assert answer.status_code == status
    assert ("www-authenticate" in answer.headers) is (status == 401)
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY


@pytest.mark.parametrize("path", sorted(OPEN_PATHS))
async def test_probes_need_no_login(path: str) -> None:
    assert (await ask(LOCKED, path)).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8088", 200),
        ("localhost:8088", 200),
        ("LOCALHOST", 200),
        ("[::1]:8088", 200),
        ("[::1]", 200),
        ("evil.example:8088", 403),
        ("127.0.0.1.evil.example", 403),
        ("", 403),
    ],
)
async def test_without_a_password_only_this_machines_names_are_answered(host: str, status: int) -> None:
    assert (await ask(Dashboard(), host=host)).status_code == status


def test_the_policy_lets_nothing_in_from_outside_or_inline() -> None:
    directives = dict(part.split(" ", 1) for part in CONTENT_SECURITY_POLICY.split("; "))
    assert directives["default-src"] == "'none'"
    assert "unsafe" not in CONTENT_SECURITY_POLICY and "http" not in CONTENT_SECURITY_POLICY
    assert directives["script-src"] == directives["style-src"] == directives["connect-src"] == "'self'"

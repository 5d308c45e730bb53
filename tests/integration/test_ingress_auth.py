"""Who may report, over real sockets: Digest with clients that nobody here wrote, the external check with a service, and
every way to fail without a secret in the log."""

import asyncio
import io
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import md5, sha256
from pathlib import Path

import httpx
import msgspec
import pycurl
import pytest
from aiohttp import web

from deploy.init import init_topics
from ingest.auth.external import CheckError
from ingest.auth.http_check import HttpCheck
from ingest.auth.signature import sign
from schemas.records import decode_report
from schemas.secret import Secret
from schemas.settings import Settings, Template
from schemas.settings_ingest import SigningKey
from tests.conftest import SettingsFor
from tests.ingress import ask, get, records, running_ingress, selector_of, status_of

WORD = "PassWordNeverSeen42"
SHARED = "SharedSecretNeverSeen43"
KEY = "SigningKeyNeverSeen44"
TOKEN = "TOKENtokenTOKENtokenTOKENtoken0123456789"
URL_SECRET = "UrlSecretNeverSeen45"
LOGIN = "Basic " + b64encode(f"ingress:{URL_SECRET}".encode()).decode()
NAME = "johndow"


def users_file(folder: Path, algorithms: tuple[str, ...] = ("MD5", "SHA-256")) -> str:
    """A file of users as htdigest writes it, and with SHA-256 lines."""
    path = folder / f"users{len(algorithms)}"
    text = f"{NAME}:push-token:{WORD}".encode()
    found = {"MD5": md5(text).hexdigest(), "SHA-256": sha256(text).hexdigest()}
    path.write_text("".join(f"{NAME}:push-token:{found[algorithm]}\n" for algorithm in algorithms))
    return str(path)


def digest_templates(folder: Path) -> tuple[Template, ...]:
    """One for each algorithm, one for both, and one whose apps share their credentials."""
    users = users_file(folder)
    query = "s=%selector%&t=%pushToken%"
    return (
        Template(
            name="md5", url=f"https://h/md5?{query}", auth="digest", auth_users_file=users, auth_algorithms=("MD5",)
        ),
        Template(
            name="sha", url=f"https://h/sha?{query}", auth="digest", auth_users_file=users, auth_algorithms=("SHA-256",)
        ),
        Template(name="both", url=f"https://h/both?{query}", auth="digest", auth_users_file=users_file(folder)),
        Template(
            name="one", url=f"https://h/one?{query}", auth="digest", auth_username="push", auth_password=Secret(WORD)
        ),
    )


def curl(handle: pycurl.Curl, url: str, body: str = "") -> tuple[int, int]:
    """One transfer with libcurl: status, and how many requests it took."""
    heads: list[bytes] = []
    handle.setopt(pycurl.URL, url)
    handle.setopt(pycurl.HEADERFUNCTION, heads.append)
    handle.setopt(pycurl.WRITEDATA, io.BytesIO())
    handle.setopt(pycurl.TIMEOUT, 15)
    if body:
        handle.setopt(pycurl.POSTFIELDS, body)
        handle.setopt(pycurl.HTTPHEADER, ["Content-Type: application/json"])
    handle.perform()
    return handle.getinfo(pycurl.RESPONSE_CODE), sum(head.startswith(b"HTTP/") for head in heads)


def digest_handle(name: str, password: str, *, reuse: bool = True) -> pycurl.Curl:
    """What `curl --digest --user name:password` has."""
    handle = pycurl.Curl()
    handle.setopt(pycurl.HTTPAUTH, pycurl.HTTPAUTH_DIGEST)
    handle.setopt(pycurl.USERPWD, f"{name}:{password}")
    handle.setopt(pycurl.FORBID_REUSE, not reuse)
    return handle


async def test_digest_with_curl_and_httpx(settings_for: SettingsFor, tmp_path: Path) -> None:
    """Two workers, so that a nonce comes back to another one than issued it."""
    settings = settings_for(ingest={"workers": 2}, log={"level": "DEBUG"})
    settings = msgspec.structs.replace(settings, templates=digest_templates(tmp_path))
    await init_topics(settings)
    with running_ingress(settings, tmp_path / "ingress.log") as ingress:
        base = f"http://127.0.0.1:{ingress.port}"
        count = await asyncio.to_thread(_curl_reports, base)
        count += await asyncio.to_thread(_httpx_reports, base)
        assert ingress.stop() == 0
    assert_no_leak(ingress.log.read_text())
    found = [decode_report(record.value) for record in await records(settings, "reports")]
    assert len(found) == len({report.selector for report in found}) == count
    names = {(report.username, report.authenticated_username) for report in found}
    assert names == {(NAME, NAME), (None, msgspec.UNSET)}


def _curl_reports(base: str) -> int:
    """With libcurl; returns how many were accepted."""
    accepted = 0
    for number, path in enumerate(("md5", "sha", "both", "one")):
        name = "push" if path == "one" else NAME
        for turn in range(6):  # new connections: which worker takes one is chance
            selector = selector_of(100 * number + turn)
            url = f"{base}/{path}?s={selector}&t={TOKEN}"
            assert curl(digest_handle(name, WORD, reuse=False), url) == (200, 2), path
            accepted += 1
        for wrong in (digest_handle(name, "other"), digest_handle("nobody", WORD)):
            assert curl(wrong, f"{base}/{path}?s=A&t={TOKEN}")[0] == 401, path
        # One handle remembers its nonce, which is for another URL then: stale, so it asks once more by itself.
        handle = digest_handle(name, WORD)
        urls = [f"{base}/{path}?s={selector_of(100 * number + turn)}&t={TOKEN}" for turn in (50, 51)]
        assert [curl(handle, url) for url in urls] == [(200, 2), (200, 2)], path
        posted = json.dumps({"s": selector_of(100 * number + 60), "t": TOKEN})
        assert curl(digest_handle(name, WORD), f"{base}/{path}", posted)[0] == 200, path
        accepted += 3
    return accepted


def _httpx_reports(base: str) -> int:
    accepted = 0
    for number, path in enumerate(("md5", "sha", "both", "one")):
        right = httpx.DigestAuth("push" if path == "one" else NAME, WORD)
        wrong = httpx.DigestAuth(NAME, "other")
        with httpx.Client(base_url=base) as client:
            for turn in (70, 71):
                query = {"s": selector_of(100 * number + turn), "t": TOKEN}
                assert client.get(f"/{path}", params=query, auth=right).status_code == 200
                accepted += 1
            assert client.get(f"/{path}", params={"s": "A", "t": TOKEN}, auth=wrong).status_code == 401
            assert client.get(f"/{path}", params={"s": "A", "t": TOKEN}).status_code == 401
    return accepted


@dataclass
class Service:
    """The operator's: who is asked about, the status of the next answers, and whether it answers at all."""

    asked: list[tuple[str, str]] = field(default_factory=list)
    status: int = 0
    free: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    async def answer(self, request: web.Request) -> web.Response:
        """Yes for one account with one password."""
        given = await request.json()
        self.asked.append((given["username"], given["password"]))
        assert request.headers["Authorization"] == LOGIN
        await self.free.wait()
        if self.status:
            return web.Response(status=self.status, headers={"Location": f"http://127.0.0.1:{self.port}/elsewhere"})
        return web.Response(status=204 if given == {"username": NAME, "password": WORD} else 403)

    async def elsewhere(self, request: web.Request) -> web.Response:
        """Where a redirect leads."""
        self.asked.append(("redirected", ""))
        return web.Response(status=200)


@asynccontextmanager
async def serving() -> AsyncIterator[Service]:
    service = Service()
    service.free.set()
    app = web.Application()
    app.add_routes([web.post("/check", service.answer), web.post("/elsewhere", service.elsewhere)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    service.port = runner.addresses[0][1]
    try:
        yield service
    finally:
        service.free.set()
        await runner.cleanup()


async def test_connections_to_the_service_are_kept() -> None:
    """Also where it says something in the body of its answer."""
    ports: set[int] = set()

    async def answer(request: web.Request) -> web.Response:
        ports.add(request.transport.get_extra_info("peername")[1] if request.transport else 0)
        return web.json_response({"allowed": True})

    app = web.Application()
    app.add_routes([web.post("/check", answer)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = Secret(f"http://127.0.0.1:{runner.addresses[0][1]}/check")
        async with HttpCheck(url, 4, 5.0) as check:
            assert [await check.ask(NAME, str(turn)) for turn in range(5)] == [True] * 5
    finally:
        await runner.cleanup()
    assert len(ports) == 1
    async with HttpCheck(url, 4, 5.0) as check:
        with pytest.raises(CheckError) as caught:  # nobody is there now
            await check.ask(NAME, WORD)
    assert_no_leak(str(caught.value))


SIGNED = SigningKey(id="a", secret=Secret(KEY))


def templates(folder: Path, service: Service) -> tuple[Template, ...]:
    """One of each mode."""
    query = "s=%selector%&t=%pushToken%"
    named = f"u=%account[username]%&{query}"
    url = Secret(f"http://ingress:{URL_SECRET}@127.0.0.1:{service.port}/check")
    password = "p=%account[password]%"
    return (
        Template(name="path", url=f"https://h/path/%secret%?{query}", auth="path", auth_password=Secret(SHARED)),
        Template(
            name="header",
            url=f"https://h/header?{query}",
            auth="header",
            auth_header="X-Key",
            auth_password=Secret(SHARED),
        ),
        Template(name="signed", url=f"https://h/signed?{named}", auth="signed", auth_keys=(SIGNED,)),
        Template(name="basic", url=f"https://h/basic?{named}", auth="basic", auth_users_file=users_file(folder)),
        Template(name="ask", url=f"https://h/ask?{named}", auth="external", auth_check_url=url),
        Template(
            name="form",
            url=f"https://h/form?{named}&{password}",
            auth="external",
            auth_check_url=url,
            auth_parameter="p",
        ),
    )


async def test_every_mode(settings_for: SettingsFor, tmp_path: Path) -> None:
    async with serving() as service:
        settings = settings_for(ingest={"auth_timeout": 1.0, "auth_no_seconds": 0.2}, log={"level": "DEBUG"})
        settings = msgspec.structs.replace(settings, templates=templates(tmp_path, service))
        await init_topics(settings)
        with running_ingress(settings, tmp_path / "ingress.log") as ingress:
            client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{ingress.port}", timeout=10)
            async with client:
                await _right_and_wrong(client)
                await _external(client, service)
            probe = get(f"/path/{SHARED}x?s={TOKEN}&t={TOKEN}")
            assert status_of(await asyncio.to_thread(ask, ingress.port, probe)) == 403
            metrics = await asyncio.to_thread(ask, ingress.port, get("/metrics"))
            assert_no_leak(metrics.decode())
            assert ingress.stop() == 0
    assert_no_leak(ingress.log.read_text())
    await _check_records(settings)


def query(number: int = 0, **more: str) -> dict[str, str]:
    """The parameters of a report."""
    return {"s": selector_of(number), "t": TOKEN} | more


async def _right_and_wrong(client: httpx.AsyncClient) -> None:
    async def status(target: str, parameters: dict[str, str], **more: object) -> int:
        answer = await client.get(target, params=parameters, **more)  # type: ignore[arg-type]
        assert_no_leak(answer.text + str(answer.headers))
        return answer.status_code

    assert await status(f"/path/{SHARED}", query(1)) == 200
    assert await status(f"/path/{SHARED[:-1]}", query()) == 403
    assert await status("/path/", query()) == 403
    assert await status("/header", query(2), headers={"X-Key": SHARED}) == 200
    assert await status("/header", query(), headers={"X-Key": SHARED[1:]}) == 403
    assert await status("/signed", query(3, sig=sign(SIGNED, NAME))) == 200
    assert await status("/signed", query(sig=sign(SIGNED, NAME), u="other")) == 403
    assert await status("/signed", query(sig=sign(SIGNED, NAME, 1_000_000_000))) == 403
    assert await status("/basic", query(4, u=NAME), auth=(NAME, WORD)) == 200
    assert await status("/basic", query(u="other"), auth=(NAME, WORD)) == 403
    assert await status("/basic", query(), auth=(NAME, WORD[1:])) == 401
    assert await status("/basic", query()) == 401


async def _external(client: httpx.AsyncClient, service: Service) -> None:
    for number in (5, 6):
        assert (await client.get("/ask", params=query(number), auth=(NAME, WORD))).status_code == 200
    assert service.asked == [(NAME, WORD)]  # remembered
    assert (await client.get("/form", params=query(7, u=NAME, p=WORD))).status_code == 200
    assert (await client.get("/ask", params=query(), auth=(NAME, "x" + WORD))).status_code == 401
    assert (await client.get("/ask", params=query(), auth=("nobody", WORD))).status_code == 401
    assert (await client.get("/form", params=query(u=NAME, p="x" + WORD))).status_code == 403
    assert (await client.get("/form", params=query(u="other", p=WORD))).status_code == 403
    service.asked.clear()
    for service.status in (500, 302, 307, 429):
        answer = await client.get("/ask", params=query(), auth=("a", WORD + str(service.status)))
        assert answer.status_code == 503 and int(answer.headers["retry-after"]) > 0
    assert len(service.asked) == 4 and ("redirected", "") not in service.asked
    assert (
        await client.get("/ask", params=query(8), auth=(NAME, WORD))
    ).status_code == 200  # what is known still counts
    service.status = 0
    service.free.clear()
    slow = [client.get("/ask", params=query(), auth=("b", WORD)) for _ in range(5)]
    answers = await asyncio.wait_for(asyncio.gather(*slow), 5)
    assert {answer.status_code for answer in answers} == {503}
    assert service.asked.count(("b", WORD)) == 1  # five requests, one question
    service.free.set()
    answer = await client.get("/ask", params=query(), auth=("b", WORD))
    assert answer.status_code == 401


async def _check_records(settings: Settings) -> None:
    reports = await records(settings, "reports")
    for record in reports:  # the token, and nothing else that was secret
        assert_no_leak(record.value.decode().replace(TOKEN, "") + str(record.headers))
    found = {record.key.decode(): json.loads(record.value) for record in reports}
    assert found.keys() == {selector_of(number) for number in range(1, 9)}
    for number in (1, 2):
        assert "authenticated_username" not in found[selector_of(number)]
    for number in range(3, 9):
        report = found[selector_of(number)]
        assert (report["username"], report["authenticated_username"]) == (NAME, NAME)
    for record in await records(settings, "rejected"):
        assert_no_leak(record.value.decode())


def assert_no_leak(text: str) -> None:
    """No secret, and no good part of one, stands in `text`."""
    secrets = (WORD, SHARED, KEY, TOKEN, URL_SECRET)
    assert [part for part in secrets if part[:10].lower() in text.lower() or part[-10:].lower() in text.lower()] == []

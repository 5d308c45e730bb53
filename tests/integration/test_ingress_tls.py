"""TLS of the ingress over real sockets: certificates replaced under load, and clients that do not speak it."""

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from deploy.init import init_topics
from deploy.local.probe import Target
from deploy.local.probe import get as get_by_probe
from schemas.settings import Settings
from tests.certificates import Authority
from tests.conftest import SettingsFor
from tests.ingress import Ingress, ask, get, read_all, records, running_ingress, selector_of
from tests.poll import until, until_async

Start = Callable[..., tuple[Settings, Ingress, Authority]]


@pytest.fixture
def start(settings_for: SettingsFor, tmp_path: Path) -> Iterator[Start]:
    """Starts an ingress that speaks TLS: `settings, ingress, authority = start(workers=2)`."""
    with ExitStack() as stack:

        def begin(**given: Any) -> tuple[Settings, Ingress, Authority]:
            authority = Authority(tmp_path)
            cert, key = authority.write("first")
            settings = settings_for(ingest={"tls_cert_file": str(cert), "tls_key_file": str(key)} | given)
            asyncio.run(init_topics(settings))
            ingress = stack.enter_context(running_ingress(settings, tmp_path / "ingress.log", ready=False))
            until(lambda: ready(ingress, authority), "ready over TLS", bearing=(httpx.TransportError,))
            return settings, ingress, authority

        yield begin


def trusting(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority.ca_file))


def url(ingress: Ingress, target: str) -> str:
    return f"https://127.0.0.1:{ingress.port}{target}"


def ready(ingress: Ingress, authority: Authority) -> bool:
    return httpx.get(url(ingress, "/readyz"), verify=trusting(authority)).status_code == 200


def served_name(ingress: Ingress, authority: Authority) -> str:
    with (
        socket.create_connection(("127.0.0.1", ingress.port), 10) as plain,
        trusting(authority).wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        subject: Any = (secure.getpeercert() or {})["subject"]
        return str({key: value for ((key, value),) in subject}["commonName"])


def test_a_certificate_is_replaced_under_load(start: Start, tmp_path: Path) -> None:
    """Two workers; new connections all the time, and kept ones: no request fails, whatever happens to the files."""
    settings, ingress, authority = start(workers=2)
    stop = asyncio.Event()
    answered: list[str] = []

    async def report(number: int, keep: bool) -> None:
        context = trusting(authority)
        at = 0
        while not stop.is_set():
            async with httpx.AsyncClient(verify=context) as client:
                for _ in range(20 if keep else 1):
                    selector = selector_of(1_000_000 * number + at)
                    at += 1
                    answer = await client.get(url(ingress, f"/token/?selector={selector}&token_calls=dG9r"))
                    assert (answer.status_code, answer.content) == (200, b"")
                    answered.append(selector)

    async def serves(name: str) -> bool:
        # Each worker looks after its own: ask often enough to meet both.
        return all([await asyncio.to_thread(served_name, ingress, authority) == name for _ in range(8)])

    async def more(count: int) -> None:
        before = len(answered)

        async def enough() -> bool:
            return len(answered) >= before + count

        await until_async(enough, f"{count} more reports")

    async def go() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(4):
                group.create_task(report(number, keep=number % 2 == 0))
            try:
                await more(50)
                (tmp_path / "cert.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\nbroken\n")

                async def refused() -> bool:
                    return (tmp_path / "ingress.log").read_text().count("the old one stays") == 2

                await until_async(refused, "both workers say that the new file is broken")
                await more(50)
                assert await serves("first")
                authority.write("second")
                await until_async(lambda: serves("second"), "both workers serve the new certificate")
                await more(50)
            finally:
                stop.set()

    asyncio.run(go())
    found = asyncio.run(records(settings, "reports"))
    assert sorted(record.key.decode() for record in found) == sorted(answered)
    metrics = httpx.get(url(ingress, "/metrics"), verify=trusting(authority)).text
    line = next(line for line in metrics.splitlines() if line.startswith("pushtokens_ingest_certificate_expires"))
    assert 88 < (float(line.split()[1]) - time.time()) / 86400 < 91
    assert ingress.stop() == 0


def test_clients_that_do_not_speak_tls_or_stop_in_the_middle(start: Start) -> None:
    """Plain HTTP, nonsense, silence, half a handshake, an old version: closed in time, without a trace in the log."""
    _, ingress, authority = start(header_timeout=1.0)
    for sent in (get("/token/?selector=a"), os.urandom(300), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b""):
        started = time.monotonic()
        answer = b""
        with suppress(ConnectionResetError):
            answer = ask(ingress.port, sent, 10.0)
        assert b"HTTP" not in answer and b"uvicorn" not in answer
        assert time.monotonic() - started < 5.0, sent[:10]
    old = trusting(authority)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", ingress.port), 10) as plain, pytest.raises(ssl.SSLError):
        old.wrap_socket(plain, server_hostname="localhost")
    # After the handshake the deadlines of HTTP hold, and a client that never says good-bye is cut off.
    with (
        socket.create_connection(("127.0.0.1", ingress.port), 10) as plain,
        trusting(authority).wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        secure.sendall(b"GET /token/?sel")
        assert read_all(secure).startswith(b"HTTP/1.1 408 ")
    assert ready(ingress, authority)
    # `up` and `doctor` ask this machine, whatever name the certificate is for.
    assert (get_by_probe(Target("ingest", "127.0.0.1", ingress.port, tls=True), "/readyz") or (0,))[0] == 200
    assert get_by_probe(Target("ingest", "127.0.0.1", ingress.port), "/readyz") is None
    text = ingress.log.read_text()
    assert '"level": "ERROR"' not in text and "Traceback" not in text, text


def test_only_clients_with_a_certificate_if_the_settings_ask_for_one(start: Start, tmp_path: Path) -> None:
    settings, ingress, authority = start()
    assert ingress.stop() == 0
    settings = _with_ca(settings, authority)
    certificate, key = authority.issue("phone")
    (tmp_path / "client.pem").write_bytes(certificate + key)
    known = trusting(authority)
    known.load_cert_chain(tmp_path / "client.pem")
    with running_ingress(settings, tmp_path / "second.log", ready=False) as second:

        def answers() -> bool:
            return httpx.get(url(second, "/readyz"), verify=known).status_code == 200

        until(answers, "ready", bearing=(httpx.TransportError,))
        with pytest.raises(httpx.TransportError):
            httpx.get(url(second, "/readyz"), verify=trusting(authority))


def _with_ca(settings: Settings, authority: Authority) -> Settings:
    ingest = msgspec.structs.replace(settings.ingest, tls_client_ca_file=str(authority.ca_file))
    return msgspec.structs.replace(settings, ingest=ingest)

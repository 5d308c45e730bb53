"""`pushtokens simulate` against an ingress with TLS: by itself on this machine, by name elsewhere, one line if not."""

import asyncio
import ssl
from datetime import timedelta
from pathlib import Path

import pytest

from deploy.cli.main import main
from tests.certificates import Authority
from tests.integration.test_simulate_driver import OK, serving

FEW = ["simulate", "--accounts", "5", "--reports", "20", "--concurrency", "2"]


def server_of(authority: Authority, lifetime: timedelta = timedelta(days=1)) -> ssl.SSLContext:
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.load_cert_chain(*authority.write("ingress", lifetime))
    return found


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The system's authorities are none."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))


def answer(request: bytes, _: int) -> bytes:
    return OK


@pytest.mark.usefixtures("clean")
async def test_the_ingress_of_the_settings_by_its_own_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(answer, server_of(Authority(tmp_path))) as server:
        monkeypatch.setenv("PUSHTOKENS_INGEST_PORT", str(server.port))
        monkeypatch.setenv("PUSHTOKENS_INGEST_TLS_CERT_FILE", str(tmp_path / "cert.pem"))
        monkeypatch.setenv("PUSHTOKENS_INGEST_TLS_KEY_FILE", str(tmp_path / "key.pem"))
        await asyncio.to_thread(main, FEW)
    assert len(server.seen) == 20


@pytest.mark.usefixtures("clean")
async def test_another_one_by_its_authority(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with serving(answer, server_of(authority)) as server:
        url = f"https://localhost:{server.port}"
        await asyncio.to_thread(main, [*FEW, "--url", url, "--ca", str(authority.ca_file)])
    assert len(server.seen) == 20


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("more", [[], ["--ca", "other"]])
async def test_one_that_is_not_believed(tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str]) -> None:
    other = tmp_path / "other"
    other.mkdir()
    more = [part.replace("other", str(Authority(other).ca_file)) for part in more]
    async with serving(answer, server_of(Authority(tmp_path))) as server:
        assert await asyncio.to_thread(main, [*FEW, "--url", f"https://localhost:{server.port}", *more]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "is not believed (" in line and "--ca FILE says whose are" in line
    assert server.seen == []


async def test_one_that_has_no_tls(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await asyncio.to_thread(main, [*FEW, "--url", f"https://127.0.0.1:{port}"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "does not speak TLS as it should" in line


@pytest.mark.parametrize(
    ("settings", "more", "said"),
    [
        ({}, ["--ca", "x"], "--ca needs an https URL: this ingress has no TLS"),
        ({}, ["--ca", "x", "--url", "http://h"], "--ca needs an https URL"),
        ({}, ["--ca", "/no/such", "--url", "https://h"], "/no/such cannot be used as a certificate"),
        ({"CERT": "c", "KEY": "k", "CLIENT_CA": "x"}, [], "wants certificates of its clients"),
    ],
)
def test_what_is_missing_is_said(
    settings: dict[str, str],
    more: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, text in settings.items():
        monkeypatch.setenv(f"PUSHTOKENS_INGEST_TLS_{name}_FILE", text)
    assert main([*FEW, *more]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line

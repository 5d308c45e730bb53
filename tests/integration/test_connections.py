"""Every role and command over connections that are encrypted and authenticated, and what is said when they are not
right: real Kafka with SCRAM, PLAIN and mutual TLS; ClickHouse behind TLS that wants a certificate."""

import argparse
import asyncio
import gc
import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from deploy.cli.main import load
from deploy.init import InitError, init_schema, init_topics
from deploy.local.process import Process
from deploy.plan import problems
from deploy.topic_setup import look_at_topics, set_up_topics
from processors.clickhouse import AsyncClickHouse, ClickHouse, RefusedError
from schemas.settings import Settings
from tests.conftest import SettingsFor
from tests.engines import run_command, start_command
from tests.poll import until
from tests.secure_kafka import PASSWORD, SecureKafka, running_secure_kafka
from tests.tls_proxy import TlsProxy

LOGIN = "pusher:s3same"
SELECTOR = "12869E0E6E553673C54F29105A0647204C416A2A:7C3A0D14"
WRONG = "wr0ng-passw0rd"


# aiokafka leaves the transport of a TLS handshake that failed to the collector, which then says so.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@pytest.fixture(autouse=True)
def no_dropped_transports() -> Iterator[None]:
    """What aiokafka has dropped is collected here, and not in the middle of another test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(autouse=True)
def logging_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands run in this process leave its logging alone."""
    monkeypatch.setattr("deploy.cli.init.set_up", lambda *_: None)


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    """The broker of this module."""
    with running_secure_kafka(tmp_path_factory.mktemp("secure")) as kafka:
        yield kafka


@pytest.fixture
def proxy(clickhouse: str, tmp_path: Path) -> Iterator[TlsProxy]:
    """The session's ClickHouse behind TLS."""
    made = TlsProxy(tmp_path / "tls", urlsplit(clickhouse).port or 0, LOGIN)
    try:
        yield made
    finally:
        made.close()


def behind(proxy: TlsProxy, **given: Any) -> dict[str, Any]:
    """The section `clickhouse` of a client with certificate and password; `given` wins."""
    user, password = LOGIN.split(":")
    files = {"tls_ca_file": proxy.ca_file, "tls_cert_file": proxy.cert_file, "tls_key_file": proxy.key_file}
    texts = {name: str(path) for name, path in files.items()}
    return {"url": proxy.url, "user": user, "password": password} | texts | given


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts a role, gone at the end: `start(settings, "sink")`."""
    with ExitStack() as stack:

        def begin(settings: Settings, role: str) -> Process:
            process = start_command(settings, tmp_path / f"{role}.log", role)
            stack.callback(process.kill)
            return process

        yield begin


def run(settings: Settings, name: str, *words: str) -> int:
    """`pushtokens NAME WORDS` in this process."""
    parser = argparse.ArgumentParser()
    command = load(name)
    command.add_arguments(parser)
    return command.run(parser.parse_args(words), settings)


def readiness(settings: Settings, role: str) -> tuple[int, str]:
    """Status and text of a role's /readyz; 0 while nobody listens."""
    port = {"ingest": settings.ingest.port, "compact": settings.lookup.port, "sink": settings.sink.port}[role]
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5.0)
    except httpx.TransportError:
        return 0, ""
    return answer.status_code, answer.text


def report(settings: Settings, token: str) -> int:
    """What an app sends; the status."""
    query = {"selector": SELECTOR, "username": "johndow", "pushTokenIncomingCall": token}
    return httpx.get(f"http://127.0.0.1:{settings.ingest.port}/token/", params=query, timeout=10.0).status_code


def looked_up(settings: Settings) -> Any:
    """The calls token that the table holds."""
    answer = httpx.get(f"http://127.0.0.1:{settings.lookup.port}/v1/selectors/{SELECTOR}", timeout=5.0)
    return answer.json()["calls"]["token"] if answer.status_code == 200 else None


def stored(settings: Settings, token: str) -> int:
    """How many rows with that token ClickHouse has."""
    with ClickHouse(settings) as client:
        sql = "SELECT count() FROM reports WHERE calls_token = {token:String}"
        return int(client.query(sql, {"token": token}).scalar())


def work(settings: Settings, start: Callable[..., Process]) -> dict[str, Process]:
    """`init`, then the three roles, and a report through all of them."""
    done = run_command(settings, "init", "--wait", "30")
    assert done.returncode == 0, done.stderr
    roles = {role: start(settings, role) for role in ("ingest", "compact", "sink")}
    for role, process in roles.items():
        until(lambda role=role: readiness(settings, role)[0] == 200, f"{role} is ready; {process.log}", 60.0)  # type: ignore[misc]
    assert report(settings, "Udl9first") == 200
    until(lambda: looked_up(settings) == "Udl9first", "the pair is in the table")
    until(lambda: stored(settings, "Udl9first") == 1, "the row is in ClickHouse")
    return roles


def test_scram_and_a_password_for_everything(
    settings_for: SettingsFor,
    secure: SecureKafka,
    proxy: TlsProxy,
    start: Callable[..., Process],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = settings_for(partitions=2, kafka=secure.sasl("SCRAM-SHA-512"), clickhouse=behind(proxy))
    roles = work(settings, start)
    assert run(settings, "doctor") == 0, capsys.readouterr().out
    assert run(settings, "simulate", "--accounts", "5", "--reports", "20", "--kafka-check") == 0
    (tmp_path / "known.csv").write_text("selector,received_at,calls_token\nIMPORTED:1,1790000000000,tok\n")
    assert run(settings, "import", str(tmp_path / "known.csv")) == 0
    assert run(settings, "release", SELECTOR, "--to", "johndow") == 0
    assert run(settings, "forget", "--selector", SELECTOR, "--yes", "--wait", "60") == 0, capsys.readouterr().err
    assert looked_up(settings) is None
    for role in ("compact", "sink"):
        assert roles[role].stop(30.0), role
    for command in ("rebuild", "adopt-log"):  # they say themselves: run it again
        until(lambda command=command: run(settings, command) == 0, command, 60.0)  # type: ignore[misc]
    assert proxy.subjects == {"pushtokens"}
    said = "".join(capsys.readouterr()) + "".join(process.log.read_text() for process in roles.values())
    assert PASSWORD not in said and "s3same" not in said


def test_certificates_are_logins_too(
    settings_for: SettingsFor, secure: SecureKafka, clickhouse: str, tmp_path: Path, start: Callable[..., Process]
) -> None:
    proxy = TlsProxy(tmp_path / "tls", urlsplit(clickhouse).port or 0, login="nobody:at all")
    settings = settings_for(partitions=2, kafka=secure.mutual(), clickhouse=behind(proxy, user="default", password=""))
    work(settings, start)
    asked = bytes(proxy.asked).lower()
    assert b"x-clickhouse-ssl-certificate-auth: on" in asked
    assert b"\nauthorization:" not in asked
    proxy.close()


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "PLAIN"])
def test_the_other_mechanisms(settings_for: SettingsFor, secure: SecureKafka, mechanism: str) -> None:
    settings = settings_for(kafka=secure.sasl(mechanism))
    asyncio.run(set_up_topics(settings))
    assert problems(asyncio.run(look_at_topics(settings))) == []


def test_a_wrong_password_is_said_by_every_role_without_it(
    settings_for: SettingsFor, secure: SecureKafka, start: Callable[..., Process], capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_for(kafka=secure.sasl("SCRAM-SHA-512", sasl_password=WRONG), clickhouse={"url": ""})
    roles = {role: start(settings, role) for role in ("ingest", "compact", "sink")}
    for role, process in roles.items():
        until(
            lambda role=role: "PUSHTOKENS_KAFKA_SASL_PASSWORD" in readiness(settings, role)[1],  # type: ignore[misc]
            f"{role} says what is wrong; {process.log}",
            60.0,
        )
        assert readiness(settings, role)[0] == 503
    assert run(settings, "init") == 1
    assert run(settings, "doctor", "--json") == 1
    assert run(settings, "adopt-log") == 1
    said, wrong = capsys.readouterr()
    found = {each["check"]: each["detail"] for each in json.loads(said)}
    assert "PUSHTOKENS_KAFKA_SASL_PASSWORD" in found["kafka"]
    assert wrong.count("PUSHTOKENS_KAFKA_SASL_PASSWORD") >= 2
    logged = "".join(process.log.read_text() for process in roles.values())
    assert WRONG not in said + wrong + logged


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tls_ca_file": ""}, "PUSHTOKENS_KAFKA_TLS_CA_FILE"),
        ({"tls_cert_file": "", "tls_key_file": ""}, "PUSHTOKENS_KAFKA_TLS_CERT_FILE"),
        ({"security_protocol": "PLAINTEXT"}, "PUSHTOKENS_KAFKA_SECURITY_PROTOCOL"),
    ],
)
async def test_what_is_wrong_with_tls_is_said(
    settings_for: SettingsFor, secure: SecureKafka, given: dict[str, str], said: str
) -> None:
    with pytest.raises(InitError, match=said):
        await init_topics(settings_for(kafka=secure.mutual(**given)))


def test_a_certificate_that_is_not_there_ends_a_role_at_once(settings_for: SettingsFor, secure: SecureKafka) -> None:
    settings = settings_for(kafka=secure.mutual(tls_ca_file="/nowhere/ca.pem"))
    for role in ("ingest", "compact", "sink"):
        done = run_command(settings, role)
        assert done.returncode == 2
        assert "PUSHTOKENS_KAFKA_TLS_CA_FILE: /nowhere/ca.pem cannot be read" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tls_ca_file": ""}, "PUSHTOKENS_CLICKHOUSE_TLS_CA_FILE"),
        ({"tls_cert_file": "", "tls_key_file": ""}, "PUSHTOKENS_CLICKHOUSE_TLS_CERT_FILE"),
        ({"password": WRONG}, "PUSHTOKENS_CLICKHOUSE_PASSWORD"),
    ],
)
async def test_what_is_wrong_with_clickhouse_is_said(
    settings_for: SettingsFor, proxy: TlsProxy, given: dict[str, str], said: str
) -> None:
    settings = settings_for(clickhouse=behind(proxy, **given))
    with pytest.raises(InitError, match=said) as caught:
        await init_schema(settings)
    assert WRONG not in str(caught.value)


async def test_the_sinks_client_names_the_setting_as_well(settings_for: SettingsFor, proxy: TlsProxy) -> None:
    client = AsyncClickHouse(settings_for(clickhouse=behind(proxy, password=WRONG)))
    try:
        with pytest.raises(RefusedError, match="PUSHTOKENS_CLICKHOUSE_PASSWORD"):
            await client.query("SELECT 1")
    finally:
        await client.close()

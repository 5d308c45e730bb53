"""How ClickHouse is reached over TLS: what is verified, what is shown, and which login counts."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from processors.clickhouse_errors import RefusedError, UntrustedError, look_at_tls
from processors.clickhouse_options import certificate_hint, connect_options
from schemas.secret import Secret
from schemas.settings import ClickHouse, Settings
from schemas.settings_source import SettingsError
from tests.certificates import Authority


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """The settings of an authority and a certificate."""
    authority = Authority(tmp_path)
    cert, key = authority.write("pushtokens")
    return {"tls_ca_file": str(authority.ca_file), "tls_cert_file": str(cert), "tls_key_file": str(key)}


def options(**given: Any) -> dict[str, Any]:
    settings = Settings(clickhouse=ClickHouse(**({"url": "https://ch:8443"} | given)))
    return connect_options(settings, None, None)


def test_plain_http_has_nothing_of_tls() -> None:
    found = options(url="http://ch:8123")
    assert not {"ca_cert", "client_cert", "client_cert_key", "tls_mode", "verify"} & found.keys()


def test_a_certificate_without_a_password_is_the_login(files: dict[str, str]) -> None:
    found = options(**files)
    assert (found["ca_cert"], found["client_cert"], found["client_cert_key"]) == tuple(files.values())
    assert (found["tls_mode"], found["interface"], found["port"]) == ("mutual", "https", 8443)


def test_with_a_password_the_certificate_only_opens_the_connection(files: dict[str, str]) -> None:
    found = options(**files, user="svc", password=Secret("s3same"))
    assert (found["tls_mode"], found["username"], found["password"]) == ("strict", "svc", "s3same")


def test_an_authority_alone(files: dict[str, str]) -> None:
    found = options(tls_ca_file=files["tls_ca_file"], password=Secret("s3same"))
    assert "client_cert" not in found and "tls_mode" not in found


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"url": "http://ch:8123", "tls_ca_file": "/ca.pem"}, "PUSHTOKENS_CLICKHOUSE_URL must begin with https://"),
        ({"tls_ca_file": "/nowhere/ca.pem"}, r"PUSHTOKENS_CLICKHOUSE_TLS_CA_FILE: /nowhere/ca\.pem cannot be read"),
    ],
)
def test_files_that_cannot_be_used_are_said_by_setting(given: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        options(**given)


def test_tls_is_found_however_deep_it_is() -> None:
    inner = ssl.SSLCertVerificationError(1, "certificate verify failed")
    inner.verify_code, inner.verify_message = 20, "unable to get local issuer certificate"
    middle = OSError("wrapped")
    middle.__context__ = inner
    outer = RuntimeError("retries")
    outer.__cause__ = middle
    with pytest.raises(UntrustedError, match=r"unable to get local issuer certificate.*TLS_CA_FILE"):
        look_at_tls(outer)
    look_at_tls(OSError("refused"))


@pytest.mark.parametrize(("code", "names"), [(516, True), (194, True), (60, False)])
def test_a_refused_login_names_its_settings(code: int, names: bool) -> None:
    said = str(RefusedError("answer a query", code, "NAME", "detail"))
    assert ("PUSHTOKENS_CLICKHOUSE_PASSWORD" in said) is names


@pytest.mark.parametrize(
    ("given", "there"),
    [({}, True), ({"url": "http://ch:8123"}, False), ({"tls_cert_file": "/c.pem"}, False)],
)
def test_a_missing_certificate_is_thought_of(given: dict[str, Any], there: bool) -> None:
    settings = Settings(clickhouse=ClickHouse(**({"url": "https://ch:8443"} | given)))
    assert ("PUSHTOKENS_CLICKHOUSE_TLS_CERT_FILE" in certificate_hint(settings)) is there

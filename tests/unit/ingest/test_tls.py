"""Certificates of the ingress: only good ones come into force, and errors show nothing of a key."""

import logging
import os
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from ingest.refusal import UnusableError
from ingest.tls import Certificates
from schemas.settings import Ingest
from tests.certificates import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def load(authority: Authority, lifetime: timedelta = timedelta(days=90)) -> Certificates:
    cert, key = authority.write("first", lifetime)
    return Certificates(Ingest(tls_cert_file=str(cert), tls_key_file=str(key)))


def served(
    certificates: Certificates, authority: Authority, *, sni: str | None = "localhost"
) -> tuple[str, str | None]:
    """A handshake in memory: the common name of what is served, and the protocol chosen."""
    context = ssl.create_default_context(cafile=str(authority.ca_file))
    context.set_alpn_protocols(["h2", "http/1.1"])
    context.check_hostname = sni is not None
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(to_client, to_server, server_hostname=sni)
    server = certificates.context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    found = client.getpeercert()
    assert found is not None
    subject: Any = found["subject"]
    names = {key: value for ((key, value),) in subject}
    return str(names["commonName"]), client.selected_alpn_protocol()


def changed(path: Path, data: bytes) -> None:
    """Write, with a time that surely differs."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_bytes(data)
    os.utime(path, ns=(before + 10**9, before + 10**9))


@pytest.mark.parametrize("sni", ["localhost", None])
def test_a_new_certificate_comes_into_force(authority: Authority, tmp_path: Path, sni: str | None) -> None:
    certificates = load(authority)
    assert served(certificates, authority, sni=sni) == ("first", "http/1.1")
    certificate, key = authority.issue("second", timedelta(days=30))
    changed(tmp_path / "cert.pem", certificate)
    certificates.look(1.0)  # the key is still the old one: wait until both have settled
    changed(tmp_path / "key.pem", key)
    certificates.look(2.0)
    assert served(certificates, authority, sni=sni)[0] == "first"
    certificates.look(3.0)
    assert served(certificates, authority, sni=sni) == ("second", "http/1.1")
    expires = REGISTRY.get_sample_value("pushtokens_ingest_certificate_expires_timestamp_seconds")
    assert expires is not None and 29 < (expires - (tmp_path / "cert.pem").stat().st_ctime) / 86400 <= 30


def test_what_is_broken_is_kept_out_and_tried_again_when_it_changes(
    authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    certificates = load(authority)
    other, key = authority.issue("other")
    expired, expired_key = authority.issue("expired", timedelta(days=-2))
    cert_file, key_file = tmp_path / "cert.pem", tmp_path / "key.pem"
    good = key_file.read_bytes()
    now = 0.0
    for certificate, secret in (
        (other, good),
        (b"nonsense", good),
        (b"", good),
        (other, b"nonsense"),
        (expired, expired_key),
    ):
        caplog.clear()
        changed(cert_file, certificate)
        changed(key_file, secret)
        for _ in range(4):
            now += 1
            certificates.look(now)
        assert served(certificates, authority)[0] == "first"
        errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
        assert len(errors) == 1 and "the old one stays" in errors[0], errors
        assert "PRIVATE" not in errors[0]
    cert_file.unlink()
    certificates.look(now + 1)
    certificates.look(now + 2)
    assert served(certificates, authority)[0] == "first"
    changed(cert_file, other)
    changed(key_file, key)
    certificates.look(now + 3)
    certificates.look(now + 4)
    assert served(certificates, authority)[0] == "other"


@pytest.mark.parametrize(("days", "level"), [(90, None), (5, logging.WARNING), (-2, logging.ERROR)])
def test_an_end_near_is_said_once_a_day(
    authority: Authority, caplog: pytest.LogCaptureFixture, days: int, level: int | None
) -> None:
    certificates = load(authority, timedelta(days=days))
    for now in (0.0, 1.0, 86399.0, 86401.0):
        certificates.look(now)
    assert [record.levelno for record in caplog.records if record.levelno >= logging.WARNING] == [level] * 2 * bool(
        level
    )


def test_files_that_cannot_be_used_at_the_start(authority: Authority, tmp_path: Path) -> None:
    cert, key = authority.write("first")
    other = tmp_path / "other.pem"
    other.write_bytes(authority.issue("other")[1])
    wrong: tuple[dict[str, Any], ...] = (
        {"tls_cert_file": str(tmp_path / "none.pem"), "tls_key_file": str(key)},
        {"tls_cert_file": str(cert)},
        {"tls_cert_file": str(cert), "tls_key_file": str(other)},
        {"tls_cert_file": str(cert), "tls_key_file": str(key), "tls_client_ca_file": str(key)},
    )
    for given in wrong:
        with pytest.raises(UnusableError, match=r"\.pem"):
            Certificates(Ingest(**given))


def test_certificate_and_key_may_be_one_file(authority: Authority, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(b"".join(authority.issue("both")))
    assert served(Certificates(Ingest(tls_cert_file=str(both))), authority)[0] == "both"


def test_nothing_older_than_tls_1_2(authority: Authority) -> None:
    assert load(authority).context.minimum_version == ssl.TLSVersion.TLSv1_2

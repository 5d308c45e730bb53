"""A client's TLS context: what is wrong with its files is said by setting and file."""

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from schemas.settings_source import SettingsError
from schemas.tls import client_context
from tests.certificates import Authority


def test_it_verifies_the_server_and_its_name(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    cert, key = authority.write("client")
    context = client_context("P", str(authority.ca_file), str(cert), str(key))
    assert context.verify_mode == ssl.CERT_REQUIRED and context.check_hostname
    assert [found["subject"] for found in context.get_ca_certs()] == [((("commonName", "test authority"),),)]


@pytest.mark.parametrize(
    ("ca", "cert", "key", "said"),
    [
        ("missing", "", "", r"P_TLS_CA_FILE: .*missing cannot be read \(No such file or directory\)"),
        ("text", "", "", r"P_TLS_CA_FILE: .*text cannot be used as PEM"),
        ("", "missing", "", r"P_TLS_CERT_FILE, P_TLS_KEY_FILE: .*missing cannot be read"),
        ("", "cert.pem", "text", r"P_TLS_CERT_FILE, P_TLS_KEY_FILE: .* cannot be used as PEM"),
        ("", "cert.pem", "other.pem", r"cannot be used as PEM \(KEY_VALUES_MISMATCH\)"),
        ("", "cert.pem", "locked.pem", r"the key has a password; give one without"),
        ("", "", "key.pem", r"P_TLS_KEY_FILE without P_TLS_CERT_FILE"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, ca: str, cert: str, key: str, said: str) -> None:
    authority = Authority(tmp_path)
    authority.write("client")
    (tmp_path / "text").write_text("hello")
    (tmp_path / "other.pem").write_bytes(authority.issue("other")[1])
    locked = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"pw")
    )
    (tmp_path / "locked.pem").write_bytes(locked)
    files = [str(tmp_path / name) if name else "" for name in (ca, cert, key)]
    with pytest.raises(SettingsError, match=said):
        client_context("P", *files)

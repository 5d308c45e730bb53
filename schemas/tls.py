"""TLS of our own connections: an `ssl` context from files, with errors that name the setting and the file."""

import ssl

from schemas.settings_source import SettingsError


def client_context(prefix: str, ca_file: str, cert_file: str, key_file: str) -> ssl.SSLContext:
    """A context that verifies the server's certificate and host name, and shows a certificate of its own if there is
    one.

    Args:
        prefix: of the settings' variables, `PUSHTOKENS_KAFKA` for `PUSHTOKENS_KAFKA_TLS_CA_FILE`.
        ca_file: PEM, the authorities to trust; empty: the system's.
        cert_file: PEM, the certificate chain; empty: none is shown.
        key_file: PEM, without a password; empty: it is in `cert_file`.

    Raises:
        SettingsError: a file that cannot be read or is not what it should be.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{prefix}_TLS_CA_FILE: {ca_file} {_why(error)}") from None
    if key_file and not cert_file:
        raise SettingsError(f"{prefix}_TLS_KEY_FILE without {prefix}_TLS_CERT_FILE: a key alone shows nothing")
    if cert_file:
        try:
            context.load_cert_chain(cert_file, key_file or None, password=_no_password)
        except (OSError, ValueError) as error:
            where = f"{prefix}_TLS_CERT_FILE, {prefix}_TLS_KEY_FILE: {cert_file}, {key_file or cert_file}"
            raise SettingsError(f"{where} {_why(error)}") from None
    return context


def _no_password() -> str:
    """A key with a password would have OpenSSL ask for it on the terminal."""
    raise ValueError("the key has a password; give one without")


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"cannot be used as PEM ({error.reason or type(error).__name__})"
    if isinstance(error, OSError):
        return f"cannot be read ({error.strerror})"
    return f"cannot be used: {error}"

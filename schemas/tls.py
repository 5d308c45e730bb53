"""TLS of our own connections: an `ssl` context from files, with errors that name the setting and the file."""

import ssl
from typing import Final

from schemas.settings_source import SettingsError

_OTHER_HOST: Final = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH (OpenSSL, x509_vfy.h)
_WHERE: Final = {"PUSHTOKENS_KAFKA": "BOOTSTRAP", "PUSHTOKENS_CLICKHOUSE": "URL"}
_PROTOCOL: Final = {"PUSHTOKENS_KAFKA": "SECURITY_PROTOCOL", "PUSHTOKENS_CLICKHOUSE": "URL"}


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


def explain_tls(prefix: str, error: BaseException) -> str:
    """What it means that a connection failed with `error` (str, to stand behind the server's name; empty: `error` is
    not TLS's). `prefix` as of `client_context`."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _OTHER_HOST:
            return f"shows a certificate for another host name: {prefix}_{_WHERE[prefix]} has to name what is in it"
        why = error.verify_message
        return f"shows a certificate that is not trusted ({why}): {prefix}_TLS_CA_FILE names who is"
    if not isinstance(error, ssl.SSLError):
        return ""
    reason = error.reason or type(error).__name__
    if "ALERT" in reason:
        return f"refuses our certificate, or that there is none ({reason}): see {prefix}_TLS_CERT_FILE"
    return f"does not speak TLS on that port ({reason}): see {prefix}_{_PROTOCOL[prefix]}"


def _no_password() -> str:
    """A key with a password would have OpenSSL ask for it on the terminal."""
    raise ValueError("the key has a password; give one without")


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"cannot be used as PEM ({error.reason or type(error).__name__})"
    if isinstance(error, OSError):
        return f"cannot be read ({error.strerror})"
    return f"cannot be used: {error}"

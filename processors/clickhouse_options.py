"""How to reach ClickHouse: the arguments of clickhouse-connect's clients, from the settings. Imports no client."""

from typing import Any
from urllib.parse import urlsplit

from schemas.settings import Settings
from schemas.settings_source import SettingsError
from schemas.tls import client_context


def connect_options(settings: Settings, database: str | None, timeout: float | None) -> dict[str, Any]:
    """Arguments of clickhouse-connect's `get_client`. No session: threads and tasks may run queries side by side.

    Args:
        settings: where ClickHouse is.
        database: the one that unqualified names are of; None: `clickhouse.database`.
        timeout: seconds for a request; None: `clickhouse.query_timeout`.

    Raises:
        SettingsError: certificate files that cannot be used.
    """
    chosen = settings.clickhouse
    url = urlsplit(settings.clickhouse_url)
    return {
        "interface": url.scheme or "http",
        "host": url.hostname,
        "port": url.port or (8443 if url.scheme == "https" else 8123),
        "username": chosen.user,
        "password": chosen.password.reveal(),
        "database": chosen.database if database is None else database,
        "connect_timeout": 5,
        "send_receive_timeout": int(timeout or chosen.query_timeout) + 1,
        "autogenerate_session_id": False,
        "client_name": "push-token-pipeline",
        "show_clickhouse_errors": "scrub",
        "tz_mode": "aware",
        "settings": _quorum(settings, timeout or chosen.query_timeout),
        **_tls(settings, url.scheme),
    }


def _tls(settings: Settings, scheme: str) -> dict[str, Any]:
    """Whom to trust, and what to show. A certificate is the login (ClickHouse's "SSL X.509 certificate authentication",
    clickhouse-connect's `mutual`) unless there is a password, too (`strict`: it only opens the connection)."""
    chosen = settings.clickhouse
    files = (chosen.tls_ca_file, chosen.tls_cert_file, chosen.tls_key_file)
    if scheme != "https":
        if any(files):
            raise SettingsError("PUSHTOKENS_CLICKHOUSE_URL must begin with https:// if certificate files are set")
        return {}
    client_context("PUSHTOKENS_CLICKHOUSE", *files)  # its errors name the setting; the library's do not
    named = zip(("ca_cert", "client_cert", "client_cert_key"), files, strict=True)
    given: dict[str, Any] = {name: file for name, file in named if file}
    if chosen.tls_cert_file:
        given["tls_mode"] = "strict" if chosen.password else "mutual"
    return given


def _quorum(settings: Settings, timeout: float) -> dict[str, int]:
    """What every insert is sent with when several replicas have to confirm it; ClickHouse's own wait is ten minutes."""
    chosen = settings.clickhouse
    if not chosen.replicated or chosen.insert_quorum < 2:
        return {}
    return {"insert_quorum": chosen.insert_quorum, "insert_quorum_timeout": round(timeout * 1000)}


def certificate_hint(settings: Settings) -> str:
    """What else to look at when ClickHouse does not answer (str, behind the rest of the line): a server that wants a
    certificate closes the connection, and whether its reason is read before that is a matter of luck (TLS 1.3)."""
    if not settings.clickhouse_url.startswith("https:") or settings.clickhouse.tls_cert_file:
        return ""
    return "; if it wants a client certificate, PUSHTOKENS_CLICKHOUSE_TLS_CERT_FILE names ours"

"""How every role reaches Kafka: connection options by aiokafka's names, from the settings. Imports no client."""

import ssl
from typing import Any, Final

from schemas.settings import Settings
from schemas.tls import client_context

# A broker that falls silent and leaves its connections open (its machine froze, a cable was pulled) is only noticed by
# a request that gets no answer, or by metadata that name another leader. aiokafka waits 40 s for the one and 300 s for
# the other: a leader frozen for 75 s held lookups up for 91 s (docs/cluster.md).
_REQUEST_MS: Final = 10_000
_METADATA_MS: Final = 10_000


def following_options(settings: Settings, role: str) -> dict[str, Any]:
    """As `client_options`, for the clients of a worker that must go on when a broker falls silent.

    Not as they are for a member of a consumer group: Kafka holds its request to join until all others have joined.
    """
    return client_options(settings, role) | {"request_timeout_ms": _REQUEST_MS, "metadata_max_age_ms": _METADATA_MS}


def member_request_ms(session_timeout: float) -> int:
    """How long a member of a consumer group waits for an answer (ms): a dead one's `session_timeout` (s), for which
    Kafka holds the others' requests to join, and 5 s for what they do first."""
    return round((session_timeout + 5.0) * 1000)


def client_options(settings: Settings, role: str) -> dict[str, Any]:
    """Keyword arguments (dict) that every aiokafka client takes: servers, client id, TLS and SASL.

    Args:
        settings: where Kafka is.
        role: what the client does (`ingest`, `compact`, …); the client id is `<kafka.client_id>-<role>`.

    Raises:
        SettingsError: a certificate file that cannot be used, or a login without a name; the text names the setting.
    """
    kafka = settings.kafka
    options: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap,
        "client_id": f"{kafka.client_id}-{role}",
        "security_protocol": kafka.security_protocol,
    }
    if kafka.security_protocol in ("SSL", "SASL_SSL"):
        options["ssl_context"] = _tls(settings)
    if kafka.security_protocol.startswith("SASL"):
        options["sasl_mechanism"] = kafka.sasl_mechanism
        options["sasl_plain_username"] = kafka.sasl_username
        options["sasl_plain_password"] = kafka.sasl_password.reveal()
    return options


def _tls(settings: Settings) -> ssl.SSLContext:
    kafka = settings.kafka
    return client_context("PUSHTOKENS_KAFKA", kafka.tls_ca_file, kafka.tls_cert_file, kafka.tls_key_file)

"""How every role reaches Kafka: connection options by aiokafka's names, from the settings. Imports no client."""

import ssl
from typing import Any

from schemas.settings import Settings
from schemas.tls import client_context


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

"""How every role reaches Kafka: connection options by aiokafka's names, from the settings. Imports no client."""

import ssl
from typing import Any

from schemas.settings import Settings


def client_options(settings: Settings, role: str) -> dict[str, Any]:
    """Keyword arguments (dict) that every aiokafka client takes: servers, client id, TLS and SASL.

    Args:
        settings: where Kafka is.
        role: what the client does (`ingest`, `compact`, …); the client id is `<kafka.client_id>-<role>`.

    Raises:
        OSError: a certificate file that cannot be read.
        ssl.SSLError: a certificate file that is none.
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
    context = ssl.create_default_context(cafile=kafka.tls_ca_file or None)
    if kafka.tls_cert_file:
        context.load_cert_chain(kafka.tls_cert_file, kafka.tls_key_file or None)
    return context

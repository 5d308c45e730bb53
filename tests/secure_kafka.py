"""A broker that wants to know who is there: SASL_SSL (SCRAM, PLAIN) and mutual TLS beside the plain port of its own."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from deploy.local.kafka import LocalKafka
from deploy.local.ports import free_port
from tests.certificates import Authority
from tests.engines import START_SECONDS

USER: Final = "svc-pushtokens"
PASSWORD: Final = "c0rrect-h0rse"
_MODULES: Final = "org.apache.kafka.common.security"


class SecureKafka(Struct, frozen=True):
    """Its ports, and the files that a client needs."""

    sasl_port: int
    mutual_port: int
    plain_port: int
    ca_file: Path
    cert_file: Path
    key_file: Path

    def sasl(self, mechanism: str, **given: Any) -> dict[str, Any]:
        """The section `kafka` of a client that logs in by `mechanism`; `given` wins."""
        return {
            "bootstrap": f"localhost:{self.sasl_port}",
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": mechanism,
            "sasl_username": USER,
            "sasl_password": PASSWORD,
            "tls_ca_file": str(self.ca_file),
        } | given

    def mutual(self, **given: Any) -> dict[str, Any]:
        """The section `kafka` of a client that shows a certificate; `given` wins."""
        return {
            "bootstrap": f"localhost:{self.mutual_port}",
            "security_protocol": "SSL",
            "tls_ca_file": str(self.ca_file),
            "tls_cert_file": str(self.cert_file),
            "tls_key_file": str(self.key_file),
        } | given


@contextmanager
def running_secure_kafka(directory: Path) -> Iterator[SecureKafka]:
    """A broker whose certificate is of an authority made here, gone at the end."""
    files = directory / "certificates"
    files.mkdir(parents=True)
    authority = Authority(files)
    server, key = authority.issue("broker")
    (files / "broker.pem").write_bytes(key + server)
    cert_file, key_file = authority.write("pushtokens")
    plain, sasl, mutual, controller = (free_port() for _ in range(4))
    kafka = LocalKafka(
        directory / "kafka",
        plain,
        overrides=_listeners(files, plain, sasl, mutual, controller),
        formatted_with=[
            word
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
            for word in ("--add-scram", f"{mechanism}=[name={USER},password={PASSWORD}]")
        ],
    )
    kafka.controller_port = controller
    try:
        kafka.start(START_SECONDS)
        yield SecureKafka(sasl, mutual, plain, authority.ca_file, cert_file, key_file)
    finally:
        kafka.kill()
        shutil.rmtree(directory / "kafka", ignore_errors=True)


def _listeners(files: Path, plain: int, sasl: int, mutual: int, controller: int) -> Mapping[str, str]:
    clients = [f"PLAINTEXT://127.0.0.1:{plain}", f"LOGIN://127.0.0.1:{sasl}", f"MUTUAL://127.0.0.1:{mutual}"]
    named = [listener.replace("127.0.0.1", "localhost") for listener in clients]
    login = "listener.name.login."
    return {
        "listeners": ",".join((*clients, f"CONTROLLER://127.0.0.1:{controller}")),
        "advertised.listeners": ",".join(named),
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,LOGIN:SASL_SSL,MUTUAL:SSL",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(files / "broker.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(files / "ca.pem"),
        "listener.name.mutual.ssl.client.auth": "required",
        f"{login}sasl.enabled.mechanisms": "SCRAM-SHA-256,SCRAM-SHA-512,PLAIN",
        f"{login}scram-sha-256.sasl.jaas.config": f"{_MODULES}.scram.ScramLoginModule required;",
        f"{login}scram-sha-512.sasl.jaas.config": f"{_MODULES}.scram.ScramLoginModule required;",
        f"{login}plain.sasl.jaas.config": f'{_MODULES}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";',
    }

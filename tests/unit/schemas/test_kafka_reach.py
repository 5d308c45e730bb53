"""What commands and roles say of a Kafka that cannot be reached: the setting to look at, and never the password."""

import ssl
from typing import Any

import pytest
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaConnectionError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from schemas.kafka_reach import explain, why_not
from schemas.secret import Secret
from schemas.settings import Kafka, Settings

KAFKA = Kafka(
    bootstrap="one:9093, two:9093",
    security_protocol="SASL_SSL",
    sasl_username="svc",
    sasl_password=Secret("hunter2"),
)


def untrusted(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, "self-signed certificate"
    return error


def tls(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, "no")
    error.reason = reason
    return error


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "setting"),
    [
        (SaslAuthenticationFailed("invalid credentials"), "PUSHTOKENS_KAFKA_SASL_PASSWORD"),
        (UnsupportedSaslMechanismError("no"), "PUSHTOKENS_KAFKA_SASL_MECHANISM"),
        (IllegalSaslStateError("no"), "wants no login on that port: see PUSHTOKENS_KAFKA_SECURITY_PROTOCOL"),
        (untrusted(19), "PUSHTOKENS_KAFKA_TLS_CA_FILE"),
        (untrusted(62), "for another host name: PUSHTOKENS_KAFKA_BOOTSTRAP"),
        (tls("WRONG_VERSION_NUMBER"), "does not speak TLS on that port"),
        (caused(KafkaConnectionError(), tls("TLSV13_ALERT_CERTIFICATE_REQUIRED")), "PUSHTOKENS_KAFKA_TLS_CERT_FILE"),
        (KafkaConnectionError("closed"), "PUSHTOKENS_KAFKA_TLS_CERT_FILE"),
        (ConnectionRefusedError(), "does not answer (ConnectionRefusedError): is it up? PUSHTOKENS_KAFKA_BOOTSTRAP"),
        (TimeoutError(), "does not answer (TimeoutError)"),
    ],
)
def test_each_failure_names_its_setting(error: Exception, setting: str) -> None:
    said = explain(KAFKA, "one:9093", error)
    assert said.startswith("Kafka at one:9093 ")
    assert setting in said


def test_without_tls_a_closed_connection_may_want_it() -> None:
    said = explain(Kafka(), "one:9092", KafkaConnectionError("closed"))
    assert "does that port speak TLS? PUSHTOKENS_KAFKA_SECURITY_PROTOCOL is PLAINTEXT" in said


async def test_every_server_is_tried_and_the_first_reason_is_said() -> None:
    asked: list[tuple[str, int]] = []

    async def connect(host: str, port: int, **options: Any) -> Any:
        asked.append((host, port))
        assert options["sasl_plain_password"] == "hunter2"
        raise SaslAuthenticationFailed("invalid credentials") if host == "one" else ConnectionRefusedError()

    said = await why_not(Settings(kafka=KAFKA), "test", connect)
    assert asked == [("one", 9093), ("two", 9093)]
    assert "user `svc`" in said and "hunter2" not in said


async def test_a_server_that_takes_the_connection_leaves_the_login() -> None:
    closed: list[bool] = []

    class Connection:
        def close(self) -> None:
            closed.append(True)

    async def connect(host: str, port: int, **options: Any) -> Any:
        return Connection()

    said = await why_not(Settings(kafka=Kafka(bootstrap="[::1]:9092")), "test", connect, TimeoutError("x"))
    assert "does not answer (TimeoutError): is it only starting, or does that port want a login" in said
    assert closed == [True]


async def test_what_the_caller_was_handling_is_no_cause() -> None:
    async def connect(host: str, port: int, **options: Any) -> Any:
        raise ConnectionRefusedError(111, "refused")

    try:
        raise KafkaConnectionError("unable to bootstrap")
    except KafkaConnectionError:
        said = await why_not(Settings(kafka=Kafka(bootstrap="one:9092")), "test", connect)
    assert "is it up? PUSHTOKENS_KAFKA_BOOTSTRAP says where" in said

"""Topics, Kafka options and message headers: the fixed names and figures of the design."""

import ssl
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cloudevents import headers, rfc3339
from schemas.kafka_client import client_options
from schemas.secret import Secret
from schemas.settings import Kafka, Settings
from schemas.settings_source import SettingsError
from schemas.topics import Topics, topics

DAY = 86_400_000
DESIGN: dict[str, dict[str, str]] = {
    "reports": {
        "cleanup.policy": "delete",
        "retention.ms": str(30 * DAY),
        "message.timestamp.type": "LogAppendTime",
    },
    "latest": {
        "cleanup.policy": "compact",
        "delete.retention.ms": str(7 * DAY),
        "max.compaction.lag.ms": str(DAY),
        "segment.ms": str(DAY // 4),
    },
    "changes": {"cleanup.policy": "delete", "retention.ms": str(30 * DAY)},
    "rejected": {"cleanup.policy": "delete", "retention.ms": str(7 * DAY)},
    "removals": {"cleanup.policy": "compact"},
}


@pytest.mark.parametrize("role", DESIGN)
def test_names_and_configs_are_the_designs(role: str) -> None:
    spec = getattr(topics(Settings()), role)
    assert spec.name == f"push-token.{role}"
    assert spec.config.items() >= DESIGN[role].items()
    assert (spec.partitions, spec.replicas) == (4, 1)


def test_rejected_is_capped_in_size() -> None:
    config = topics(Settings()).rejected.config
    assert 0 < int(config["segment.bytes"]) < int(config["retention.bytes"]) <= 2**30


@pytest.mark.parametrize(("replicas", "in_sync"), [(1, "1"), (2, "1"), (3, "2"), (5, "2")])
def test_three_copies_need_two_that_confirm(replicas: int, in_sync: str) -> None:
    for spec in topics(Settings(replication_factor=replicas)).all():
        assert spec.replicas == replicas
        assert spec.config["min.insync.replicas"] == in_sync
        assert spec.config["unclean.leader.election.enable"] == "false"


def test_another_prefix_and_every_topic_is_made() -> None:
    found = topics(Settings(kafka=Kafka(topic_prefix="acme.push"), partitions=3))
    assert [spec.name for spec in found.all()] == [f"acme.push.{role}" for role in Topics.__struct_fields__]
    assert {spec.partitions for spec in found.all()} == {3}


def test_plain_options() -> None:
    assert client_options(Settings(), "sink") == {
        "bootstrap_servers": "127.0.0.1:9092",
        "client_id": "pushtokens-sink",
        "security_protocol": "PLAINTEXT",
    }


def test_sasl_over_tls() -> None:
    kafka = Kafka(bootstrap="k:9093", security_protocol="SASL_SSL", sasl_username="svc", sasl_password=Secret("p4ss"))
    options: dict[str, Any] = client_options(Settings(kafka=kafka), "ingest")
    context = options.pop("ssl_context")
    assert isinstance(context, ssl.SSLContext) and context.verify_mode == ssl.CERT_REQUIRED and context.check_hostname
    assert options == {
        "bootstrap_servers": "k:9093",
        "client_id": "pushtokens-ingest",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "svc",
        "sasl_plain_password": "p4ss",
    }


def test_a_certificate_that_is_missing() -> None:
    with pytest.raises(SettingsError, match=r"PUSHTOKENS_KAFKA_TLS_CA_FILE: /nowhere/ca.pem cannot be read"):
        client_options(Settings(kafka=Kafka(security_protocol="SSL", tls_ca_file="/nowhere/ca.pem")), "x")


def test_headers_are_cloudevents_in_binary_mode() -> None:
    assert headers("report", "id-1", 1790000000123, "selector") == [
        ("ce_specversion", b"1.0"),
        ("ce_type", b"push-token.report"),
        ("ce_source", b"/push-token-pipeline"),
        ("ce_id", b"id-1"),
        ("ce_time", b"2026-09-21T14:13:20.123Z"),
        ("content-type", b"application/json"),
        ("ce_subject", b"selector"),
    ]
    assert "ce_subject" not in dict(headers("report", "id-1", 0))


@pytest.mark.parametrize(
    ("millis", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (999, "1970-01-01T00:00:00.999Z"),
        (1709210096007, "2024-02-29T12:34:56.007Z"),
        (4102444800000, "2100-01-01T00:00:00.000Z"),
    ],
)
def test_times_as_text(millis: int, text: str) -> None:
    assert rfc3339(millis) == text


@given(millis=st.lists(st.integers(0, 4_102_444_800_000), min_size=2))
def test_times_as_text_sort_as_times(millis: list[int]) -> None:
    assert [rfc3339(each) for each in sorted(millis)] == sorted(map(rfc3339, millis))

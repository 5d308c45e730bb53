"""Every example request, through the whole application with a sink in memory."""

import json
from typing import Any

import pytest

from schemas.partition import partition_of
from schemas.records import decode_report
from tests.examples import examples, settings_of
from tests.unit.ingest.asgi import Bench

GOOD = examples("good", "requests")
BAD = examples("bad", "requests")
SECRETS = ("12345678", "s3cret-of-the-operator", "filed-secret", "eyJhbGciOiJIUzI1NiJ9", "operator-auth")


@pytest.mark.parametrize("name", GOOD)
async def test_good_request(name: str) -> None:
    example = GOOD[name]
    bench = Bench(settings_of(example))
    answer = await bench.send(example["request"])
    assert (answer.status, answer.body, bench.rejected) == (200, b"", [])
    assert answer.headers == [(b"content-length", b"0")]
    (message,) = bench.sink.messages
    report = decode_report(message.value)
    found = json.loads(message.value)
    assert {key: found.get(key) for key in example["record"]} == example["record"]
    assert (found["origin"], found["reason"], found["schema_version"]) == ("app", None, 1)
    assert message.key == report.selector.encode()
    assert bench.sink.partitions[partition_of(message.key, 4)] == [message]
    headers = dict(message.headers)
    assert headers["ce_type"].decode() == f"push-token.{report.kind}"
    assert headers["ce_id"].decode() == report.id
    assert not [secret for secret in SECRETS if secret.encode() in message.value]


@pytest.mark.parametrize("name", BAD)
async def test_bad_request(name: str) -> None:
    example = BAD[name]
    bench = Bench(settings_of(example))
    answer = await bench.send(example["request"])
    assert answer.status == example["status"]
    assert bench.sink.messages == []
    assert answer.header("content-type") == "application/problem+json"
    document = json.loads(answer.body)
    assert (document["status"], document["reason"]) == (example["status"], example["reason"])
    assert document.get("field") == example["field"]
    assert answer.header("allow") == example.get("allow")
    assert (answer.header("www-authenticate") is not None) == (example["status"] == 401)
    assert len(bench.rejected) == (1 if example.get("recorded", True) else 0)
    for message in bench.rejected:
        check_masked(example, json.loads(message.value), message.value)


def check_masked(example: dict[str, Any], record: dict[str, Any], value: bytes) -> None:
    assert record["reason"] == example["reason"]
    assert record["field"] == example["field"]
    text = value.decode()
    sent = example["request"]["target"] + example["request"]["body"]
    words = ["Udl99X2JFP1bWwS5gR", "QVBBOTFiRzlhcVd2", *SECRETS]
    assert not [word for word in words if word in text and word in sent]
    for name in ("calls_token", "other_token"):
        assert record["input"].get(name, "<token ").startswith("<token ")


async def test_each_report_has_an_id_and_a_time_of_its_own() -> None:
    bench = Bench(settings_of({}))
    for _ in range(50):
        await bench.send(GOOD["spec-get"]["request"])
    reports = [decode_report(message.value) for message in bench.sink.messages]
    assert len({report.id for report in reports}) == 50
    for report in reports:
        assert report.id[14] == "7"
        assert int(report.id.replace("-", "")[:12], 16) == report.received_at

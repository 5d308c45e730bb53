"""The pipeline as its users run it: one `pushtokens up`, real requests, and every output held against every other.

The tests build on one another, in this order: an engine's start takes 20 s, and the last ones stop the pipeline.
"""

import contextlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.simulate.shapes import PASSWORD
from processors.log_identity import read_log_id
from schemas.kafka_client import client_options
from schemas.topics import topics
from tests.pipeline import Pipeline, Record, newest, read_topic, running_pipeline
from tests.poll import until, until_async
from tests.reference import Reference

SOAK = bool(os.environ.get("SOAK"))
ACCOUNTS, REPORTS = (20_000, 100_000) if SOAK else (1_000, 5_000)
SETTLE = 300.0 if SOAK else 60.0

SELECTOR = "12869E0E6E553673C54F29105A0647204C416A2A:7C3A0D14"
OTHER = "QVBBOTFiRzlhcVd2bW54bllCWldHOWh4dnRrZ3pUWFNvcGZpdWZ6bWM2dFAzS2J"
CALLS = "Udl99X2JFP1bWwS5gR/wGeLE1hmAB2CMpr1Ej0wxkrY="

# The specification, "Examples", byte for byte with CRLF line ends.
GET = (
    b"GET /token/?username=johndow&password=12345678&selector=12869E0E6E553673C54F29105A0647204C416A2A:7C3A0D14"
    b"&token_msgs=QVBBOTFiRzlhcVd2bW54bllCWldHOWh4dnRrZ3pUWFNvcGZpdWZ6bWM2dFAzS2J&appid_msgs=com.cloudsoftphone.app"
    b"&token_calls=Udl99X2JFP1bWwS5gR%2FwGeLE1hmAB2CMpr1Ej0wxkrY%3D&appid_calls=com.cloudsoftphone.app.pushkit"
    b" HTTP/1.1\r\n"
    b"Host: example.com\r\n"
    b"Connection: close\r\n"
    b"Cache-Control: max-age=0\r\n"
    b"User-Agent: CloudSoftphone/1.5.6\r\n"
    b"\r\n"
)
BODY = (
    b"{\r\n"
    b'  "token_msgs" : "QVBBOTFiRzlhcVd2bW54bllCWldHOWh4dnRrZ3pUWFNvcGZpdWZ6bWM2dFAzS2J",\r\n'
    b'  "appid_msgs" : "com.cloudsoftphone.app",\r\n'
    b'  "token_calls" : "Udl99X2JFP1bWwS5gR/wGeLE1hmAB2CMpr1Ej0wxkrY=",\r\n'
    b'  "appid_calls" : "com.cloudsoftphone.app.pushkit",\r\n'
    b'  "selector" : "12869E0E6E553673C54F29105A0647204C416A2A:7C3A0D14"\r\n'
    b"}\r\n"
)


def post(length: int) -> bytes:
    head = (
        "POST /token/johndow/ HTTP/1.1\r\n"
        "Host: example.com\r\n"
        "Connection: close\r\n"
        "Cache-Control: max-age=0\r\n"
        "User-Agent: CloudSoftphone/1.5.6\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {length}\r\n"
        "\r\n"
    )
    return head.encode() + BODY


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    with running_pipeline(tmp_path_factory.mktemp("pipeline")) as running:
        yield running


def assert_accepted(answer: bytes) -> None:
    """200 with nothing behind it: "no content type header and no body" (specification, "Response")."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert lines[0].startswith(b"http/1.1 200 ")
    assert b"content-length: 0" in lines
    assert not [line for line in lines if line.startswith(b"content-type")]
    assert body == b""


async def settled(pipeline: Pipeline) -> None:
    """Wait until the compactor and the sink have dealt with everything in `reports`."""
    records = await read_topic(pipeline.settings, topics(pipeline.settings).reports)
    ends = Counter(record.partition for record in records)

    async def done() -> bool:
        counted = int(pipeline.rows("SELECT count() AS n FROM reports")[0]["n"])
        behind = pipeline.metric("lookup", "pushtokens_compactor_lag_records")
        return counted >= ends.total() and behind == 0

    await until_async(done, f"{ends.total()} rows and no lag", SETTLE, bearing=(httpx.HTTPError,))


def newest_row(pipeline: Pipeline, selector: str) -> dict[str, Any]:
    rows = pipeline.rows(
        "SELECT kind, username, calls_token, calls_app_id, other_token, other_app_id, user_agent FROM reports "
        f"WHERE selector = '{selector}' ORDER BY kafka_offset DESC LIMIT 1"
    )
    return rows[0] if rows else {}


async def test_the_specifications_get_reaches_every_output(pipeline: Pipeline) -> None:
    assert_accepted(pipeline.send(GET))
    await settled(pipeline)
    known = until(lambda: pipeline.lookup(SELECTOR), "the lookup to know the selector", bearing=(httpx.HTTPError,))
    calls = {"token": CALLS, "app_id": "com.cloudsoftphone.app.pushkit", "rotations": 0}
    other = {"token": OTHER, "app_id": "com.cloudsoftphone.app", "rotations": 0}
    latest = newest(await read_topic(pipeline.settings, topics(pipeline.settings).latest))
    for found in (known, latest[SELECTOR.encode()]):
        assert (found["selector"], found["username"]) == (SELECTOR, "johndow")
        assert found["calls"] == calls | {"since": found["first_seen"]}
        assert found["other"] == other | {"since": found["first_seen"]}
    assert newest_row(pipeline, SELECTOR) == {
        "kind": "report",
        "username": "johndow",
        "calls_token": CALLS,
        "calls_app_id": "com.cloudsoftphone.app.pushkit",
        "other_token": OTHER,
        "other_app_id": "com.cloudsoftphone.app",
        "user_agent": "CloudSoftphone/1.5.6",
    }
    (record,) = await read_topic(pipeline.settings, topics(pipeline.settings).reports)
    assert record.key == SELECTOR.encode()
    (row,) = pipeline.rows("SELECT log_id, kafka_partition AS partition, kafka_offset AS offset FROM reports")
    assert row == known["source"] == latest[SELECTOR.encode()]["source"]
    assert (row["partition"], row["offset"]) == (record.partition, record.offset)
    assert pipeline.selectors_of("johndow") == [SELECTOR]


async def test_the_specifications_post_as_printed_is_refused_and_corrected_is_taken(pipeline: Pipeline) -> None:
    before = len(await read_topic(pipeline.settings, topics(pipeline.settings).reports))
    refused = pipeline.send(post(183))
    assert refused.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in refused
    assert refused.count(b"HTTP/1.1") == 1, "what is left of the body is no second request"
    assert_accepted(pipeline.send(post(len(BODY))))
    records = await read_topic(pipeline.settings, topics(pipeline.settings).reports)
    assert len(records) == before + 1
    report = json.loads(sorted(records, key=lambda record: record.timestamp)[-1].value or b"")
    assert (report["selector"], report["username"]) == (SELECTOR, "johndow")
    assert report["calls"] == {"token": CALLS, "app_id": "com.cloudsoftphone.app.pushkit"}


async def test_the_pair_stays_complete_in_ios_order(pipeline: Pipeline) -> None:
    """Only the calls token, then both, then `pushTokenOther` null again (specification, "Response", the first note)."""
    calls, other = "aW9zLWNhbGxz", "aW9zLW90aGVy"
    async with httpx.AsyncClient(base_url=pipeline.url("ingest", ""), timeout=10.0) as app:
        for value in (None, other, None):
            body = {"selector": "IOS:1", "username": "eve", "token_calls": calls, "appId_calls": "a.pushkit"}
            answer = await app.post("/token/", json=body | {"token_msgs": value, "appId_msgs": "a"})
            assert answer.status_code == 200
    await settled(pipeline)
    pairs = ("calls", "other")

    def complete() -> bool:
        known = pipeline.lookup("IOS:1")
        return known is not None and [known[slot] and known[slot]["token"] for slot in pairs] == [calls, other]

    until(complete, "both tokens in the lookup", bearing=(httpx.HTTPError,))
    latest = newest(await read_topic(pipeline.settings, topics(pipeline.settings).latest))[b"IOS:1"]
    assert [latest[slot]["token"] for slot in pairs] == [calls, other]
    assert [latest[slot]["rotations"] for slot in pairs] == [0, 0]


async def test_the_password_is_nowhere(pipeline: Pipeline) -> None:
    await assert_nowhere(pipeline, b"12345678")
    assert_not_in_files(pipeline, b"12345678")


async def assert_nowhere(pipeline: Pipeline, secret: bytes) -> None:
    """Not in a topic, aborted messages included, nor in a table, nor in ClickHouse's own logs."""
    seen = 0
    for spec in topics(pipeline.settings).all():
        for record in await read_topic(pipeline.settings, spec, committed=False):
            text = b"|".join([record.key or b"", record.value or b"", *(value for _, value in record.headers)])
            assert secret not in text, spec.name
            seen += SELECTOR.encode() in text
    assert seen >= 3, "a reading shows texts"
    tables = pipeline.rows(
        "SELECT database, name FROM system.tables WHERE database NOT IN ('information_schema', 'INFORMATION_SCHEMA') "
        "AND (database != 'system' OR name LIKE '%\\_log') AND engine NOT LIKE '%View'"
    )
    assert {"database": pipeline.settings.clickhouse.database, "name": "reports"} in tables
    assert SELECTOR.encode() in pipeline.dump(f"{pipeline.settings.clickhouse.database}.reports"), "a dump shows texts"
    for table in tables:
        assert secret not in pipeline.dump(f"`{table['database']}`.`{table['name']}`"), table


def assert_not_in_files(pipeline: Pipeline, *secrets: bytes) -> None:
    """In no file of the data directory, nor in what `up` printed."""
    known = set()
    for path in [pipeline.log, *pipeline.data.rglob("*")]:
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):  # engines merge and clean while we look
            text = path.read_bytes()
            assert not [secret for secret in secrets if secret in text], path
            if b"push-token.reports" in text or b"INFO" in text:
                known |= set(path.relative_to(pipeline.data.parent).parts[1:2])
    assert {"kafka", "logs"} <= known, "a search finds what is there"


@pytest.fixture(scope="module")
def accepted(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """A simulated day: the accepted requests by their User-Agent, which names each."""
    file = tmp_path_factory.mktemp("simulated") / "accepted.jsonl"
    done = pipeline.command(
        *("simulate", "--accounts", str(ACCOUNTS), "--reports", str(REPORTS), "--seed", "11", "--json"),
        *("--kafka-check", "--record", str(file)),
        timeout=600.0,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    report = json.loads(done.stdout)
    assert report["kafka_check"]["holds"]
    assert report["outcomes"]["accepted"] + report["outcomes"]["refused"] == REPORTS
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == report["outcomes"]["accepted"]
    return {line["user_agent"]: line for line in lines}


def told(found: dict[str, Any]) -> dict[str, Any]:
    """What a phone told, from a record or from what was recorded of the request."""
    return {name: found[name] for name in ("kind", "selector", "username", "calls", "other", "install_id")}


async def test_every_200_is_in_the_topic_exactly_once(pipeline: Pipeline, accepted: dict[str, dict[str, Any]]) -> None:
    records = await read_topic(pipeline.settings, topics(pipeline.settings).reports)
    found = [json.loads(record.value or b"") for record in records]
    simulated = [each for each in found if " sim/11-" in (each["user_agent"] or "")]
    assert Counter(each["user_agent"] for each in simulated) == Counter(list(accepted))
    for each in simulated:
        assert told(each) == told(accepted[each["user_agent"]])


async def test_every_record_is_in_clickhouse_exactly_once(
    pipeline: Pipeline, accepted: dict[str, dict[str, Any]]
) -> None:
    await settled(pipeline)
    records = await read_topic(pipeline.settings, topics(pipeline.settings).reports)
    rows = pipeline.rows("SELECT kafka_partition AS p, kafka_offset AS o, id, selector, user_agent FROM reports")
    expected = Counter((each.partition, each.offset, *identity(each)) for each in records)
    assert Counter((row["p"], row["o"], row["id"], row["selector"], row["user_agent"]) for row in rows) == expected
    assert set(expected.values()) == {1}
    assert len(accepted) <= len(rows)


def identity(record: Record) -> tuple[str, str, str]:
    report = json.loads(record.value or b"")
    return report["id"], report["selector"], report["user_agent"] or ""


async def replayed(pipeline: Pipeline) -> Reference:
    """The reference model, fed with the topic."""
    spec = topics(pipeline.settings).reports
    log_id = await read_log_id(client_options(pipeline.settings, "test"), spec.name)
    reference = Reference(log_id, spec.partitions)
    for record in await read_topic(pipeline.settings, spec):
        reference.take(record.partition, record.offset, record.timestamp, record.key, record.value)
    return reference


READ = ("username", "calls", "other", "first_seen", "last_seen", "bound_to", "source")


async def test_the_table_equals_the_reference_model(pipeline: Pipeline, accepted: dict[str, dict[str, Any]]) -> None:
    await settled(pipeline)
    reference = await replayed(pipeline)
    expected = reference.latest()
    assert len(expected) > 0.9 * len({each["selector"] for each in accepted.values()})
    assert reference.rejected == []
    latest = newest(await read_topic(pipeline.settings, topics(pipeline.settings).latest))
    assert {key.decode(): {name: value.get(name) for name in READ} for key, value in latest.items()} == expected
    assert looked_up(pipeline, sorted(reference.known)) == expected


def looked_up(pipeline: Pipeline, selectors: list[str]) -> dict[str, dict[str, Any]]:
    """What the lookup API knows of `selectors`, asked in batches."""
    found: dict[str, dict[str, Any]] = {}
    with httpx.Client(timeout=30.0) as client:
        for start in range(0, len(selectors), 500):
            part = selectors[start : start + 500]
            answer = client.post(pipeline.url("lookup", "/v1/selectors"), json={"selectors": part})
            body = answer.raise_for_status().json()
            assert len(body["selectors"]) + len(body["unknown"]) == len(part)
            found |= {each["selector"]: {name: each.get(name) for name in READ} for each in body["selectors"]}
    return found


async def test_the_changes_are_the_reference_models(pipeline: Pipeline, accepted: dict[str, dict[str, Any]]) -> None:
    assert accepted
    reference = await replayed(pipeline)
    records = await read_topic(pipeline.settings, topics(pipeline.settings).changes)
    changes = {change["id"]: change for change in (json.loads(record.value or b"") for record in records)}
    assert len(changes) == len(records), "each change once"
    assert set(changes) == {change["id"] for change in reference.changes}
    for change in reference.changes:
        assert {name: changes[change["id"]][name] for name in change} == change


async def test_a_restart_keeps_all(pipeline: Pipeline, accepted: dict[str, dict[str, Any]]) -> None:
    assert accepted
    rows = pipeline.rows("SELECT count() AS n, uniqExact(id) AS ids, sum(kafka_offset) AS offsets FROM reports")
    expected = (await replayed(pipeline)).latest()
    assert pipeline.stop() == 0
    assert pipeline.left_behind() == []
    pipeline.start()
    assert pipeline.rows("SELECT count() AS n, uniqExact(id) AS ids, sum(kafka_offset) AS offsets FROM reports") == rows
    assert looked_up(pipeline, sorted(expected)) == expected
    assert (await replayed(pipeline)).latest() == expected
    assert_accepted(pipeline.send(GET.replace(SELECTOR.encode(), b"AFTER:1")))
    await settled(pipeline)
    known = until(lambda: pipeline.lookup("AFTER:1"), "a new selector after the restart", bearing=(httpx.HTTPError,))
    assert known["calls"]["token"] == CALLS
    assert int(pipeline.rows("SELECT count() AS n FROM reports")[0]["n"]) == int(rows[0]["n"]) + 1


async def test_no_password_of_the_whole_day_is_anywhere(
    pipeline: Pipeline, accepted: dict[str, dict[str, Any]]
) -> None:
    assert accepted
    for secret in (PASSWORD.encode(), b"password=12345678"):
        await assert_nowhere(pipeline, secret)
    assert pipeline.stop() == 0
    assert pipeline.left_behind() == []
    assert_not_in_files(pipeline, PASSWORD.encode(), b"password=12345678")


def test_no_push_token_is_in_a_log(pipeline: Pipeline, accepted: dict[str, dict[str, Any]]) -> None:
    logs = [path.read_bytes() for path in [*(pipeline.data / "logs").iterdir(), pipeline.log]]
    tokens = {pair["token"].encode() for each in accepted.values() for pair in (each["calls"], each["other"]) if pair}
    assert len(tokens) > 100
    everything = b"\n".join(logs)
    assert len(everything) > 1000
    assert [token for token in [CALLS.encode(), OTHER.encode(), *tokens] if token in everything] == []


def test_the_data_directory_is_where_the_data_is(pipeline: Pipeline) -> None:
    names = {path.name for path in Path(pipeline.data).iterdir()}
    assert {"kafka", "clickhouse", "logs"} <= names

"""`doctor` tells what is missing, by a line that says what to do, and by its exit code."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from deploy.local.jars import pinned
from deploy.local.ports import free_port
from processors.clickhouse import ClickHouse
from processors.log_identity import read_topics
from processors.sink.mark import Mark, mark_text
from processors.sink.metrics import Metrics
from schemas.kafka_client import client_options
from schemas.pipeline_id import pipeline_id
from schemas.settings import Settings
from schemas.topics import topics
from tests.conftest import SettingsFor
from tests.engines import run_command


def doctor(settings: Settings) -> tuple[int, dict[str, dict[str, str]]]:
    """Exit code, and the findings by check."""
    done = run_command(settings, "doctor", "--json")
    assert done.stderr == ""
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return done.returncode, {each["check"]: each for each in found}


def test_before_init_topics_and_schema_fail_and_after_it_nothing_does(
    settings_for: SettingsFor, clickhouse: str
) -> None:
    settings = settings_for()
    code, before = doctor(settings)
    assert code == 1
    assert before["kafka"]["verdict"] == before["clickhouse"]["verdict"] == "ok"
    for check in ("topics", "schema"):
        assert before[check]["verdict"] == "fail"
        assert "pushtokens init" in before[check]["detail"]
    assert run_command(settings, "init").returncode == 0
    code, after = doctor(settings)
    assert (code, [each for each in after.values() if each["verdict"] == "fail"]) == (0, [])
    assert after["topics"]["verdict"] == after["schema"]["verdict"] == "ok"
    assert after["ingest"]["verdict"] == "note"
    assert any(check.startswith("kafka disk of broker 1") for check in after), after.keys()
    assert "clickhouse disk default" in after


def test_engines_that_do_not_answer_fail_with_their_setting(settings_for: SettingsFor) -> None:
    nobody = free_port()
    settings = settings_for(
        kafka={"bootstrap": f"127.0.0.1:{nobody}"}, clickhouse={"url": f"http://127.0.0.1:{nobody}"}
    )
    code, found = doctor(settings)
    assert code == 1
    assert "PUSHTOKENS_KAFKA_BOOTSTRAP" in found["kafka"]["detail"]
    assert "PUSHTOKENS_CLICKHOUSE_URL" in found["clickhouse"]["detail"]


def test_embedded_engines_need_not_run(settings_for: SettingsFor) -> None:
    ports = {"kafka": {"bootstrap": "", "port": free_port()}, "clickhouse": {"url": "", "port": free_port()}}
    code, found = doctor(settings_for(**ports))
    assert code == 0
    assert found["kafka"]["verdict"] == found["clickhouse"]["verdict"] == "note"
    assert found["java"]["verdict"] == found["kafka jars"]["verdict"] == found["clickhouse engine"]["verdict"] == "ok"
    assert 'openjdk version "25' in found["java"]["detail"]


def test_missing_jars_are_a_note_since_the_first_start_brings_them(settings_for: SettingsFor, tmp_path: Path) -> None:
    _, found = doctor(settings_for(kafka={"bootstrap": "", "port": free_port()}, local={"cache_dir": str(tmp_path)}))
    assert found["kafka jars"]["verdict"] == "note"
    assert f"{len(pinned())} of {len(pinned())} missing" in found["kafka jars"]["detail"]
    assert list(tmp_path.iterdir()) == []


def test_a_port_held_by_a_stranger_fails_with_its_setting(settings_for: SettingsFor) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen(1)
        port = holder.getsockname()[1]
        code, found = doctor(settings_for(sink={"port": port}))
    assert code == 1
    assert "PUSHTOKENS_SINK_PORT" in found[f"port {port}"]["detail"]


def test_a_directory_that_cannot_be_written_fails(settings_for: SettingsFor) -> None:
    code, found = doctor(settings_for(data_dir="/proc/version/data"))
    assert code == 1
    assert "PUSHTOKENS_DATA_DIR" in found["data directory"]["detail"]


def test_people_get_lines(settings_for: SettingsFor) -> None:
    done = run_command(settings_for(), "doctor")
    assert any(line.startswith("ok    python") for line in done.stdout.splitlines())
    assert any(line.startswith("FAIL  topics") for line in done.stdout.splitlines())


@contextmanager
def role_of(pipeline: str, port: int) -> Iterator[None]:
    """What answers as a sink of that pipeline does, and is not ready."""
    metrics = Metrics()
    metrics.belongs(pipeline)

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = metrics.text() if self.path == "/metrics" else b'{"status": "not ready", "reason": "a cause"}'
            self.send_response(503 if self.path == "/readyz" else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", port), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def test_another_pipelines_role_is_not_taken_for_ones_own(settings_for: SettingsFor) -> None:
    settings = settings_for()
    port = settings.sink.port
    with role_of("other", port):
        _, found = doctor(settings)
    assert found[f"port {port}"]["verdict"] == "fail"
    assert "another pipeline" in found[f"port {port}"]["detail"]
    assert found["sink"] == found["sink"] | {
        "verdict": "note",
        "detail": f"not running: 127.0.0.1:{port} is another pipeline's",
    }
    with role_of(pipeline_id(settings), port):
        _, found = doctor(settings)
    assert found[f"port {port}"]["verdict"] == "ok"
    assert found["sink"]["verdict"] == "fail"
    assert found["sink"]["detail"].endswith("a cause")


def test_another_pipelines_engines_are_not_taken_for_ones_own(settings_for: SettingsFor, clickhouse: str) -> None:
    kafka, engine = (int(text.rpartition(":")[2]) for text in (settings_for().bootstrap, clickhouse))
    code, found = doctor(settings_for(kafka={"bootstrap": "", "port": kafka}, clickhouse={"url": "", "port": engine}))
    assert code == 1
    assert found[f"port {kafka}"]["verdict"] == found[f"port {engine}"]["verdict"] == "fail"
    assert found["kafka"]["verdict"] == found["clickhouse"]["verdict"] == "note"


async def test_lag_and_another_logs_offsets_and_a_changed_schema(settings_for: SettingsFor, clickhouse: str) -> None:
    settings = settings_for()
    assert run_command(settings, "init").returncode == 0
    options, topic = client_options(settings, "test"), topics(settings).reports.name
    async with AIOKafkaProducer(**options) as producer:
        for _ in range(3):
            await producer.send_and_wait(topic, b"no report", partition=0)
    identity = (await read_topics(options, [topic]))[topic].log_id
    await commit(settings, settings.sink.group, 1, identity)
    await commit(settings, settings.compact.group, 1, "another log")
    with ClickHouse(settings) as server:
        server.command("INSERT INTO migrations (number, name, checksum) SELECT 1, 'x', repeat('0', 64)")
    code, found = doctor(settings)
    assert code == 1
    assert "2 records behind" in found["sink group"]["detail"]
    assert "start `pushtokens sink`" in found["sink group"]["detail"]
    assert found["compact group"]["verdict"] == "fail"
    assert "pushtokens adopt-log" in found["compact group"]["detail"]
    assert found["clock of kafka"]["verdict"] == "ok"
    assert found["clickhouse"]["verdict"] == "fail"
    assert "0001_reports" in found["clickhouse"]["detail"]


async def commit(settings: Settings, group: str, offset: int, log_id: str) -> None:
    """As a role of that group would have, on partition 0."""
    text = mark_text(Mark(log_id=log_id))
    if group == settings.compact.group:
        text = json.dumps({"log_id": log_id, "latest_id": log_id, "removals_id": log_id})
    part = TopicPartition(topics(settings).reports.name, 0)
    consumer = AIOKafkaConsumer(**client_options(settings, "test"), group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([part])
        await consumer.commit({part: OffsetAndMetadata(offset, text)})
    finally:
        await consumer.stop()

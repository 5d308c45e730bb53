"""`doctor` tells what is missing, by a line that says what to do, and by its exit code."""

import json
import socket
from pathlib import Path
from typing import Any

from deploy.local.ports import free_port
from schemas.settings import Settings
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
    assert "45 of 45 missing" in found["kafka jars"]["detail"]
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

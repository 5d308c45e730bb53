"""Commands without Kafka say so in a line; on a cluster that never had a consumer group they work at once."""

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from deploy.local.ports import free_port
from processors.migrations import migrate
from tests.conftest import SettingsFor
from tests.engines import make_settings, run_command, running_kafka
from tests.sinking import NOW, prepare, publish, report

LINE = {"selector": "S:1", "received_at": NOW, "calls_token": "token"}


@pytest.mark.parametrize(
    "words",
    [
        ["rebuild"],
        ["adopt-log"],
        ["forget", "--selector", "S:1", "--yes", "--wait", "1"],
        ["import", "FILE"],
        ["release", "S:1"],
    ],
)
def test_a_line_and_no_traceback(words: list[str], settings_for: SettingsFor, clickhouse: str, tmp_path: Path) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    settings = settings_for(kafka={"bootstrap": nowhere})
    migrate(settings)
    path = tmp_path / "tokens.jsonl"
    path.write_text(json.dumps(LINE) + "\n")
    done = run_command(settings, *(str(path) if word == "FILE" else word for word in words))
    assert done.returncode == 1
    assert f"Kafka at {nowhere} does not answer" in done.stderr
    assert "PUSHTOKENS_KAFKA_BOOTSTRAP" in done.stderr
    assert len(done.stderr.splitlines()) == 1


async def test_the_first_group_of_a_cluster(clickhouse: str, tmp_path: Path) -> None:
    """The broker makes its topic for offsets at the first question, and says "not yet" meanwhile."""
    for words in (["rebuild"], ["adopt-log"]):
        with running_kafka(tmp_path / "kafka") as broker:
            settings = make_settings(tmp_path / "data", broker.bootstrap, clickhouse)
            await prepare(settings)
            await publish(settings, [report(number) for number in range(20)])
            done = run_command(settings, *words)
            assert (done.returncode, done.stderr) == (0, "")
            assert "partition 3: " in done.stdout


async def test_another_number_of_partitions_is_said(settings_for: SettingsFor, clickhouse: str) -> None:
    settings = settings_for()
    await prepare(settings)
    for word in ("rebuild", "adopt-log"):
        done = run_command(replace(settings, partitions=8), word)
        assert done.returncode == 1
        assert "has 4 partitions, the settings say 8" in done.stderr
        assert "Traceback" not in done.stderr

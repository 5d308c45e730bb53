"""`examples/console.sh`: Kafka's own console consumer shows what the log says, and not what was given up."""

import asyncio
import os
import subprocess
from pathlib import Path

from deploy.local.jars import jars_dir
from deploy.local.java import java
from schemas.consumer.message import read_message
from schemas.records import Latest
from tests.compaction import read_all
from tests.integration.downstream.conftest import GIVEN_UP, Stage

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "console.sh"
SECONDS = 90.0


async def test_it_shows_the_log(stage: Stage) -> None:
    topic = stage.names.latest.name
    count = len(await read_all(stage.settings, topic))
    command = [str(EXAMPLE), topic, stage.settings.bootstrap, "--max-messages", str(count), "--timeout-ms", "30000"]
    done = await asyncio.to_thread(
        subprocess.run,
        command,
        env=os.environ | {"JAVA": str(java()), "KAFKA_JARS": str(jars_dir())},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    assert f"Processed a total of {count} messages" in done.stderr
    lines = [line.split("\t", 3) for line in done.stdout.splitlines()]
    assert len(lines) == count
    kept: dict[str, Latest] = {}
    gone = 0
    for _, _, selector, text in sorted(lines, key=lambda line: (line[0], int(line[1].removeprefix("Offset:")))):
        value = None if text == "null" else text.encode()
        record = read_message("latest", selector.encode(), value)
        kept.pop(selector, None)
        if isinstance(record, Latest):
            kept[selector] = record
        else:
            gone += 1
    expected = (await stage.model()).latest()
    assert gone and GIVEN_UP not in kept
    assert kept.keys() == expected.keys()
    for selector, record in kept.items():
        calls = expected[selector]["calls"]
        assert (record.calls.token if record.calls else None) == (calls["token"] if calls else None)

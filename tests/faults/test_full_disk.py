"""A full disk of each role and engine: decided in docs/operations.md, "A full disk", and tried here.

Nobody may fill a real disk in a test, and a small one needs root to mount. A limit of file size (RLIMIT_FSIZE, set on
the running process) makes every write beyond it fail as on a full disk, with EFBIG instead of ENOSPC; `/dev/full`
stands for the disk of a log.
"""

import asyncio
import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aiokafka.errors import KafkaError
from msgspec.structs import replace

from deploy.init import init
from deploy.local.kafka import LocalKafka
from deploy.topic_setup import set_up_topics
from processors.compactor.exit_codes import FAILED
from tests.compaction import Feed, Worker, differences, wait_applied
from tests.conftest import SettingsFor
from tests.engines import (
    START_SECONDS,
    command,
    command_environment,
    make_settings,
    running_clickhouse,
    running_kafka,
    start_command,
)
from tests.ingress import ask, check_promise, get, running_ingress, selector_of, status_of
from tests.poll import until
from tests.sinking import metric, pairs, publish, ready, report, tally

FULL = 4096  # bytes a file may have: less than each file that is being written has already


@contextmanager
def full_disk(pid: int | None) -> Iterator[None]:
    """While in here, no file of this process grows beyond `FULL`."""
    assert pid is not None
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (FULL, hard))
    try:
        yield
    finally:
        if Path(f"/proc/{pid}").exists():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_compactor_without_room_ends_and_goes_on_when_there_is_some(
    settings_for: SettingsFor, tmp_path: Path
) -> None:
    settings = settings_for()
    await set_up_topics(settings)
    async with Feed(settings, 3, selectors=300) as feed:
        await feed.write(600)
    worker = Worker(settings, tmp_path / "workers", "w").start()
    await wait_applied(settings)
    async with Feed(settings, 4, selectors=300):
        with full_disk(worker.process.pid):
            assert await asyncio.to_thread(worker.process.wait, 60.0), "it ends"
    assert worker.process.exit_code == FAILED
    # What the log of a full disk says cannot be looked for: it is on that disk here, too.
    again = Worker(settings, tmp_path / "workers", "w").start()
    await wait_applied(settings)
    await asyncio.to_thread(again.stop)
    assert await differences(settings) == []


async def test_a_sink_waits_for_a_clickhouse_without_room_and_no_row_is_there_twice(
    settings_for: SettingsFor, tmp_path: Path
) -> None:
    with running_clickhouse(tmp_path / "clickhouse") as engine:
        made = settings_for(sink={"batch_seconds": 0.2})
        settings = replace(made, clickhouse=replace(made.clickhouse, url=engine.url))
        await init(settings)
        reports = [report(number) for number in range(3000)]
        sink = start_command(settings, tmp_path / "sink.log", "sink")
        try:
            until(lambda: ready(settings), "the sink is ready")
            await publish(settings, reports[:500])
            until(lambda: tally(settings).rows == 500, "the first rows are there", 30.0)
            with full_disk(engine.pid):
                await publish(settings, reports[500:])
                until(lambda: metric(settings, "pushtokens_sink_retries_total") >= 2, "the sink tries again", 60.0)
                assert not ready(settings)
                assert sink.running
            until(lambda: tally(settings).rows >= len(reports), "every row is there", 60.0)
        finally:
            sink.stop(20.0)
        found = tally(settings)
        assert (found.rows, found.places, found.lifetimes) == (len(reports), len(reports), pairs(reports))


async def test_a_broker_without_room_ends_and_no_promise_is_broken(tmp_path: Path) -> None:
    with running_kafka(tmp_path / "kafka") as broker:
        settings = make_settings(tmp_path / "data", broker.bootstrap, "http://127.0.0.1:1")
        await set_up_topics(settings)
        with running_ingress(settings, tmp_path / "ingress.log") as ingress:
            answers: dict[str, int | None] = {}

            def send(number: int) -> int:
                selector = selector_of(number)
                target = f"/token/?selector={selector}&token_calls=t{number}"
                answers[selector] = status_of(ask(ingress.port, get(target)))
                return answers[selector] or 0

            assert [send(number) for number in range(60)] == [200] * 60
            with full_disk(broker.pid):
                until(lambda: send(len(answers)) == 503, "a report is refused", 30.0)
                until(lambda: not broker.running, "the broker ends: its only log directory failed", 30.0)
                assert send(len(answers)) == 503
                assert not ingress.ready()
            restart(broker)
            until(lambda: send(len(answers)) == 200, "reports are taken again", 60.0, bearing=(OSError,))
        await check_promise(settings, answers)


def restart(broker: LocalKafka) -> None:
    broker.kill()
    broker.start(START_SECONDS)


def test_a_role_whose_log_has_no_room_goes_on_and_stops_as_it_should(settings_for: SettingsFor) -> None:
    settings = settings_for()
    asyncio.run(set_up_topics(settings))
    with Path("/dev/full").open("wb") as full:
        role = subprocess.Popen(
            command("ingest"), stdout=full, stderr=full, env=os.environ | command_environment(settings)
        )
    try:
        target = f"/token/?selector={selector_of(1)}&token_calls=t1"
        until(
            lambda: status_of(ask(settings.ingest.port, get(target))) == 200,
            "a report is taken",
            30.0,
            bearing=(OSError, KafkaError, ValueError, IndexError),
        )
        refused = status_of(ask(settings.ingest.port, get("/token/?nothing=1")))
        assert refused == 400  # which writes a line
        role.send_signal(signal.SIGTERM)
        assert role.wait(30.0) == 0
    finally:
        role.kill()
        role.wait()

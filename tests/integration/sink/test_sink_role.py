"""The sink's role against real Kafka and the real ClickHouse engine."""

from pathlib import Path

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from msgspec.structs import replace

from deploy.local.process import Process
from processors.clickhouse import ClickHouse
from processors.sink.role import DONE, WRONG_LOG
from schemas.kafka_client import client_options
from schemas.partition import partition_of
from schemas.records import encode
from schemas.settings import Settings
from schemas.topics import topics
from tests.conftest import SettingsFor
from tests.engines import start_command
from tests.poll import until, until_async
from tests.sinking import lives, lives_of, metric, pairs, prepare, publish, ready, report, tally

TAIL_SECONDS = 20.0  # batch_seconds and a poll, with both cores busy


def _arrived(settings: Settings, rows: int) -> bool:
    return tally(settings).rows >= rows


def _stopped(sink: Process) -> int | None:
    sink.stop(20.0)
    return sink.exit_code


async def test_good_and_bad_records(settings_for: SettingsFor, clickhouse: str, tmp_path: Path) -> None:
    settings = settings_for(sink={"batch_seconds": 0.3})
    await prepare(settings)
    good = [report(number) for number in range(2000)]
    bad = [b"not json", b"{}", b'{"schema_version":1}']
    sink = start_command(settings, tmp_path / "sink.log", "sink")
    try:
        until(lambda: ready(settings), "the sink is ready")
        await publish(settings, [*good[:1000], *bad, *good[1000:]])
        until(lambda: _arrived(settings, 2000), "every good record has a row", TAIL_SECONDS)
        until(lambda: metric(settings, 'pushtokens_sink_left_out_total{why="bad"}') == 3, "the bad ones are counted")
        until(lambda: metric(settings, "pushtokens_sink_lag_records") == 0, "nothing is left")
    finally:
        sink.stop(20.0)
    found = tally(settings)
    assert (found.rows, found.places, found.lifetimes) == (2000, 2000, pairs(good))


async def test_rows_say_what_was_reported(settings_for: SettingsFor, clickhouse: str, tmp_path: Path) -> None:
    settings = settings_for(sink={"batch_seconds": 0.2})
    await prepare(settings)
    sent = report(7)
    sink = start_command(settings, tmp_path / "sink.log", "sink")
    try:
        await publish(settings, [sent])
        until(lambda: _arrived(settings, 1), "the row is there", TAIL_SECONDS)
    finally:
        assert _stopped(sink) == DONE
    with ClickHouse(settings) as clickhouse_:
        (row,) = clickhouse_.query("SELECT * FROM reports").dicts()
    assert row["selector"] == sent.selector
    assert row["calls_token"] == sent.calls.token if sent.calls else ""
    assert round(row["received_at"].timestamp() * 1000) == sent.received_at
    assert (row["kafka_offset"], row["origin"], row["install_id"]) == (0, "app", "")


async def test_what_is_gathered_is_sunk_at_the_end(settings_for: SettingsFor, clickhouse: str, tmp_path: Path) -> None:
    settings = settings_for(sink={"batch_seconds": 600.0})
    await prepare(settings)
    await publish(settings, [report(number) for number in range(50)])
    sink = start_command(settings, tmp_path / "sink.log", "sink")
    until(lambda: ready(settings), "the sink is ready")
    until(lambda: metric(settings, "pushtokens_sink_buffered_bytes") > 0, "records are gathered")
    assert tally(settings).rows == 0
    assert _stopped(sink) == DONE
    assert tally(settings).rows == 50


async def test_misrouted_rows_are_left_out_and_the_rest_lands(
    settings_for: SettingsFor, clickhouse: str, tmp_path: Path
) -> None:
    settings = settings_for(sink={"batch_seconds": 0.3})
    await prepare(settings)
    good = [report(number) for number in range(300)]
    await publish(settings, good)
    await _publish_to_wrong_partition(settings)
    sink = start_command(settings, tmp_path / "sink.log", "sink")
    try:
        until(lambda: _arrived(settings, 300), "the others have rows", TAIL_SECONDS)
        until(
            lambda: metric(settings, 'pushtokens_sink_left_out_total{why="refused"}') == 1,
            "the misrouted one is counted",
        )
    finally:
        sink.stop(20.0)
    found = tally(settings)
    assert (found.rows, found.places) == (300, 300)


async def _publish_to_wrong_partition(settings: Settings) -> None:
    producer = AIOKafkaProducer(**client_options(settings, "test"), acks="all")
    await producer.start()
    try:
        one = report(1)
        wrong = (partition_of(one.selector.encode(), settings.partition_count) + 1) % settings.partition_count
        await producer.send_and_wait(
            topics(settings).reports.name, encode(one), key=one.selector.encode(), partition=wrong
        )
    finally:
        await producer.stop()


async def test_a_recreated_topic_stops_it(settings_for: SettingsFor, clickhouse: str, tmp_path: Path) -> None:
    settings = settings_for(sink={"batch_seconds": 0.2})
    await prepare(settings)
    await publish(settings, [report(number) for number in range(20)])
    sink = start_command(settings, tmp_path / "sink.log", "sink")
    until(lambda: _arrived(settings, 20), "the rows are there", TAIL_SECONDS)
    assert _stopped(sink) == DONE
    admin = AIOKafkaAdminClient(**client_options(settings, "test"))
    await admin.start()
    try:
        await admin.delete_topics([topics(settings).reports.name])
    finally:
        await admin.close()
    await _prepare_again(settings)
    again = start_command(settings, tmp_path / "again.log", "sink")
    until(lambda: not again.running, "the sink stops", TAIL_SECONDS)
    assert again.exit_code == WRONG_LOG
    assert "adopt-log" in again.tail()
    assert tally(settings).rows == 20


async def test_kafka_forgot_the_offsets(settings_for: SettingsFor, clickhouse: str, tmp_path: Path) -> None:
    """Another group has never committed: to it, everything is as if Kafka had forgotten. Killed in the middle, too."""
    settings = settings_for(sink={"batch_seconds": 0.2})
    await prepare(settings)
    sent = [report(number) for number in range(3000)]
    await publish(settings, sent[:2000])
    sink = start_command(settings, tmp_path / "sink.log", "sink")
    until(lambda: _arrived(settings, 2000), "the rows are there", TAIL_SECONDS)
    assert _stopped(sink) == DONE
    forgotten = replace(settings, sink=replace(settings.sink, group=f"{settings.sink.group}-2", batch_records=100))
    killed = start_command(forgotten, tmp_path / "killed.log", "sink")
    until(lambda: ready(forgotten), "the new group is at work", TAIL_SECONDS)
    killed.kill()
    await publish(settings, sent[2000:])
    again = start_command(forgotten, tmp_path / "again.log", "sink")
    until(lambda: _arrived(settings, 3000), "the rest is there", 2 * TAIL_SECONDS)
    until(lambda: metric(forgotten, "pushtokens_sink_lag_records") == 0, "all is read again", 2 * TAIL_SECONDS)
    assert _stopped(again) == DONE
    found = tally(settings)
    assert (found.rows, found.places, found.lifetimes) == (3000, 3000, pairs(sent))


async def test_lost_rows_come_back_when_the_group_is_deleted(
    settings_for: SettingsFor, clickhouse: str, tmp_path: Path
) -> None:
    """The remedy of docs/operations.md, twice over: rows are gone from the middle and the end, and the lifetimes with
    them; a sink whose group knows nothing counts what is there, inserts the rest and feeds the lifetimes again."""
    settings = settings_for(sink={"batch_seconds": 0.2})
    await prepare(settings)
    sent = [report(number) for number in range(3000)]
    await publish(settings, sent)
    for turn, lost in enumerate(("", "kafka_offset % 7 = 0", "kafka_offset % 5 = 0 OR kafka_offset > 600")):
        if lost:
            with ClickHouse(settings) as clickhouse_:
                clickhouse_.command(f"ALTER TABLE reports DELETE WHERE {lost}", {}, {"mutations_sync": 2})
                clickhouse_.command("TRUNCATE TABLE token_lifetimes_rollup")
            assert tally(settings).rows < 3000
        group = f"{settings.sink.group}-{turn}"
        sink = start_command(replace(settings, sink=replace(settings.sink, group=group)), tmp_path / "sink.log", "sink")
        until(lambda: _arrived(settings, 3000), "all rows are there", 2 * TAIL_SECONDS)
        until(lambda: metric(settings, "pushtokens_sink_lag_records") == 0, "all is read", 2 * TAIL_SECONDS)
        assert _stopped(sink) == DONE
        found = tally(settings)
        assert (found.rows, found.places) == (3000, 3000)
        assert lives(settings) == lives_of(sent)


async def _prepare_again(settings: Settings) -> None:
    async def made() -> bool:
        await prepare(settings)
        return True

    await until_async(made, "the topics are made again", bearing=(KafkaError,))

"""The doctor's judgement: each fault, from its facts, gives a finding that says the cure."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from deploy.checkup.facts import ClickHouseFacts, Group, KafkaFacts, Newest, Replicas
from deploy.checkup.finding import Disk
from deploy.checkup.judge import (
    judge_broker_clock,
    judge_clickhouse,
    judge_disk,
    judge_group,
    judge_kafka,
    judge_replicas,
    records,
    span,
)
from deploy.checkup.neighbours import up_is_running, whose
from deploy.local.data_dir import DataDir
from deploy.local.probe import parse
from processors.sink.metrics import Metrics
from schemas.pipeline_id import pipeline_id
from schemas.settings import ClickHouse, Kafka, Settings

NOW = 1_800_000_000.0
GROUP = Group(role="sink", name="g", members=1, lag=0, oldest=None, trouble=None)
PARTITION = Replicas(topic="t", partition=0, led=True, replicas=3, in_sync=3, needed=2)
CALM = ClickHouseFacts(ahead=0.0, doubt=0.0, disks=(), read_only=())


@pytest.mark.parametrize(
    ("group", "verdict", "says"),
    [
        (GROUP, "ok", "nothing waits"),
        (replace(GROUP, lag=3, oldest=NOW - 2), "ok", "3 records behind, the oldest for 2.0 s"),
        (replace(GROUP, lag=1, oldest=NOW - 90), "fail", "1 record behind"),
        (replace(GROUP, lag=1, oldest=NOW - 90), "fail", "start another `pushtokens sink`"),
        (replace(GROUP, members=0), "note", "nobody is at work: start `pushtokens sink`"),
        (replace(GROUP, members=0, lag=9, oldest=NOW - 2), "note", "start `pushtokens sink`"),
        (replace(GROUP, members=0, lag=9, oldest=NOW - 7200), "fail", "2.0 h; nobody is at work"),
        (replace(GROUP, trouble="made again: `pushtokens adopt-log`"), "fail", "adopt-log"),
        (replace(GROUP, lag=1, oldest=NOW + 50), "ok", "for 0.0 s"),
    ],
)
def test_a_group(group: Group, verdict: str, says: str) -> None:
    found = judge_group(group, NOW)
    assert (found.check, found.verdict) == ("sink group", verdict)
    assert says in found.detail


@pytest.mark.parametrize(
    ("partition", "verdict", "says"),
    [
        (replace(PARTITION, led=False, in_sync=0), "fail", "no leader: start the brokers"),
        (replace(PARTITION, in_sync=1), "fail", "too few replicas in sync to be written to (503)"),
        (replace(PARTITION, in_sync=2), "note", "not all replicas in sync"),
    ],
)
def test_replicas(partition: Replicas, verdict: str, says: str) -> None:
    (found,) = judge_replicas([PARTITION, partition, replace(partition, partition=1)])
    assert found.verdict == verdict
    assert says in found.detail
    assert "t (2)" in found.detail
    assert list(judge_replicas([PARTITION])) == []


@pytest.mark.parametrize(
    ("newest", "verdict", "says"),
    [
        ([], "note", "no report yet"),
        ([Newest(appended=NOW - 9000, received=NOW - 9000.1)], "ok", "not ahead"),
        ([Newest(appended=NOW - 9, received=None)], "ok", "not ahead"),
        ([Newest(appended=NOW + 2, received=NOW)], "note", "a broker is 2.0 s ahead of this machine"),
        ([Newest(appended=NOW + 20, received=NOW)], "fail", "take the time from the same servers"),
        ([Newest(appended=NOW - 90, received=NOW - 88)], "note", "an ingress is 2.0 s ahead of its broker"),
        ([Newest(appended=NOW - 90, received=NOW - 20)], "fail", "an ingress is 70 s ahead"),
        ([Newest(appended=NOW - 90, received=NOW - 100)], "note", "10 s after they came"),
    ],
)
def test_the_brokers_clock(newest: list[Newest], verdict: str, says: str) -> None:
    found = judge_broker_clock(newest, NOW, late_after=5.0)
    assert found.verdict == verdict
    assert says in found.detail


@pytest.mark.parametrize(
    ("facts", "verdict", "says"),
    [
        (CALM, "ok", "0.0 s behind this machine"),
        (replace(CALM, ahead=2.0), "note", "2.0 s ahead of this machine: let all machines"),
        (replace(CALM, ahead=-30.0), "fail", "30 s behind this machine"),
        (replace(CALM, ahead=3.0, doubt=2.5), "ok", "3.0 s ahead"),
    ],
)
def test_clickhouses_clock(facts: ClickHouseFacts, verdict: str, says: str) -> None:
    (found,) = judge_clickhouse(facts)
    assert found.verdict == verdict
    assert says in found.detail


@pytest.mark.parametrize(
    ("free", "total", "verdict", "says"),
    [
        (90_000_000_000, 100_000_000_000, "ok", "90.0 of 100 GB free"),
        (1_000_000_000, 100_000_000_000, "note", "1.0 of 100 GB free: do this"),
        (100_000_000, 100_000_000_000, "fail", "0.1 of 100 GB free: do this"),
        (0, 0, "ok", "no limit"),
    ],
)
def test_a_disk(free: int, total: int, verdict: str, says: str) -> None:
    found = judge_disk("d", Disk(name="d", free=free, total=total), "do this")
    assert found.verdict == verdict
    assert says in found.detail


def test_full_disks_and_read_only_replicas_of_clickhouse() -> None:
    facts = replace(CALM, disks=(Disk(name="default", free=1, total=9_000_000_000),), read_only=("reports",))
    _, disk, replica = judge_clickhouse(facts)
    assert (disk.check, disk.verdict) == ("clickhouse disk default", "fail")
    assert "PUSHTOKENS_CLICKHOUSE_TTL_DAYS" in disk.detail
    assert replica.verdict == "fail"
    assert "Keeper" in replica.detail


def test_everything_of_kafka_is_judged() -> None:
    facts = KafkaFacts(
        now=NOW,
        replicas=(PARTITION,),
        groups=(GROUP, replace(GROUP, role="compact")),
        newest=(),
        disks=(Disk(name="d", free=1, total=2),),
    )
    assert [found.check for found in judge_kafka(facts, 5.0)] == [
        "sink group",
        "compact group",
        "clock of kafka",
        "kafka disk d",
    ]


def test_texts_for_people() -> None:
    assert [records(0), records(1), records(2000)] == ["0 records", "1 record", "2,000 records"]
    lengths = [span(seconds) for seconds in (0.04, 12.0, 200.0, 7200.0, 200_000.0)]
    assert lengths == ["0.0 s", "12 s", "3.3 min", "2.0 h", "2 d"]


def test_a_role_says_which_pipeline_it_is_of() -> None:
    metrics = Metrics()
    assert whose(parse(metrics.text().decode())) is None
    metrics.belongs("abc")
    assert whose(parse(metrics.text().decode())) == "abc"


def test_pipelines_differ_by_kafka_topics_and_database_and_embedded_ones_by_their_directory() -> None:
    one = Settings()
    other = replace(one, data_dir="elsewhere")
    served = replace(one, kafka=Kafka(bootstrap="k:9092"), clickhouse=ClickHouse(url="http://c:8123"))
    prefixed = replace(served, kafka=Kafka(bootstrap="k:9092", topic_prefix="x"))
    base = replace(served, clickhouse=ClickHouse(url="http://c:8123", database="x"))
    assert len({pipeline_id(each) for each in (one, other, served, prefixed, base)}) == 5
    assert pipeline_id(served) == pipeline_id(replace(served, data_dir="elsewhere"))


def test_an_up_is_seen_by_the_directory_that_it_holds(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path / "data"))
    assert not up_is_running(settings)
    with DataDir(settings.data_dir):
        assert up_is_running(settings)
    assert not up_is_running(settings)

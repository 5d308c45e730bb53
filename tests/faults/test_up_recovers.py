"""The real pipeline under `up` while its processes are killed: what got a 200 is everywhere, once; the rest goes on."""

import os
import random
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from processors.clickhouse import AwayError
from schemas.records import decode_report
from schemas.topics import topics
from tests.pipeline import Pipeline, read_topic, running_pipeline
from tests.poll import elapse, until

SOAK = bool(os.environ.get("SOAK"))
ROUNDS = 8 if SOAK else 2
RECOVERED = 120.0  # seconds until everything is ready again: Kafka's restart, and the sessions of the killed
MARKS = {
    "kafka": "kafka.Kafka",
    "clickhouse": "clickhouse_server",
    **{role: f"deploy.cli.main {role}" for role in ("ingest", "compact", "sink", "dashboard")},
}


class Phones:
    """Reports, one after the other, each of a selector of its own, until stopped; remembers which got a 200."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.accepted: list[str] = []
        self.refused = 0
        self._url = pipeline.url("ingest", "/token/")
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Phones":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join(60.0)

    def wait_for_more(self, count: int) -> None:
        """Wait until `count` more reports got a 200."""
        until(partial(self._has, len(self.accepted) + count), f"{count} more reports are taken", RECOVERED)

    def _has(self, count: int) -> bool:
        return len(self.accepted) >= count

    def _run(self) -> None:
        number = 0
        with httpx.Client(timeout=10.0) as client:
            while not self._enough.wait(0.005):
                number += 1
                selector = f"{number:040X}:00000001"
                query = {"selector": selector, "token_calls": f"dG9rZW4{number}", "appid_calls": "com.example.app"}
                try:
                    status = client.get(self._url, params=query).status_code
                except httpx.HTTPError:
                    status = 0
                if status == 200:
                    self.accepted.append(selector)
                else:
                    self.refused += 1


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    with running_pipeline(tmp_path) as running:
        yield running


def children(pipeline: Pipeline) -> dict[str, int]:
    """The pipeline's processes: name to id (workers of a role and its engines' helpers aside)."""
    found: dict[str, int] = {}
    for line in pipeline.left_behind():
        pid, _, command = line.partition(": ")
        for name, mark in MARKS.items():
            if mark in command and "tether.py" not in command:
                found.setdefault(name, int(pid))
    return found


class NotReadyError(Exception):
    """Says what a role answers that is not ready."""


def ready(pipeline: Pipeline) -> bool:
    for role in ("ingest", "lookup", "sink", "dashboard"):
        answer = httpx.get(pipeline.url(role, "/readyz"), timeout=3.0)
        if answer.status_code != 200:
            raise NotReadyError(f"{role}: {answer.text}")
    return True


async def test_kills_lose_nothing_and_double_nothing(pipeline: Pipeline) -> None:
    seed = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 1 << 30)
    sys.stdout.write(f"SEED={seed}\n")  # pytest shows it when the test fails
    chance = random.Random(seed)
    victims = [*chance.sample(sorted(MARKS), len(MARKS)), *chance.choices(sorted(MARKS), k=3 * ROUNDS)]
    with Phones(pipeline) as phones:
        for number in range(ROUNDS):
            phones.wait_for_more(100)
            attack(pipeline, sorted(set(victims[3 * number : 3 * number + 3])), chance)
            phones.wait_for_more(20)
    await everything_agrees(pipeline, phones)


def attack(pipeline: Pipeline, names: list[str], chance: random.Random) -> None:
    """Kill these processes one after the other and wait until the pipeline is whole and ready again."""
    sys.stdout.write(f"kill -9: {', '.join(names)}\n")
    before = children(pipeline)
    for name in names:
        os.kill(before[name], signal.SIGKILL)
        elapse(chance.uniform(0, 0.5), "kills at random moments of each other's recovery")
    until(lambda: set(children(pipeline)) == set(MARKS), f"all run again after {names}", RECOVERED)
    until(lambda: ready(pipeline), f"ready again after {names}", RECOVERED, bearing=(httpx.HTTPError, NotReadyError))
    after = children(pipeline)
    assert {name for name in MARKS if after[name] != before[name]} == set(names)


async def everything_agrees(pipeline: Pipeline, phones: Phones) -> None:
    records = await read_topic(pipeline.settings, topics(pipeline.settings).reports)
    in_topic = Counter(decode_report(record.value or b"").selector for record in records)
    assert [selector for selector in phones.accepted if in_topic[selector] != 1] == []
    # More than that are only requests that were broken off or got a 503.
    assert sum(in_topic.values()) <= len(phones.accepted) + phones.refused
    until(lambda: _counted(pipeline)[0] >= len(records), "the sink's end", RECOVERED, bearing=(AwayError,))
    assert _counted(pipeline) == (len(records), len(records))
    rows = pipeline.rows("SELECT selector, count() AS n FROM reports GROUP BY selector")
    assert {row["selector"]: row["n"] for row in rows} == in_topic

    def known() -> bool:
        return all(pipeline.lookup(selector) is not None for selector in phones.accepted[-20:])

    until(known, "the lookup to know the newest", RECOVERED, bearing=(httpx.HTTPError,))
    for selector in phones.accepted[:: max(1, len(phones.accepted) // 50)]:
        found = pipeline.lookup(selector)
        assert found is not None
        assert found["calls"]["token"] == f"dG9rZW4{int(selector.split(':')[0], 16)}"


def _counted(pipeline: Pipeline) -> tuple[int, int]:
    (row,) = pipeline.rows("SELECT count() AS n, uniqExact(log_id, kafka_partition, kafka_offset) AS d FROM reports")
    return int(row["n"]), int(row["d"])

"""The compactor under attack. After any sequence of kills, pauses, rebalances and broker restarts the topics hold what
the reference model of the log holds, every change is there exactly once, and the offsets reach the end of the log."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from deploy.local.kafka import LocalKafka
from deploy.topic_setup import set_up_topics
from schemas.settings import Settings
from tests.compaction import Feed, Worker, differences, wait_applied
from tests.compactor_worker import STEPS
from tests.engines import make_settings, running_kafka
from tests.poll import elapse_async, until_async

SOAK = bool(os.environ.get("SOAK"))
SEEDS = [int(os.environ.get("FAULT_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)]
ROUNDS = 40 if SOAK else 6
PAUSE_SECONDS = 9.0  # past the session timeout of 6 s, so that another worker has taken over


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """A broker of our own: it is killed in here."""
    with running_kafka(tmp_path_factory.mktemp("compactor-kafka")) as running:
        yield running


@pytest.fixture
async def settings(broker: LocalKafka, tmp_path: Path) -> Settings:
    """Settings with topics that exist."""
    made = make_settings(tmp_path / "data", broker.bootstrap, "http://127.0.0.1:1", log={"level": "INFO"})
    await set_up_topics(made)
    return made


class Crew:
    """The workers of one test."""

    def __init__(self, settings: Settings, directory: Path) -> None:
        self._settings, self._directory = settings, directory
        self.workers: list[Worker] = []

    def start(self, name: str, *order: str) -> Worker:
        """Start a worker; a name that was used before finds its store again."""
        worker = Worker(self._settings, self._directory, name, *order).start()
        self.workers.append(worker)
        return worker

    def living(self) -> list[Worker]:
        """Those that run."""
        self.workers = [worker for worker in self.workers if worker.running]
        return self.workers

    def end(self) -> None:
        """Kill them all."""
        for worker in self.living():
            worker.process.kill()


@pytest.fixture
def crew(settings: Settings, tmp_path: Path) -> Iterator[Crew]:
    """Workers that are gone when the test is over."""
    made = Crew(settings, tmp_path / "workers")
    yield made
    made.end()


def answer(ask: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    """A question as a coroutine function, for `until_async`."""

    async def asked() -> bool:
        return ask()

    return asked


def applied(worker: Worker) -> float:
    """How many records a worker has applied."""
    return worker.metrics().get("pushtokens_compactor_records_total", 0.0)


@pytest.mark.timeout(3600 if SOAK else 400)
@pytest.mark.parametrize("seed", SEEDS)
async def test_random_kills_pauses_and_rebalances(
    settings: Settings, crew: Crew, broker: LocalKafka, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Random disasters under load, two to three workers; with SOAK=1 forty of them. FAULT_SEED repeats a run."""
    story = [f"FAULT_SEED={seed}"]
    with capsys.disabled():
        sys.stdout.write(f"\n{story[0]}\n")
    dice = random.Random(seed)
    number = 2
    for worker in (crew.start("w0"), crew.start("w1")):
        await asyncio.to_thread(worker.wait_ready)
    async with Feed(settings, seed) as feed:
        for _ in range(ROUNDS):
            await elapse_async(dice.uniform(0.5, 4.0), "the moment of the next disaster is random")
            event = dice.choice(("kill", "kill", "term", "pause", "join", "step", "broker"))
            story.append(f"{event} at {feed.written} records, {len(crew.living())} workers")
            if event == "broker":
                broker.kill()  # from this thread, which outlives it (deploy/local/tether.py)
                broker.start(120.0)
            elif event == "join" and len(crew.living()) < 3:
                number += 1
                crew.start(f"w{number}")
            else:
                await disaster(event, crew, dice)
            while len(crew.living()) < 2:  # a crew of one learns nothing of rebalances
                name = dice.choice((f"w{number}", f"w{number + 1}", "w0"))
                number += 1
                if name not in {worker.name for worker in crew.workers}:
                    crew.start(name)
        await feed.stop()
        await wait_applied(settings, 180.0)
    for worker in crew.living():
        worker.stop()
    assert await differences(settings) == [], "\n".join(story)


async def disaster(event: str, crew: Crew, dice: random.Random) -> None:
    """One disaster for one worker."""
    victim = dice.choice(crew.living())
    if event == "term":
        await asyncio.to_thread(victim.stop)
    elif event == "pause":
        victim.signal(signal.SIGSTOP)
        await elapse_async(PAUSE_SECONDS, "past the session timeout, while the others take over")
        victim.signal(signal.SIGCONT)
    elif event == "step":
        order = f"kill:{dice.choice(STEPS)}:{dice.randrange(1, 20)}"
        crew.start(f"step-{dice.randrange(10**6)}", order)
    else:
        victim.process.kill()


@pytest.mark.timeout(300)
async def test_killed_between_each_two_writes(settings: Settings, crew: Crew) -> None:
    """A worker dies after every step of a batch in turn, and the next one, on the same store, goes on."""
    async with Feed(settings, seed=11) as feed:
        for count, step in enumerate(STEPS, 2):
            worker = crew.start("same", f"kill:{step}:{count}")
            await asyncio.to_thread(worker.wait_killed)
        crew.start("same")
        await feed.stop()
        await wait_applied(settings)
    crew.end()
    assert await differences(settings) == []


@pytest.mark.timeout(300)
async def test_killed_with_a_batch_merged_ahead_of_the_one_under_way(settings: Settings, tmp_path: Path) -> None:
    """Between two transactions of a partition: one is on its way to Kafka, the next is merged on top of it."""
    small = msgspec.structs.replace(settings, compact=msgspec.structs.replace(settings.compact, max_batch=50))
    crew = Crew(small, tmp_path / "small")
    try:
        for count in (1, 4, 13):
            async with Feed(small, seed=14 + count) as feed:
                await feed.write(4000)
            await asyncio.to_thread(crew.start("same", f"kill:ahead:{count}").wait_killed)
        crew.start("same")
        await wait_applied(small)
    finally:
        crew.end()
    assert await differences(small) == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("step", STEPS if SOAK else ("state", "committed"))
async def test_frozen_in_a_batch_while_another_takes_over(settings: Settings, crew: Crew, step: str) -> None:
    """A worker freezes inside a batch past its session, another takes over and goes on, and the first one wakes up."""
    async with Feed(settings, seed=12) as feed:
        frozen = crew.start("frozen", f"stop:{step}:5")
        await until_async(answer(lambda: frozen.frozen), f"frozen at {step}", 60.0)
        other = crew.start("other")
        await asyncio.to_thread(other.wait_ready)
        await until_async(answer(lambda: applied(other) > 1000), "the other one has gone on for a while", 60.0)
        frozen.signal(signal.SIGCONT)
        await elapse_async(3.0, "the woken one does what it has in hand")
        await feed.stop()
        await wait_applied(settings)
    for worker in crew.living():
        worker.stop()
    assert await differences(settings) == []


@pytest.mark.timeout(300)
async def test_this_suite_notices_a_broken_order(settings: Settings, crew: Crew) -> None:
    """With the offset committed before the state, the same comparison finds what was lost."""
    async with Feed(settings, seed=13) as feed:
        for _ in range(3):
            await asyncio.to_thread(crew.start("broken", "offset-first").wait_killed)
        await feed.stop()
        crew.start("sound").wait_ready()
        await wait_applied(settings)
    crew.end()
    found = await differences(settings)
    assert any("differ" in line for line in found), found

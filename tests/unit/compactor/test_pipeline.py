"""Merging ahead of the transaction under way comes to the same as one batch after the other, whatever fails when."""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processors.compactor import ownership, warmer, warming
from processors.compactor.copy import Copy, Identities
from processors.compactor.flight import Flight
from processors.compactor.intake import Batch
from processors.compactor.known import Known
from processors.compactor.memory_store import MemoryStore
from processors.compactor.messages import Output
from processors.compactor.offsets import Committed, mark_of
from processors.compactor.ownership import Ownership
from processors.compactor.tail import Ends
from processors.compactor.writer import Ends as Written
from processors.compactor.writer import FencedError, TransactionError
from tests.poll import turn
from tests.unit.compactor.batches import sent
from tests.unit.compactor.logs import LOG_ID, RULES, T0, Entry, compact, entry, logs, report

IDENTITIES = Identities(reports=LOG_ID, latest="L", removals="R")
FINE, BEFORE, AFTER, FENCED = "fine", "not committed", "committed, but nobody knows", "fenced"


class Kafka:
    """The topics of one partition, the group's offset, and how the next transactions go; also its own clients."""

    def __init__(self, log: Sequence[Entry], sizes: Sequence[int], fates: Sequence[str]) -> None:
        self.log, self.sizes, self.fates = list(log), deque(sizes), deque(fates)
        self.latest: list[Entry] = []
        self.removals: list[Entry] = []
        self.changes: list[Any] = []
        self.rejected: list[Any] = []
        self.offset: int | None = None
        self.position = 0  # where the consumer of `reports` reads
        self.writers = self.ahead = 0

    # The transactional producer.

    async def open(self) -> None:
        self.writers += 1

    async def close(self) -> None:
        await turn()

    async def commit(self, output: Output, next_offset: int, mark: str) -> Written:
        fate = self.fates.popleft() if self.fates else FINE
        for _ in range(7):
            await turn()
        if fate == FENCED:
            raise FencedError("fenced")
        if fate != BEFORE:
            changes, rejected, latest, removals = output.packed or output.pack()
            self.changes += [one.value for one in sent(changes)]
            self.rejected += [one.value for one in sent(rejected)]
            for topic, batches in ((self.latest, latest), (self.removals, removals)):
                topic += [Entry(len(topic) + at, T0, one.key, one.value) for at, one in enumerate(sent(batches))]
            self.offset = next_offset
            await turn()
        if fate != FINE:
            raise TransactionError(fate)
        return Written(len(self.latest), len(self.removals))

    # The changelog's reader, and the group's offsets.

    def follow(self, copy: Copy) -> None: ...

    def release(self, partition: int) -> None: ...

    async def ends(self, partition: int) -> Ends:
        return Ends(len(self.latest), len(self.removals))

    async def catch_up(self, copy: Copy, ends: Ends) -> None:
        held = copy.position
        copy.follow(self.latest[held.latest :], self.removals[held.removals :], *ends)

    async def source_end(self, partition: int) -> int:
        return self.log[-1].offset + 1 if self.log else 0

    async def committed_mark(self, partition: int) -> Committed:
        return Committed(self.offset, None if self.offset is None else mark_of(IDENTITIES))

    # The consumer of `reports`.

    async def seek(self, partition: int, offset: int) -> None:
        self.position = offset

    def pause(self, partition: int) -> None: ...

    def resume(self, partition: int) -> None: ...

    async def first_offset(self, partition: int, at: int) -> int | None:
        return next((one.offset for one in self.log if one.offset >= at), None)

    async def feed(self, owner: Ownership) -> None:
        """Fetch until all of the log is applied, in lists of the sizes given, then of three."""
        end = await self.source_end(0)
        for number in count():
            if owner.active and owner.next_offset >= end:
                return
            if number % 9 == 0:  # fingerprints are made all the time
                owner.copy.warming.again()
            found = [one for one in self.log if one.offset >= self.position]
            if found and len(owner._intake._queue) < 4 and owner.active:
                some = found[: self.sizes.popleft() if self.sizes else 3]
                self.position = some[-1].offset + 1
                owner.offer(Batch(some, lambda: None))
            await turn()

    def step(self, name: str) -> None:
        self.ahead += name == "ahead"


def owner_of(kafka: Kafka, copy: Copy, readers: ThreadPoolExecutor) -> Ownership:
    async def check_log() -> None:
        await turn()

    shared: Any = SimpleNamespace(
        identities=IDENTITIES,
        partitions=1,
        max_batch=4,
        session_timeout=0.0,
        compress=False,
        rules=RULES,
        topic="reports",
        step=kafka.step,
        source=kafka,
        tail=kafka,
        offsets=kafka,
        metrics=SimpleNamespace(failure=lambda: None),
        readers=readers,
        warming=asyncio.Lock(),
        writer=lambda _: kafka,
        first_offset=kafka.first_offset,
        check_log=check_log,
        count=lambda *_: None,
    )
    return Ownership(copy, shared)


async def run(kafka: Kafka) -> tuple[Copy, Ownership]:
    """Own the partition until all of the log is applied."""
    copy = Copy(MemoryStore(), 0, IDENTITIES, lambda: T0, 10**12, lambda: Known(RULES.touch_interval, 1 << 10))
    with ThreadPoolExecutor(1) as readers:
        owner = owner_of(kafka, copy, readers)
        tasks = [asyncio.create_task(owner.run()), asyncio.create_task(kafka.feed(owner))]

        try:
            async with asyncio.timeout(20.0):
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            owner.close()
            await tasks[0]
        finally:
            tasks[1].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    return copy, owner


fates = st.lists(st.sampled_from((FINE, FINE, FINE, BEFORE, AFTER, FENCED)), max_size=12)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(logs(), st.lists(st.integers(1, 4), max_size=10), fates)
def test_pipelined_is_serial(
    monkeypatch: pytest.MonkeyPatch, entries: list[Entry], sizes: list[int], fate: list[str]
) -> None:
    monkeypatch.setattr(ownership, "FIRST_RETRY_SECONDS", 0.0)
    monkeypatch.setattr(warmer, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(warming, "TURN", 1)
    shifted = [one._replace(offset=one.offset + 1000) for one in entries]  # said again, from another place
    log = [*entries, *shifted]
    kafka = Kafka(log, sizes, fate)
    copy, _ = asyncio.run(run(kafka))
    serial = compact(log, [])
    expected = Output(serial.whole)
    assert kafka.changes == [one.value for one in sent(expected.changes.take())]
    assert sorted(kafka.rejected) == sorted(one.value or b"" for one in sent(expected.rejected.take()))
    keys = list(serial.states)
    assert copy.load(keys) == {key: serial.states[key] for key in keys}
    for topic, kind in ((kafka.latest, expected.latest_values), (kafka.removals, expected.removals_values)):
        held = {one.key: one.value for one in topic}
        assert {key: held.get(key) for key in kind} == dict(kind)


def phones(count: int) -> list[Entry]:
    """One phone whose token changes with every report."""
    return [entry(at, report(calls=f"token-{at}", at=T0 + at)) for at in range(count)]


async def test_the_next_batch_stands_on_the_one_under_way() -> None:
    kafka = Kafka(phones(40), [1] * 40, [])
    copy, _ = await run(kafka)
    assert kafka.ahead > 3, "nothing was merged while a transaction was under way"
    assert copy.load([b"S:1"])[b"S:1"] == compact(phones(40), []).states[b"S:1"]


@pytest.mark.parametrize("fate", [BEFORE, AFTER, FENCED])
async def test_what_was_merged_on_a_failed_batch_goes_with_it(fate: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownership, "FIRST_RETRY_SECONDS", 0.0)
    kafka = Kafka(phones(40), [1] * 40, [FINE, FINE, fate])
    await run(kafka)
    assert kafka.writers == 2
    assert kafka.ahead > 0
    assert kafka.changes == [one.value for one in sent(Output(compact(phones(40), []).whole).changes.take())]


async def test_a_failure_is_noticed_while_nothing_comes() -> None:
    flight = Flight()

    async def fails() -> None:
        await turn()
        raise TransactionError("no")

    flight.start(fails(), {})
    with pytest.raises(TransactionError):
        async with asyncio.timeout(10.0):
            await flight.beside(asyncio.Event().wait())
    assert not flight.under_way


async def test_a_stop_in_the_middle_leaves_nothing_running() -> None:
    flight, ended = Flight(), asyncio.Event()

    async def commits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    flight.start(commits(), {b"S:1": (None, None)})
    await turn()
    await flight.stop()
    assert ended.is_set()
    assert not flight.moves
    await flight.landed()

"""Phones behind a load balancer: reports over HTTP to the ingresses that live, each with a token of its own."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from schemas.partition import partition_of
from tests.ingress import get, selector_of, status_of
from tests.poll import elapse_async

CONNECTIONS: Final = 12
PAUSE: Final = 0.04  # s between two reports of a connection: 300 reports/s leave the two cores to everybody else
ROTATED: Final = 4  # one report in so many is of a selector that has reported before
AGAIN: Final = 0.2  # s: how long a refused phone waits; a real one would until its next start
ANSWER_SECONDS: Final = 10.0


class Accepted(NamedTuple):
    """A report that got its 200: when (monotonic, s), its partition, and what it said."""

    at: float
    partition: int
    selector: str
    token: str


@dataclass
class Load:
    """`statuses`: each token to what its report got (None: broken off). `newest`: per partition, of new selectors."""

    ports: Callable[[], list[int]]
    partitions: int
    statuses: dict[str, int | None] = field(default_factory=dict)
    accepted: list[Accepted] = field(default_factory=list)
    newest: dict[int, Accepted] = field(default_factory=dict)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _ended: asyncio.Event = field(default_factory=asyncio.Event)
    _next: int = 0

    async def run(self) -> None:
        """Until `stop`."""
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(CONNECTIONS):
                    group.create_task(self._phone(number))
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """Send no more, and wait for the answers under way."""
        self._stop.set()
        await self._ended.wait()

    def count(self, status: int | None) -> int:
        """How many reports ended so."""
        return sum(found == status for found in self.statuses.values())

    async def _phone(self, number: int) -> None:
        """A connection to one ingress after the other: to the next when it is refused or broken off."""
        turn, own = number, list[str]()
        while not self._stop.is_set():
            ports = self.ports()
            turn += 1
            with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                reader, writer = await asyncio.open_connection("127.0.0.1", ports[turn % len(ports)])
                try:
                    # A connection that the other side has ended is not used again; else an answer would be missing.
                    while not (self._stop.is_set() or reader.at_eof()) and await self._report(reader, writer, own):
                        await elapse_async(PAUSE, "the rate of the load is given")
                finally:
                    writer.close()
            if not self._stop.is_set():
                await elapse_async(AGAIN, "a refused client waits before it tries again")

    async def _report(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, own: list[str]) -> bool:
        """One report; whether the connection may go on."""
        self._next += 1
        fresh = self._next % ROTATED != 0 or not own
        selector = selector_of(self._next) if fresh else own.pop(0)
        token = f"dG9rZW4{self._next}"
        self.statuses[token] = None
        writer.write(get(f"/token/?selector={selector}&token_calls={token}&appid_calls=com.x", close=False))
        async with asyncio.timeout(ANSWER_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
            await reader.readexactly(int(length.split(b":")[1]))
        status = self.statuses[token] = status_of(head)
        if status == 200:
            found = Accepted(time.monotonic(), partition_of(selector.encode(), self.partitions), selector, token)
            self.accepted.append(found)
            if fresh:
                own.append(selector)
                self.newest[found.partition] = found
            return b"connection: close" not in head.lower()
        await elapse_async(AGAIN, "a refused client waits before it tries again")
        return b"connection: close" not in head.lower()


@asynccontextmanager
async def loading(ports: Callable[[], list[int]], partitions: int) -> AsyncIterator[Load]:
    """Load until the end of the block, also when the block fails."""
    load = Load(ports, partitions)
    running = asyncio.create_task(load.run())
    try:
        yield load
    finally:
        await load.stop()
        await running

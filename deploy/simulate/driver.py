"""Sends the fleet's requests: each phone's in order, many phones at once, again later after 503, 429 or silence."""

import asyncio
from collections.abc import Iterator
from random import Random
from time import perf_counter
from typing import Final

from msgspec import Struct

from deploy.simulate.connection import Connection, NoAnswerError, Target
from deploy.simulate.day import DAY_MS
from deploy.simulate.ledger import Ledger
from deploy.simulate.request import Request
from deploy.simulate.tally import Tally, judge
from deploy.simulate.trust import context

_QUEUE: Final = 16  # requests waiting at one connection: enough to keep it busy, few enough to keep the day's order
_LONGEST_WAIT: Final = 30.0  # s before a phone tries again, whatever Retry-After says


class AbandonedError(Exception):
    """Nothing was accepted or refused for too long; the text says for how long."""


class Drive(Struct, frozen=True, kw_only=True):
    """How to send: `rate` is the day's mean in requests/s (0: as fast as answers come), `timeout` s an attempt.

    `patience`: s without any request accepted or refused after which the day is broken off.
    """

    target: Target
    total: int
    rate: float = 0.0
    concurrency: int = 64
    attempts: int = 8
    timeout: float = 10.0
    patience: float = 120.0
    silence: float = 1.0  # s before a request without an answer is sent again
    seed: int = 1


class Driver:
    """Plays one day. `tally` and `ledger` are up to date at any time."""

    def __init__(self, drive: Drive, tally: Tally, ledger: Ledger) -> None:
        self._drive = drive
        self._tally = tally
        self._ledger = ledger
        self._trouble_since: float | None = None
        self._random = Random(f"driver {drive.seed}")  # noqa: S311 - spreads retries, and repeatably

    async def run(self, requests: Iterator[Request]) -> None:
        """Send every request; returns when each has an outcome.

        Raises:
            AbandonedError: nobody is there, or only 503 comes.
        """
        try:
            await self._run(requests)
        except* AbandonedError as group:
            raise group.exceptions[0] from None

    async def _run(self, requests: Iterator[Request]) -> None:
        queues: list[asyncio.Queue[Request | None]] = [asyncio.Queue(_QUEUE) for _ in range(self._drive.concurrency)]
        async with asyncio.TaskGroup() as group:
            for queue in queues:
                group.create_task(self._phones(queue))
            began = perf_counter()
            for request in requests:
                await self._pace(began, request.at)
                await queues[request.phone % len(queues)].put(request)
            for queue in queues:
                await queue.put(None)

    async def _pace(self, began: float, at: int) -> None:
        """Wait until the compressed day has come to `at` (simulated ms since midnight)."""
        if self._drive.rate:
            due = began + at / DAY_MS * self._drive.total / self._drive.rate
            if (wait := due - perf_counter()) > 0:
                await asyncio.sleep(wait)

    async def _phones(self, queue: asyncio.Queue[Request | None]) -> None:
        """The phones of one connection, in order."""
        connection = Connection(self._drive.target, context(self._drive.target))
        try:
            while (request := await queue.get()) is not None:
                await self._deliver(connection, request)
        finally:
            connection.close()

    async def _deliver(self, connection: Connection, request: Request) -> None:
        wire = request.wire.encode(self._drive.target.authority, request.user_agent, request.close)
        reason = ""
        for attempt in range(self._drive.attempts):
            if attempt:
                self._tally.retry(reason)
            self._ledger.sent(request.number, request.told)
            wait = self._drive.silence
            began = perf_counter()
            try:
                answer = await connection.ask(wire, self._drive.timeout)
            except NoAnswerError:
                reason = "no answer"
            else:
                self._tally.latency(perf_counter() - began)
                if request.close:
                    connection.close()
                outcome, why = judge(request, answer)
                if outcome is not None:
                    self._trouble_since = None
                    self._tally.count(request, outcome, why)
                    if outcome == "accepted" and request.told is not None:
                        self._ledger.accept(request.number, request.told)
                    return
                reason = str(answer.status)
                wait = wait if answer.retry_after is None else answer.retry_after
            self._bear(reason)
            if attempt + 1 < self._drive.attempts:
                await asyncio.sleep(min(wait, _LONGEST_WAIT) * self._random.uniform(1.0, 1.25))
        self._tally.count(request, "gave_up", f"{reason}, {self._drive.attempts} times")

    def _bear(self, reason: str) -> None:
        """Another attempt failed: is it still worth going on?"""
        now = perf_counter()
        if self._trouble_since is None:
            self._trouble_since = now
        if now - self._trouble_since > self._drive.patience:
            raise AbandonedError(f"nothing was accepted or refused for {self._drive.patience:g} s, last: {reason}")

"""The batch of a partition whose transaction is under way: while Kafka commits it, the next one is merged.

One at a time, in order: the next transaction begins when the one before is committed and in the store. What is merged
meanwhile stands on states that nobody but its owner knows; when a transaction fails, all that came after it goes too.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Final, TypeVar

from processors.compactor.batch import Move

Found = TypeVar("Found")
_NOTHING: Final[Mapping[bytes, Move]] = {}


class Flight:
    """One partition's, from take-up to take-up."""

    def __init__(self) -> None:
        """Nothing is under way."""
        self._task: asyncio.Task[None] | None = None
        self.moves: Mapping[bytes, Move] = _NOTHING
        """What the batch under way moves, by key: merged, but not in the store yet."""

    @property
    def under_way(self) -> bool:
        """Whether a batch is being committed, or has failed and nobody has asked."""
        return self._task is not None

    def start(self, work: Coroutine[Any, Any, None], moves: Mapping[bytes, Move]) -> None:
        """Let `work` commit a batch and write it to the store; the one before has landed. `moves` as of `Output`."""
        assert self._task is None, "a batch is under way already"
        self.moves = moves
        self._task = asyncio.create_task(work, name="transaction")

    async def landed(self) -> None:
        """Wait until nothing is under way. Raises what the batch failed of."""
        if self._task is not None:
            await asyncio.wait({self._task})
            self._end(self._task)

    async def beside(self, work: Coroutine[Any, Any, Found]) -> Found:
        """The result of `work`. Raises what the batch failed of as soon as it does; `work` is then cancelled."""
        wanted = asyncio.create_task(work)
        try:
            while not wanted.done():
                ways = {wanted} if self._task is None else {wanted, self._task}
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                if self._task is not None and self._task.done():
                    self._end(self._task)
            return wanted.result()
        finally:
            wanted.cancel()

    def _end(self, task: asyncio.Task[None]) -> None:
        self._task, self.moves = None, _NOTHING
        task.result()

    async def stop(self) -> None:
        """Give up what is under way; whether it was committed is not known."""
        task, self._task, self.moves = self._task, None, _NOTHING
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

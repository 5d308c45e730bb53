"""Reads the store's states into fingerprints while the worker waits for its first partitions.

A worker that starts has seconds to spare until the group has let it in, and afterwards most of what its phones report
is what its store holds already. How far this comes does not matter: what is not known goes the exact way.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from processors.compactor.known import Known
from processors.compactor.store import Store
from schemas.records import InvalidRecordError, decode_latest

TURN: Final = 500  # states between two turns of the event loop: about 2 ms


class Warming:
    """Fingerprints by partition, as far as they were made before `take`."""

    def __init__(self, store: Store, make: Callable[[], Known]) -> None:
        """Begins at once, in the background; nothing may write to the store before `stop`."""
        self._store, self._make = store, make
        self._known: dict[int, Known] = {}
        self._task = asyncio.create_task(self._run(), name="warming")

    async def _run(self) -> None:
        for partition in self._store.held():
            known = self._known[partition] = self._make()
            for count, (key, value) in enumerate(self._store.scan(partition), 1):
                try:
                    known.fill(key, decode_latest(value))
                except InvalidRecordError:
                    continue  # whoever needs that state will say so
                finally:
                    if count % TURN == 0:
                        await asyncio.sleep(0)

    async def stop(self) -> None:
        """Read no further; called before anything is written."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def take(self, partition: int) -> Known | None:
        """What is known of a partition, once."""
        return self._known.pop(partition, None)

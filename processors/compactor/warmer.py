"""When fingerprints are made (`processors.compactor.warming`): before the first partitions come, and beside work."""

import asyncio
from collections.abc import Callable, Container, Iterable
from typing import Any, Final

from processors.compactor.copy import Copy

LOOK_SECONDS: Final = 1.0  # between two looks whether a copy has begun once more


async def warm_before(copies: Iterable[Copy]) -> None:
    """A worker that starts has seconds to spare until the group has let it in; owners go on from there."""
    for copy in copies:
        more = True
        while more:
            more = copy.warming.turn()
            await asyncio.sleep(0)


async def warm_beside(
    copy: Copy, one_at_a_time: asyncio.Lock, moving: Callable[[], Iterable[Container[bytes]]]
) -> None:
    """Make fingerprints beside the owner's work, for ever.

    Args:
        copy: of the partition.
        one_at_a_time: shared by the partitions of a worker, so that the others' turns stay short.
        moving: as of `Warming.turn`, asked before each turn.
    """
    while True:
        async with one_at_a_time:
            more = True
            while more:
                more = copy.warming.turn(*moving())
                await asyncio.sleep(0)
        await asyncio.sleep(LOOK_SECONDS)


async def end(task: asyncio.Task[Any] | None) -> None:
    """Cancel a task and wait until it has ended, however it does."""
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

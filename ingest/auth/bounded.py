"""Questions to somebody else: so many at once, so many waiting, each with a deadline; beyond that, busy at once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from ingest.refusal import BusyError

T = TypeVar("T")
_WAITING: Final = 4  # times as many as are under way: they have that many turns within one deadline


class Bounded:
    """Bounds what it runs."""

    def __init__(self, limit: int, timeout: float, detail: str, cause: str) -> None:
        """`limit` at once, each answered within `timeout` s, waiting included; `detail` and `cause` go into the 503."""
        self._free = asyncio.Semaphore(limit)
        self._places = limit * (1 + _WAITING)
        self._timeout = timeout
        self._detail = detail
        self._cause = cause

    async def run(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What `ask` returns.

        Raises:
            BusyError: 503, too many wait, or no answer in time.
        """
        if self._places <= 0:
            raise BusyError(503, self._detail, cause=self._cause)
        self._places -= 1
        try:
            async with asyncio.timeout(self._timeout), self._free:
                return await ask()
        except TimeoutError:
            raise BusyError(503, self._detail, cause=self._cause) from None
        finally:
            self._places += 1

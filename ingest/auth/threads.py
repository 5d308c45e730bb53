"""Calls of functions that block, in threads that nobody waits for: one that hangs must not hold up the end."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from ingest.refusal import BusyError

T = TypeVar("T")


class Threads:
    """At most `limit` at once; a caller may give up, its thread then still counts until the function returns.

    (`asyncio.to_thread` has threads that the interpreter joins at its end, however long that takes.)
    """

    def __init__(self, limit: int, detail: str, cause: str) -> None:
        self._free = limit
        self._detail = detail
        self._cause = cause

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """What the function returns, or raises.

        Raises:
            BusyError: 503, too many are under way (`detail` and `cause` say of what).
        """
        if self._free <= 0:
            raise BusyError(503, self._detail, cause=self._cause)
        self._free -= 1
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        given = loop, future, function, arguments
        threading.Thread(target=self._work, args=given, name="auth-callback", daemon=True).start()
        del given
        try:
            return await future
        finally:
            del future  # its error holds this frame: a circle, which only the collector would find

    def _work(
        self,
        loop: asyncio.AbstractEventLoop,
        future: "asyncio.Future[T]",
        function: Callable[..., T],
        arguments: tuple[Any, ...],
    ) -> None:
        result: T | None = None
        error: Exception | None = None
        try:
            result = function(*arguments)
        except Exception as caught:
            error = caught
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._done, future, result, error)
        del future, error  # as in `call`

    def _done(self, future: "asyncio.Future[T]", result: T | None, error: Exception | None) -> None:
        self._free += 1
        if future.done():
            return
        if error is None:
            future.set_result(result)  # type: ignore[arg-type]
        else:
            future.set_exception(error)

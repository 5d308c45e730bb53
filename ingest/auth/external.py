"""The external check: what is asked twice is asked once, and what was answered lately not at all."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from ingest.auth.answer_cache import AnswerCache
from ingest.auth.bounded import Bounded
from ingest.refusal import BusyError

log = logging.getLogger(__name__)

CAUSE: Final = "check_away"
DETAIL: Final = "the credentials cannot be checked now"


class CheckError(Exception):
    """No answer, or one that is neither yes nor no; the text says which, without what was asked or where."""


class ExternalCheck:
    """Answers whether a password is right."""

    def __init__(
        self, name: str, ask: Callable[[str, str], Awaitable[bool]], cache: AnswerCache, bounded: Bounded
    ) -> None:
        """Remember answers of `ask` (name, password; raises `CheckError`) in `cache`; `name` is the template's."""
        self._name = name
        self._ask = ask
        self._cache = cache
        self._bounded = bounded
        self._asking: dict[bytes, asyncio.Task[bool]] = {}
        self._well = True

    async def right(self, username: str, password: str) -> bool:
        """Whether these go together. Without a password they do not, and nobody is asked: a directory
        behind the service may take an empty one for an anonymous login and say yes (RFC 4513 section 5.1.2).

        Raises:
            BusyError: 503, nobody knows now.
        """
        if not password:
            return False
        key = self._cache.key(username, password)
        known = self._cache.get(key, time.monotonic())
        if known is not None:
            return known
        task = self._asking.get(key)
        if task is None:
            # A task of its own: the request that asks first may go away, and others wait for the same answer.
            task = self._asking[key] = asyncio.create_task(self._find(key, username, password))
            task.add_done_callback(lambda done: self._done(key, done))
        try:
            return await asyncio.shield(task)
        finally:
            del task  # its error holds this frame: a circle, which only the collector would find

    async def close(self) -> None:
        """Give up what is being asked."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _find(self, key: bytes, username: str, password: str) -> bool:
        try:
            answer = await self._bounded.run(lambda: self._ask(username, password))
        except CheckError as error:
            self._tell(str(error))
            raise BusyError(503, DETAIL, cause=CAUSE) from None
        except BusyError:
            self._tell("no answer in time, or too many questions")
            raise
        self._tell("")
        self._cache.put(key, answer, time.monotonic())
        return answer

    def _done(self, key: bytes, task: "asyncio.Task[bool]") -> None:
        self._asking.pop(key, None)
        if not task.cancelled():
            task.exception()  # seen, even if every request that waited has gone

    def _tell(self, trouble: str) -> None:
        """Log when it begins and when it ends, not at each request."""
        if trouble and self._well:
            log.error("the external check of template `%s` fails: %s", self._name, trouble)
        elif not trouble and not self._well:
            log.info("the external check of template `%s` answers again", self._name)
        self._well = not trouble

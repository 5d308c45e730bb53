"""Waiting in tests: ask again until a deadline, then say what was still missing. The only sleeps in `tests/`."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

INTERVAL = 0.05  # seconds between two questions: short beside every deadline, long beside every answer


def until(
    ask: Callable[[], T | None], what: str, deadline: float = 30.0, *, bearing: tuple[type[Exception], ...] = ()
) -> T:
    """Call `ask` until it returns something true, and return that.

    Args:
        ask: the question; cheap, and safe to repeat.
        what: what is waited for, for the failure's text.
        deadline: seconds.
        bearing: exceptions of `ask` that mean "not yet".

    Raises:
        AssertionError: the deadline passed; the text holds the last answer or exception.
    """
    end = time.monotonic() + deadline
    while True:
        last: object
        try:
            answer = ask()
            if answer:
                return answer
            last = answer
        except bearing as error:
            last = error
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline:g} s: {what}; last: {last!r}")
        time.sleep(INTERVAL)


async def until_async(
    ask: Callable[[], Awaitable[T | None]],
    what: str,
    deadline: float = 30.0,
    *,
    bearing: tuple[type[Exception], ...] = (),
) -> T:
    """As `until`, for a coroutine function; each single question is bounded by the deadline too."""
    end = time.monotonic() + deadline
    while True:
        last: object
        try:
            async with asyncio.timeout_at(asyncio.get_running_loop().time() + max(0.001, end - time.monotonic())):
                answer = await ask()
            if answer:
                return answer
            last = answer
        except bearing as error:
            last = error
        except TimeoutError:
            last = "no answer to the question itself"
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline:g} s: {what}; last: {last!r}")
        await asyncio.sleep(INTERVAL)


def elapse(seconds: float, why: str) -> None:
    """Let time pass where time itself is under test (a pause past a session, the random moment of a kill)."""
    assert why
    time.sleep(seconds)


async def elapse_async(seconds: float, why: str) -> None:
    """As `elapse`, while the loop goes on."""
    assert why
    await asyncio.sleep(seconds)


async def turn() -> None:
    """Let the event loop go round once: whoever can get on does. No time is waited for."""
    await asyncio.sleep(0)

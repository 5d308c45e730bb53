"""The tests' own waiting: it returns what was asked for, and fails with the last answer when the deadline passes."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.poll import until, until_async


def test_returns_the_first_true_answer() -> None:
    answers: Iterator[int] = iter([0, 0, 7, 8])
    assert until(lambda: next(answers), "seven", 5) == 7


def test_a_borne_exception_means_not_yet() -> None:
    answers: Iterator[int] = iter([0, 3])

    def ask() -> float:
        return 6 / next(answers)

    assert until(ask, "two", 5, bearing=(ZeroDivisionError,)) == 2


def test_another_exception_is_raised_at_once() -> None:
    with pytest.raises(ZeroDivisionError):
        until(lambda: 1 / 0, "never", 5, bearing=(KeyError,))


def test_the_failure_holds_what_was_waited_for_and_the_last_answer() -> None:
    with pytest.raises(AssertionError, match=r"not within 0\.1 s: rows; last: \[\]"):
        until(list, "rows", 0.1)


async def test_async_returns_the_first_true_answer() -> None:
    answers: Iterator[int] = iter([0, 7])

    async def ask() -> int:
        return next(answers)

    assert await until_async(ask, "seven", 5) == 7


async def test_async_bounds_a_question_that_never_answers() -> None:
    with pytest.raises(AssertionError, match="no answer to the question itself"):
        await until_async(asyncio.Event().wait, "the event", 0.1)

"""Who asks somebody else and gets an error leaves nothing to Python's collector, as in `test_no_circles`: while a
callback or a service fails, each report would leave its frames and what they hold."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from ingest.auth.answer_cache import AnswerCache
from ingest.auth.bounded import Bounded
from ingest.auth.external import CheckError, ExternalCheck
from ingest.auth.http_check import HttpCheck
from ingest.refusal import BusyError
from schemas.secret import Secret
from tests.poll import until
from tests.unit.ingest.auth.client import Door, basic_header


class BrokenError(aiohttp.ClientError):
    """What goes wrong inside."""


_KINDS = (BusyError, BrokenError, CheckError)


@pytest.fixture
def collector_held() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def nothing_left(collector_held: None) -> Callable[[], None]:
    def check() -> None:
        until(lambda: left() == [], "every error is gone, a thread's too", 5.0)

    return check


def left() -> list[str]:
    """Errors that are still there."""
    return [type(found).__name__ for found in gc.get_objects() if issubclass(type(found), _KINDS)]


def plain(username: str, realm: str, algorithm: str) -> str:
    raise BrokenError


async def waiting(username: str, realm: str, algorithm: str) -> str:
    raise BrokenError


@pytest.mark.parametrize("name", ["plain", "waiting"])
def test_a_callback_that_raises(name: str, nothing_left: Callable[[], None]) -> None:
    async def ask() -> None:
        door = Door({"auth": "basic", "auth_callback": f"{__name__}:{name}"})
        with pytest.raises(BusyError):
            await door.ask(basic_header("johndow", "word"))

    asyncio.run(ask())
    nothing_left()


def test_a_check_that_fails(nothing_left: Callable[[], None]) -> None:
    async def fails(username: str, password: str) -> bool:
        raise CheckError("status 500")

    async def ask() -> None:
        check = ExternalCheck("t", fails, AnswerCache(9, 1.0, 1.0), Bounded(1, 1.0, "", ""))
        with pytest.raises(BusyError):
            await check.right("johndow", "word")

    asyncio.run(ask())
    nothing_left()


def test_a_service_that_is_away(nothing_left: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """aiohttp's own frames hold the errors that they raise."""

    def attempt() -> None:
        errors: list[Exception] = []
        try:
            raise OSError
        except OSError as error:
            errors.append(error)
            raise BrokenError from error

    @asynccontextmanager
    async def post(*_: Any, **__: Any) -> AsyncIterator[None]:
        held = [BrokenError()]
        try:
            attempt()
        except BrokenError as error:
            held.append(error)
            raise held[0] from error
        yield

    async def ask() -> None:
        async with HttpCheck(Secret("http://127.0.0.1:1/check"), 1, 1.0) as service:
            monkeypatch.setattr(service._session, "post", post)
            with pytest.raises(CheckError):
                await service.ask("johndow", "word")
            monkeypatch.undo()

    asyncio.run(ask())
    nothing_left()

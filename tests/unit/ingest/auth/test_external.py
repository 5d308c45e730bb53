"""The external check without its network: what is remembered, what is asked, what is refused."""

import asyncio
import gc
from typing import Any

import pytest

from ingest.auth.answer_cache import AnswerCache
from ingest.auth.bounded import Bounded
from ingest.auth.external import CheckError, ExternalCheck
from ingest.auth.external_gate import ExternalGate
from ingest.refusal import BusyError
from schemas.secret import Secret
from tests.poll import until_async
from tests.unit.ingest.auth.client import Door, basic_header, challenges, told

WORD = "PassWordNeverSeen"
URL = Secret("http://user:UrlSecretNeverSeen@127.0.0.1:1/check")


class Service:
    """Stands for the operator's: `people` are right; `held` lets questions wait; `trouble` makes it fail."""

    def __init__(self) -> None:
        self.people = {"johndow": WORD}
        self.asked: list[tuple[str, str]] = []
        self.now = self.most = 0
        self.held: asyncio.Event | None = None
        self.trouble = ""

    async def ask(self, username: str, password: str) -> bool:
        self.asked.append((username, password))
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            if self.held is not None:
                await self.held.wait()
            if self.trouble:
                raise CheckError(self.trouble)
            return self.people.get(username) == password
        finally:
            self.now -= 1


def check_of(service: Service, *, size: int = 100, limit: int = 4, timeout: float = 2.0) -> ExternalCheck:
    return ExternalCheck(
        "t", service.ask, AnswerCache(size, 300.0, 10.0), Bounded(limit, timeout, "busy", "check_away")
    )


async def test_what_was_answered_is_not_asked_again() -> None:
    service = Service()
    check = check_of(service)
    for _ in range(3):
        assert await check.right("johndow", WORD) is True
        assert await check.right("johndow", "other") is False
        assert await check.right("nobody", WORD) is False
    assert sorted(service.asked) == [("johndow", WORD), ("johndow", "other"), ("nobody", WORD)]


async def test_an_empty_password_is_wrong_and_nobody_is_asked() -> None:
    service = Service()
    service.people["johndow"] = ""
    assert await check_of(service).right("johndow", "") is False
    assert service.asked == []


async def test_a_name_that_is_known_lets_no_other_password_in() -> None:
    """The public server of this protocol caches by name alone (design.md)."""
    service = Service()
    check = check_of(service)
    assert await check.right("johndow", WORD) is True
    assert await check.right("johndow", "x" + WORD) is False
    assert await check.right("johndo", "w" + WORD) is False  # the same letters, cut elsewhere


def test_answers_expire_and_change() -> None:
    cache = AnswerCache(10, 300.0, 10.0)
    key, other = cache.key("a", "b"), cache.key("a", "c")
    assert key != other and len(key) == 32 and key != AnswerCache(10, 1, 1).key("a", "b")
    cache.put(key, True, 1000.0)
    cache.put(other, False, 1000.0)
    assert (cache.get(key, 1299.9), cache.get(key, 1300.0)) == (True, None)
    assert (cache.get(other, 1009.9), cache.get(other, 1010.0)) == (False, None)
    cache.put(key, True, 2000.0)
    cache.put(key, False, 2001.0)
    assert cache.get(key, 2002.0) is False


def test_guesses_do_not_push_out_who_is_known() -> None:
    cache = AnswerCache(3, 300.0, 10.0)
    known = [cache.key("a", str(number)) for number in range(3)]
    for key in known:
        cache.put(key, True, 0.0)
    for number in range(100):
        cache.put(cache.key("b", str(number)), False, 0.0)
    assert [cache.get(key, 1.0) for key in known] == [True] * 3
    cache.get(known[0], 1.0)
    cache.put(cache.key("a", "new"), True, 1.0)
    assert [cache.get(key, 1.0) for key in known] == [True, None, True]


def test_nothing_readable_is_kept() -> None:
    cache = AnswerCache(10, 300.0, 10.0)
    cache.put(cache.key("johndow", WORD), True, 0.0)
    kept = repr(vars(cache))
    assert WORD not in kept and "johndow" not in kept


async def test_what_many_ask_at_once_is_asked_once() -> None:
    service = Service()
    service.held = asyncio.Event()
    check = check_of(service)
    waiting = [asyncio.create_task(check.right("johndow", WORD)) for _ in range(20)]

    async def asked() -> bool:
        return len(service.asked) == 1

    await until_async(asked, "the question is out", 5.0)
    waiting[0].cancel()  # who asked first goes away
    service.held.set()
    assert await asyncio.gather(*waiting[1:]) == [True] * 19
    assert service.asked == [("johndow", WORD)]


async def test_a_slow_service_is_503_for_all_in_time() -> None:
    service = Service()
    service.held = asyncio.Event()
    check = check_of(service, limit=4, timeout=0.2)
    found = await asyncio.wait_for(
        asyncio.gather(*(check.right("johndow", str(number)) for number in range(100)), return_exceptions=True), 5
    )
    assert {(type(one), getattr(one, "status", 0)) for one in found} == {(BusyError, 503)}
    assert service.most == 4 and len(service.asked) <= 20
    service.held.set()
    assert await check.right("johndow", WORD) is True


async def test_too_many_questions_are_503_at_once() -> None:
    """One is asked, four wait, the sixth does not wait for any of them."""
    service = Service()
    service.held = asyncio.Event()
    check = check_of(service, limit=1, timeout=60.0)
    waiting = [asyncio.create_task(check.right("johndow", str(number))) for number in range(5)]

    async def asked() -> bool:
        return bool(service.asked)

    await until_async(asked, "the first is asked", 5.0)
    with pytest.raises(BusyError):
        await asyncio.wait_for(check.right("johndow", WORD), 5)
    service.held.set()
    assert await asyncio.gather(*waiting) == [False] * 5
    assert await check.right("johndow", WORD) is True


async def test_trouble_is_not_remembered_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    service = Service()
    service.trouble = "status 500"
    check = check_of(service)
    for _ in range(3):
        with pytest.raises(BusyError):
            await check.right("johndow", WORD)
    service.trouble = ""
    assert await check.right("johndow", WORD) is True
    said = [record.getMessage() for record in caplog.records if record.name == "ingest.auth.external"]
    assert said == [
        "the external check of template `t` fails: status 500",
        "the external check of template `t` answers again",
    ]
    assert WORD not in caplog.text


async def test_the_end_does_not_wait_for_the_service() -> None:
    service = Service()
    service.held = asyncio.Event()
    check = check_of(service, timeout=60.0)
    waiting = asyncio.create_task(check.right("johndow", WORD))

    async def asked() -> bool:
        return bool(service.asked)

    await until_async(asked, "the question is out", 5.0)
    await asyncio.wait_for(check.close(), 1)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    gc.collect()  # a task that nobody looked at would speak up here


def door_of(service: Service, template: dict[str, Any]) -> Door:
    door = Door({"auth": "external", "auth_check_url": URL} | template)
    assert isinstance(door.gate, ExternalGate)
    door.gate._check = check_of(service)
    return door


async def test_by_the_basic_header() -> None:
    door = door_of(Service(), {})
    assert await door.ask(basic_header("johndow", WORD)) == "johndow"
    assert door.values["username"] == "johndow"
    missing = await door.refusal()
    assert (missing.status, challenges(missing)) == (401, ['Basic realm="push-token", charset="UTF-8"'])
    for wrong in (("johndow", "other"), ("nobody", WORD)):
        assert told(await door.refusal(basic_header(*wrong))) == told(missing)
    assert (await door.refusal(basic_header("johndow", WORD), username="b")).reason == "other_account"


async def test_by_the_names_of_the_template() -> None:
    url = "https://h/t?s=%selector%&t=%pushToken%&u=%account[authUsername]%&p=%account[password]%"
    door = door_of(Service(), {"url": url, "auth_parameter": "p"})
    assert await door.ask(secrets=(WORD,), username="johndow") == "johndow"
    missing = await door.refusal()
    assert (missing.status, missing.field, missing.headers) == (403, "p", ())
    for name, given in (("johndow", ("other",)), ("b", (WORD,)), (None, (WORD,)), ("johndow", (WORD, "other"))):
        assert told(await door.refusal(secrets=given, username=name)) == told(missing)


async def test_before_it_is_open_nobody_knows() -> None:
    door = Door({"auth": "external", "auth_check_url": URL})
    with pytest.raises(BusyError):
        await door.ask(basic_header("johndow", WORD))
    assert "UrlSecret" not in repr(door.template)

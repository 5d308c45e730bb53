"""Accounts from a file or a function, with Basic (Digest has the same behind it)."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.auth.accounts import OneAccount, unknown
from ingest.auth.htdigest import UsersError, complete, parse
from ingest.refusal import BusyError
from ingest.template_text import TemplateError
from schemas.secret import Secret
from tests.poll import until_async
from tests.unit.ingest.auth.client import Door, basic_header, challenges, ha1, told

WORD = "PassWordNeverSeen"


def line(name: str, word: str = WORD, algorithm: str = "SHA-256", realm: str = "push-token") -> str:
    return f"{name}:{realm}:{ha1(algorithm, name, word, realm)}\n"


def test_a_file_of_users() -> None:
    text = (
        "# people\r\n\n"
        + line("a")
        + line("sip:b@h", algorithm="MD5")
        + line("c", realm="other")
        + line("a", algorithm="MD5")
    )
    users = parse(text, "push-token")
    assert users["SHA-256"] == {"a": ha1("SHA-256", "a", WORD).encode()}
    assert users["MD5"].keys() == {"sip:b@h", "a"}
    assert complete(users) == ("MD5",)
    assert complete(parse(line("a"), "push-token")) == ("SHA-256",)
    assert parse(line("a").upper().replace("PUSH-TOKEN", "push-token"), "push-token")["SHA-256"].keys() == {"A"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no line is of the realm"),
        (line("a", realm="other"), "no line is of the realm"),
        (line("a") + "nonsense", "line 2 is not"),
        (line("a") + "a:push-token:abcd", "line 2 is not"),
        ("a:push-token:" + "g" * 32, "line 1 is not"),
        (":push-token:" + "a" * 32, "line 1 is not"),
        (line("a") + line("a", "other"), "line 2 names a user for the second time"),
    ],
)
def test_files_that_are_none(text: str, said: str) -> None:
    with pytest.raises(UsersError, match=said) as caught:
        parse(text, "push-token")
    assert WORD not in str(caught.value) and "nonsense" not in str(caught.value)


@given(st.text())
def test_no_file_breaks_the_reader(text: str) -> None:
    with contextlib.suppress(UsersError):
        parse(text, "push-token")


async def test_an_unknown_name_takes_as_long_as_a_known_one() -> None:
    """The same number of comparisons with texts of the same length."""
    one = OneAccount("a", [Secret("x"), Secret("y")], "r", ())
    known, nobody = await one.find("a", "MD5"), await one.find("b", "MD5")
    assert [len(digest) for digest in known] == [len(digest) for digest in nobody] == [32, 32]
    assert not set(known) & set(nobody)
    assert len(unknown("SHA-256")) == 64 and unknown("MD5") != unknown("MD5")


@pytest.fixture
def users(tmp_path: Path) -> Path:
    path = tmp_path / "users"
    path.write_text(line("johndow") + line("old", algorithm="MD5"))
    return path


async def test_basic_with_users(users: Path) -> None:
    door = Door({"auth": "basic", "auth_users_file": str(users)})
    for name in ("johndow", "old"):  # each by the one line it has
        assert await door.ask(basic_header(name, WORD)) == name
        assert door.values["username"] == name
    missing = await door.refusal()
    assert challenges(missing) == ['Basic realm="push-token", charset="UTF-8"']
    for wrong in (("johndow", "other"), ("nobody", WORD), ("johndow", ""), ("", WORD), ("a\nb", WORD)):
        assert told(await door.refusal(basic_header(*wrong))) == told(missing)
    other = await door.refusal(basic_header("johndow", WORD), username="old")
    assert (other.status, other.reason) == (403, "other_account")
    assert await door.ask(basic_header("johndow", WORD), username="johndow") == "johndow"


def test_digest_needs_one_algorithm_for_all(users: Path) -> None:
    with pytest.raises(TemplateError, match="name one in auth_algorithms"):
        Door({"auth": "digest", "auth_users_file": str(users)})
    Door({"auth": "digest", "auth_users_file": str(users), "auth_algorithms": ("MD5",)})
    with pytest.raises(TemplateError, match="cannot read /nowhere: FileNotFoundError"):
        Door({"auth": "digest", "auth_users_file": "/nowhere"})


@contextlib.asynccontextmanager
async def opened(door: Door) -> AsyncIterator[Door]:
    await door.gate.open()
    try:
        yield door
    finally:
        await door.gate.close()


async def test_a_file_is_read_again(users: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A new password, a new user, one who is gone; a broken file changes nothing."""
    template = {"auth": "basic", "auth_users_file": str(users)}
    async with opened(Door(template, auth_reload_seconds=0.01)) as door:

        async def passes(name: str, word: str) -> bool:
            try:
                return await door.ask(basic_header(name, word)) == name
            except Exception:
                return False

        write(users, line("johndow", "changed-42") + line("new"))
        await until_async(lambda: passes("johndow", "changed-42"), "the new password counts", 5.0)
        assert not await passes("johndow", WORD) and await passes("new", WORD) and not await passes("old", WORD)
        write(users, "nonsense " + WORD)
        await until_async(lambda: _said(caplog, "the one before counts: line 1"), "the trouble is logged", 5.0)
        assert await passes("johndow", "changed-42")
        write(users, None)
        await until_async(lambda: _said(caplog, "cannot read"), "the absence is logged", 5.0)
        assert await passes("johndow", "changed-42")
        write(users, line("johndow"))
        await until_async(lambda: passes("johndow", WORD), "a good file counts again", 5.0)
    assert WORD not in caplog.text and "changed-42" not in caplog.text


def write(path: Path, text: str | None) -> None:
    """As an operator does: a new file in the place of the old one; None: there is none."""
    if text is None:
        path.unlink()
        return
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


async def _said(caplog: pytest.LogCaptureFixture, text: str) -> bool:
    return text in caplog.text


held = threading.Event()
calls: list[tuple[str, str, str]] = []


def known(username: str, realm: str, algorithm: str) -> str | None:
    """The operator's function, as a plain one."""
    calls.append((username, realm, algorithm))
    if username == "slow":
        held.wait(20)
    if username == "broken":
        raise RuntimeError(f"cannot look up {WORD}")
    if username == "nonsense":
        return "abcd"
    return ha1(algorithm, username, WORD, realm) if username in ("johndow", "slow") else None


async def known_async(username: str, realm: str, algorithm: str) -> str | None:
    """The same, async."""
    if username == "slow":
        await asyncio.Event().wait()
    return known(username, realm, algorithm)


def callback(name: str = "known", **settings: Any) -> Door:
    template = {
        "auth": "basic",
        "auth_callback": f"{__name__}:{name}",
        "auth_algorithms": ("SHA-256",),
        "auth_realm": "r",
    }
    return Door(template, **settings)


@pytest.mark.parametrize("name", ["known", "known_async"])
async def test_a_callback(name: str) -> None:
    door = callback(name)
    calls.clear()
    assert await door.ask(basic_header("johndow", WORD)) == "johndow"
    assert calls == [("johndow", "r", "SHA-256")]
    missing = await door.refusal()
    assert told(await door.refusal(basic_header("johndow", "other"))) == told(missing)
    assert told(await door.refusal(basic_header("nobody", WORD))) == told(missing)


async def test_a_callback_that_fails_is_503_and_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    door = callback()
    for name in ("broken", "nonsense"):
        with pytest.raises(BusyError) as caught:
            await door.ask(basic_header(name, WORD))
        assert caught.value.status == 503
    assert "RuntimeError" in caplog.text and "no HA1" in caplog.text
    assert WORD not in caplog.text and "broken" not in caplog.text


@pytest.mark.parametrize("name", ["known", "known_async"])
async def test_a_callback_that_hangs_is_503(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Within its deadline, and not more of them than the limit; the others go on."""
    held.clear()
    caplog.set_level(logging.DEBUG)
    door = callback(name, auth_timeout=0.2, auth_concurrency=2)
    try:
        slow = [door.ask(basic_header("slow", WORD)) for _ in range(12)]
        found = await asyncio.wait_for(asyncio.gather(*slow, return_exceptions=True), 5)
        assert {type(one) for one in found} == {BusyError}
        hanging = [thread for thread in threading.enumerate() if thread.name == "auth-callback"]
        assert len(hanging) == (2 if name == "known" else 0)
        if name == "known":
            with pytest.raises(BusyError):  # both threads still hang: no third
                await door.ask(basic_header("johndow", WORD))
    finally:
        held.set()

    async def answers() -> bool:
        try:
            return await door.ask(basic_header("johndow", WORD)) == "johndow"
        except BusyError:
            return False

    await until_async(answers, "it answers again", 5.0)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("no.such.module:f", "cannot import no.such.module: ModuleNotFoundError"),
        (f"{__name__}:nothing", "has no function nothing"),
        (f"{__name__}:WORD", "has no function WORD"),
    ],
)
def test_callbacks_that_are_none(entry: str, said: str) -> None:
    with pytest.raises(TemplateError, match=said):
        Door({"auth": "digest", "auth_callback": entry})

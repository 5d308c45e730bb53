"""HTTP Digest: challenges, answers, nonces."""

import base64
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.auth.digest import DigestError, parse
from ingest.auth.nonce import Nonces
from schemas.secret import Secret
from tests.unit.ingest.auth.client import TARGET, Door, challenges, digest_answer, ha1, told

NOW = 1_790_000_000.0
ONE = {"auth": "digest", "auth_username": "push", "auth_password": Secret("pass:word")}


@pytest.fixture
def users(tmp_path: Path) -> Path:
    """A file with an account that has both lines."""
    path = tmp_path / "users"
    lines = [f"{name}:push-token:{ha1(algorithm, name, word)}" for name, word in PEOPLE for algorithm in ALGORITHMS]
    path.write_text("# who may report\n\n" + "\n".join(lines) + "\n")
    return path


PEOPLE = [("johndow", "12345678"), ("sip:jörg@h", "pä:ss")]
ALGORITHMS = ("SHA-256", "MD5")


async def test_the_exchange_of_the_one_account() -> None:
    door = Door(ONE)
    first = await door.refusal()
    assert first.status == 401
    offered = challenges(first)
    # The stronger first (RFC 7616 section 3.7).
    assert [re.findall("algorithm=([^,]+)", one)[0] for one in offered] == ["SHA-256", "MD5"]
    for challenge in offered:
        assert await door.ask(digest_answer(challenge, "push", "pass:word")) is None
        assert await door.ask(digest_answer(challenge, "push", "pass:word", nc="00000002", cnonce="ffff")) is None
    assert "username" not in door.values


@pytest.mark.parametrize(
    "changed",
    [
        {"username": "pull"},
        {"password": "other"},
        {"uri": "/t?s=A&t=C"},
        {"realm": "other"},
        {"qop": "auth-int"},
        {"algorithm": "SHA-512-256"},
        {"response": "0" * 64},
        {"response": "é"},
        {"nc": "00000002", "response": "0" * 64},
        {"username*": "UTF-8''push"},
        {"username": "pu\x00sh"},
    ],
)
async def test_whatever_is_wrong_sounds_the_same(changed: dict[str, str]) -> None:
    door = Door(ONE)
    first = await door.refusal()
    given = {"username": "push", "password": "pass:word"} | changed
    wrong = await door.refusal(digest_answer(challenges(first)[0], **given))
    assert told(wrong) == told(first)
    assert "pass:word" not in repr(wrong.headers)


@pytest.mark.parametrize(
    "header", ["Digest", "Digest ", "digest username", "Digest a=b, a=c", 'Digest x="', "Bearer x"]
)
async def test_headers_that_are_none(header: str) -> None:
    door = Door(ONE)
    assert told(await door.refusal(header)) == told(await door.refusal())


@given(st.text(max_size=60))
def test_no_header_breaks_the_reader(text: str) -> None:
    with pytest.raises(DigestError):
        parse(f"qop=auth,{text}", "push-token", ("SHA-256",))


@pytest.mark.parametrize(
    ("uri", "target", "right"),
    [
        ("/t/A/B?", "/t/A/B", True),  # `target_of` has no `?` where nothing follows it
        ("/t/A/B", "/t/A/B", True),
        ("/t/A/B??", "/t/A/B??", True),
        ("/t/A/B??", "/t/A/B", False),
        ("/t/A/C?", "/t/A/B", False),
        ("/t/A/B?s=A?", "/t/A/B?s=A", False),
        ("/t/A/B?s=A?", "/t/A/B?s=A?", True),
    ],
)
async def test_a_query_of_nothing_is_none(uri: str, target: str, right: bool) -> None:
    door = Door(ONE)
    for challenge in challenges(await door.refusal(target=target)):
        answer = digest_answer(challenge, "push", "pass:word", uri=uri)
        if right:
            assert await door.ask(answer, target=target) is None
        else:
            assert told(await door.refusal(answer, target=target)) == told(await door.refusal(target=target))


async def test_users_of_a_file(users: Path) -> None:
    door = Door({"auth": "digest", "auth_users_file": str(users)})
    for name, word in PEOPLE:
        for challenge in challenges(await door.refusal()):
            assert await door.ask(digest_answer(challenge, name, word)) == name
            assert door.values["username"] == name
    challenge = challenges(await door.refusal())[0]
    unknown = await door.refusal(digest_answer(challenge, "nobody", "12345678"))
    wrong = await door.refusal(digest_answer(challenge, "johndow", "other"))
    assert told(unknown) == told(wrong) == told(await door.refusal())


async def test_another_realm_is_not_ours(users: Path) -> None:
    """Whatever it was computed from."""
    door = Door({"auth": "digest", "auth_users_file": str(users)})
    answer = digest_answer(challenges(await door.refusal())[0], "johndow", "12345678")
    other = answer.replace('realm="push-token"', 'realm="other"')
    assert await door.ask(answer) == "johndow"
    assert told(await door.refusal(other)) == told(await door.refusal())


async def test_the_name_in_its_extended_form(users: Path) -> None:
    """RFC 7616 section 3.4 (`username*`): RFC 8187 for names that a quoted string cannot hold."""
    door = Door({"auth": "digest", "auth_users_file": str(users)})
    answer = digest_answer(challenges(await door.refusal())[0], "sip:jörg@h", "pä:ss")
    extended = answer.replace('username="sip:jörg@h"', "username*=UTF-8''sip%3Aj%C3%B6rg%40h")
    assert await door.ask(extended) == "sip:jörg@h"
    assert (await door.refusal(answer.replace('username="sip:jörg@h", ', ""))).status == 401


async def test_a_report_of_another_account(users: Path) -> None:
    door = Door({"auth": "digest", "auth_users_file": str(users)})
    answer = digest_answer(challenges(await door.refusal())[0], "johndow", "12345678")
    other = await door.refusal(answer, username="somebody")
    assert (other.status, other.reason, other.field) == (403, "other_account", "username")
    assert await door.ask(answer, username="johndow") == "johndow"
    free = Door({"auth": "digest", "auth_users_file": str(users), "auth_username_differs": True})
    answer = digest_answer(challenges(await free.refusal())[0], "johndow", "12345678")
    assert await free.ask(answer, username="+4412345") == "johndow"
    assert free.values["username"] == "+4412345"
    assert await free.ask(answer) == "johndow"
    assert "username" not in free.values


async def test_only_what_is_offered_is_taken(users: Path) -> None:
    """A downgrade to MD5, where the operator has turned it off."""
    strong = Door({"auth": "digest", "auth_users_file": str(users), "auth_algorithms": ("SHA-256",)})
    (challenge,) = challenges(await strong.refusal())
    weak = challenge.replace("SHA-256", "MD5")
    assert told(await strong.refusal(digest_answer(weak, "johndow", "12345678"))) == told(await strong.refusal())


async def test_the_password_before_counts_while_it_is_named() -> None:
    both = Door(ONE | {"auth_password": Secret("new"), "auth_previous_password": Secret("pass:word")})
    challenge = challenges(await both.refusal())[0]
    assert await both.ask(digest_answer(challenge, "push", "pass:word")) is None
    assert await both.ask(digest_answer(challenge, "push", "new")) is None
    after = Door(ONE | {"auth_password": Secret("new")})
    challenge = challenges(await after.refusal())[0]
    assert (await after.refusal(digest_answer(challenge, "push", "pass:word"))).status == 401


async def test_an_old_nonce_is_stale_for_who_knows_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    door = Door(ONE, nonce_timeout=300.0)
    challenge = challenges(await door.refusal())[0]
    answer = digest_answer(challenge, "push", "pass:word")
    wrong = digest_answer(challenge, "push", "other")
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + 299)
    await door.ask(answer)
    monkeypatch.setattr("time.time", lambda: now + 301)
    refusal = await door.refusal(answer)
    stale = challenges(refusal)
    assert refusal.cause == "stale_nonce" and (await door.refusal(wrong)).cause == "wrong_credentials"
    assert (await door.refusal()).cause == "no_credentials"
    assert all("stale=true" in one for one in stale)
    assert not [one for one in challenges(await door.refusal(wrong)) if "stale" in one]
    await door.ask(digest_answer(stale[0], "push", "pass:word"))


async def test_a_nonce_of_another_request_is_stale() -> None:
    door = Door(ONE)
    elsewhere = challenges(await door.refusal(target="/t?s=A&t=OTHER"))[0]
    assert "stale=true" in challenges(await door.refusal(digest_answer(elsewhere, "push", "pass:word")))[0]
    put = challenges(await door.refusal(method="PUT"))[0]
    assert "stale=true" in challenges(await door.refusal(digest_answer(put, "push", "pass:word")))[0]
    invented = digest_answer(challenges(await door.refusal())[0], "push", "pass:word", nonce="AAAA")
    assert "stale=true" in challenges(await door.refusal(invented))[0]


async def test_workers_and_instances_take_each_others_nonces(users: Path) -> None:
    """By the key of the settings; else each has a key of its own."""
    people = {"auth": "digest", "auth_users_file": str(users)}
    key = Secret("a key for all")
    for template, settings, same in (
        (ONE, {"auth_nonce_key": key}, True),
        (ONE, {}, False),
        (people, {"auth_nonce_key": key}, True),
        (people, {}, False),
    ):
        one, other = Door(template, **settings), Door(template, **settings)
        name, word = ("push", "pass:word") if template is ONE else PEOPLE[0]
        answer = digest_answer(challenges(await one.refusal())[0], name, word)
        if same:
            await other.ask(answer)
        else:
            assert "stale=true" in challenges(await other.refusal(answer))[0]


def test_what_a_nonce_is_bound_to() -> None:
    nonces = Nonces(b"key", "t", 300)
    nonce = nonces.issue("GET", TARGET, NOW)
    assert nonces.fresh(nonce, "GET", TARGET, NOW + 300)
    assert nonces.fresh(nonce, "GET", TARGET, NOW - 20)  # another instance's clock
    assert not nonces.fresh(nonce, "GET", TARGET, NOW + 300.1)
    assert not nonces.fresh(nonce, "GET", TARGET, NOW - 31)
    assert not nonces.fresh(nonce, "PUT", TARGET, NOW)
    assert not nonces.fresh(nonce, "GET", TARGET + "x", NOW)
    assert not Nonces(b"other", "t", 300).fresh(nonce, "GET", TARGET, NOW)
    assert not Nonces(b"key", "u", 300).fresh(nonce, "GET", TARGET, NOW)
    assert nonce != nonces.issue("GET", TARGET, NOW)


@given(st.integers(0, 31), st.integers(1, 255))
def test_no_byte_of_a_nonce_can_change(at: int, by: int) -> None:
    nonces = Nonces(b"key", "t", 300)
    data = bytearray(base64.urlsafe_b64decode(nonces.issue("GET", TARGET, NOW)))
    data[at] ^= by
    assert not nonces.fresh(base64.urlsafe_b64encode(data).decode(), "GET", TARGET, NOW)


@pytest.mark.parametrize("nonce", ["", "!", "AAAA", "é", "A" * 1000])
def test_nonces_that_are_none(nonce: str) -> None:
    assert not Nonces(b"key", "t", 300).fresh(nonce, "GET", TARGET, NOW)

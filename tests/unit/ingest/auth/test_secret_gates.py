"""Secrets that all apps share: a parameter, a segment of the path, a header; and Basic with one account."""

import base64

import pytest

from schemas.secret import Secret
from tests.unit.ingest.auth.client import Door, basic_header, challenges, told

SECRET = Secret("s3cret/of+the operator")
OLD = Secret("the one before")
PATH = {"auth": "path", "url": "https://h/r/%secret%/%selector%/x?t=%pushToken%", "auth_password": SECRET}
HEADER = {"auth": "header", "auth_header": "X-Push-Key", "auth_password": SECRET}
BASIC = {"auth": "basic", "auth_username": "push", "auth_password": Secret("pass:wörd")}


async def test_a_parameter() -> None:
    door = Door({"auth": "parameter", "auth_parameter": "key", "auth_password": SECRET})
    assert await door.ask(secrets=(SECRET.reveal(),)) is None
    missing = await door.refusal()
    assert (missing.status, missing.reason, missing.field, missing.headers) == (403, "wrong_secret", "key", ())
    for wrong in (("other",), (SECRET.reveal(), "other"), ("\ud800",), ("",), (OLD.reveal(),)):
        assert told(await door.refusal(secrets=wrong)) == told(missing)


@pytest.mark.parametrize(
    "target",
    [
        "/r/s3cret%2Fof%2Bthe%20operator/A/x?t=B",
        "/r/s3cret%2fof+the%20operator/A/x/",
        "/r/%733cret%2Fof+the%20operator/A/x",
    ],
)
async def test_a_path(target: str) -> None:
    assert await Door(PATH).ask(target=target) is None


@pytest.mark.parametrize(
    "given", ["", "other", "s3cret/of+the operator", "%FF", "s3cret%2Fof%2Bthe%20operato", "%secret%"]
)
async def test_a_wrong_path(given: str) -> None:
    """The search for the template takes any segment: 404 for one and 403 for another would be an oracle."""
    door = Door(PATH)
    wrong = await door.refusal(target=f"/r/{given}/A/x?t=B")
    assert told(wrong) == told(await door.refusal(target="/r/x/A/x"))
    assert (wrong.status, wrong.reason, wrong.field, wrong.headers) == (403, "wrong_secret", None, ())


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://h/%secret%?s=%selector%&t=%pushToken%", "/abc"),
        ("https://h/%secret%?s=%selector%&t=%pushToken%", "/abc/"),
        ("https://h/r-%secret%/%selector%/%pushToken%", "/r-abc/A/B/C"),
        ("https://h/%selector%/%secret%/?t=%pushToken%", "/A/abc"),
    ],
)
async def test_where_in_a_path(url: str, target: str) -> None:
    door = Door({"auth": "path", "url": url, "auth_password": Secret("abc")})
    assert await door.ask(target=target) is None
    assert (await door.refusal(target=target.replace("abc", "abd"))).status == 403


async def test_a_header() -> None:
    door = Door(HEADER)
    assert await door.ask(headers={"X-PUSH-KEY": SECRET.reveal()}) is None
    missing = await door.refusal()
    assert (missing.status, missing.field, missing.headers) == (403, None, ())
    for wrong in ({"X-Push-Key": "other"}, {"X-Push-Key": ""}, {"X-Push-Kex": SECRET.reveal()}):
        assert told(await door.refusal(headers=wrong)) == told(missing)
    twice = {"X-Push-Key": SECRET.reveal(), "x-push-key": "other"}
    assert told(await door.refusal(headers=twice)) == told(missing)


async def test_basic_with_one_account() -> None:
    door = Door(BASIC)
    assert await door.ask(basic_header("push", "pass:wörd")) is None
    assert await door.ask(basic_header("push", "pass:wörd").replace("Basic", "basic ")) is None
    latin = base64.b64encode("push:pass:wörd".encode("latin-1")).decode()
    assert await door.ask(f"Basic {latin}") is None
    missing = await door.refusal()
    assert (missing.status, challenges(missing)) == (401, ['Basic realm="push-token", charset="UTF-8"'])
    for wrong in ("Basic", "Basic !", "Bearer x", basic_header("push", "other"), basic_header("pull", "pass:wörd")):
        assert told(await door.refusal(wrong)) == told(missing)
    assert told(await door.refusal(f"Basic {base64.b64encode(b'push').decode()}")) == told(missing)


async def test_the_secret_before_counts_while_it_is_named() -> None:
    both = {"auth_previous_password": OLD}
    old = OLD.reveal()
    parameter = {"auth": "parameter", "auth_parameter": "key", "auth_password": SECRET}
    assert await Door(parameter | both).ask(secrets=(old,)) is None
    assert await Door(HEADER | both).ask(headers={"X-Push-Key": old}) is None
    assert await Door(PATH | both).ask(target="/r/the%20one%20before/A/x") is None
    assert await Door(BASIC | both).ask(basic_header("push", old)) is None
    assert await Door(BASIC | both).ask(basic_header("push", "pass:wörd")) is None
    assert (await Door(HEADER).refusal(headers={"X-Push-Key": old})).status == 403
    assert (await Door(PATH).refusal(target="/r/the%20one%20before/A/x")).status == 403
    assert (await Door(BASIC).refusal(basic_header("push", old))).status == 401

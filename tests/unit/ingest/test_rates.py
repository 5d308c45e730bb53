"""Rates as requests meet them: 429 with Retry-After, nothing published, nobody else concerned; off, nothing at all."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ingest.limits.rates import address_rate, field_rates
from ingest.retry_after import retry_after
from schemas.secret import Secret
from schemas.settings import Ingest, Settings, Template
from tests.unit.ingest.asgi import Answer, Bench
from tests.unit.ingest.auth.client import basic_header, ha1


def bench(**ingest: Any) -> Bench:
    return Bench(Settings(ingest=Ingest(rate_cells=4096, **ingest)))


async def report(at: Bench, selector: str, user: str = "u", client: str = "192.0.2.1", **headers: str) -> Answer:
    target = f"/token/?selector={selector}&username={user}&token_calls=dG9rZW4&appid_calls=com.x"
    return await at.send({"method": "GET", "target": target, "headers": {"Host": "h"} | headers}, client)


async def test_a_selector_that_reports_too_often() -> None:
    at = bench(selector_rate=3)
    statuses = [(await report(at, "a")).status for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    assert (await report(at, "b")).status == 200
    assert len(at.sink.messages) == 4 and at.rejected == []
    refused = await report(at, "a")
    again = refused.header("retry-after")
    assert again is not None and 19 <= int(again) <= 42
    problem = msgspec.json.decode(refused.body)
    assert (problem["status"], problem["reason"]) == (429, "rate_limited")


async def test_an_account_that_reports_too_often() -> None:
    at = bench(account_rate=2)
    assert [(await report(at, f"s{number}", "alice")).status for number in range(3)] == [200, 200, 429]
    assert (await report(at, "s", "bob")).status == 200
    # A report without a user name counts for nobody.
    targets = [{"method": "GET", "target": f"/token/?selector=x{number}", "headers": {}} for number in range(4)]
    assert [(await at.send(target)).status for target in targets] == [200] * 4


@pytest.fixture
def guarded(tmp_path: Path) -> Callable[..., Bench]:
    """An ingress with a template that asks for an account's password, one for a shared secret, and an open one."""
    users = tmp_path / "users"
    users.write_text("".join(f"{name}:push-token:{ha1('SHA-256', name, 'word')}\n" for name in ("ann", "bob")))
    query = "s=%selector%&u=%account[username]%&t=%pushToken%"
    templates = (
        Template(name="own", url=f"https://h/own?{query}", auth="basic", auth_users_file=str(users)),
        Template(
            name="all", url=f"https://h/all?{query}", auth="header", auth_header="X-Key", auth_password=Secret("word")
        ),
        Template(name="open", url=f"https://h/open?{query}"),
    )

    def make(**ingest: Any) -> Bench:
        return Bench(Settings(templates=templates, ingest=Ingest(rate_cells=4096, **ingest)))

    return make


async def ask(at: Bench, path: str, user: str, **headers: str) -> int:
    target = f"/{path}?s=S&u={user}&t=T"
    return (await at.send({"method": "GET", "target": target, "headers": {"Host": "h"} | headers})).status


@pytest.mark.parametrize("rate", ["selector_rate", "account_rate"])
async def test_who_may_not_report_uses_up_nobodys_number(guarded: Callable[..., Bench], rate: str) -> None:
    at = guarded(**{rate: 2})
    wrong: list[tuple[str, str, dict[str, str], int]] = [
        ("own", "ann", {}, 401),
        ("own", "ann", {"Authorization": basic_header("ann", "guess")}, 401),
        ("own", "ann", {"Authorization": basic_header("bob", "word")}, 403),
        ("all", "ann", {}, 403),
        ("all", "ann", {"X-Key": "guess"}, 403),
    ]
    for path, user, headers, status in wrong * 2:
        assert await ask(at, path, user, **headers) == status
    right = {"Authorization": basic_header("ann", "word")}
    assert [await ask(at, "own", "ann", **right) for _ in range(3)] == [200, 200, 429]
    assert [await ask(at, "all", "ann", **{"X-Key": "word"}) for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("rate", ["selector_rate", "account_rate"])
async def test_an_account_has_a_number_of_its_own(guarded: Callable[..., Bench], rate: str) -> None:
    """Whoever else names its selector or its name: an open template's clients, another account."""
    at = guarded(**{rate: 2})
    assert [await ask(at, "open", "ann") for _ in range(3)] == [200, 200, 429]
    bob = {"Authorization": basic_header("bob", "word")}
    assert [await ask(at, "own", "bob", **bob) for _ in range(3)] == [200, 200, 429]
    ann = {"Authorization": basic_header("ann", "word")}
    assert [await ask(at, "own", "ann", **ann) for _ in range(3)] == [200, 200, 429]


async def test_an_address_that_asks_too_often_whatever_it_asks() -> None:
    at = bench(address_rate=3, trusted_proxies="10.0.0.0/8")
    assert [(await report(at, f"s{number}")).status for number in range(2)] == [200, 200]
    assert (await at.send({"method": "GET", "target": "/nowhere", "headers": {}}, "192.0.2.1")).status == 404
    assert (await report(at, "s9")).status == 429
    assert (await report(at, "s9", client="192.0.2.2")).status == 200
    behind = {"X-Forwarded-For": "192.0.2.1"}
    assert (await report(at, "s9", client="10.0.0.5", **behind)).status == 429
    assert (await report(at, "s9", client="192.0.2.3", **behind)).status == 200  # anybody may write that


async def test_an_address_is_refused_before_the_body_is_read() -> None:
    at = bench(address_rate=1)
    request = {"method": "POST", "target": "/token/", "headers": {"Content-Type": "application/json"}, "body": "{"}
    assert [(await at.send(request)).status for _ in range(2)] == [400, 429]
    assert len(at.rejected) == 1


def test_off_means_that_there_is_nothing_to_ask() -> None:
    assert field_rates(Ingest()) is None
    assert address_rate(Ingest()) is None


@pytest.mark.parametrize(("least", "lowest", "highest"), [(5, 5, 10), (0.2, 1, 2), (0, 1, 2), (7.01, 8, 16)])
def test_retry_after_spreads(least: float, lowest: int, highest: int) -> None:
    found = {int(retry_after(least)) for _ in range(500)}
    assert (min(found), max(found)) == (lowest, highest)

"""A bound selector on real Kafka: refused, released, taken; the binding survives a log-out, a restart, a rebuild."""

import argparse
import asyncio
import json
import time
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from deploy.cli import lookup, release
from deploy.publishing import publish
from schemas.records import Latest, Pair, Rejected, Report, decode_latest, decode_removed
from schemas.settings import Settings
from schemas.topics import topics
from tests.compaction import Worker, differences, last_values, read_all, wait_applied
from tests.engines import run_command
from tests.integration.compactor.conftest import SettingsWithTopics, StartWorker
from tests.integration.compactor.test_worker import a_report
from tests.poll import until

SELECTOR = "12869E0E6E553673C54F29105A0647204C416A2A:7C3A0D14"


def by(account: str, token: str, **given: str) -> Report:
    """What the account's phone reports now."""
    told = a_report(SELECTOR, calls=Pair(token, "app"))
    return replace(told, authenticated_username=account, received_at=time.time_ns() // 1_000_000, **given)


async def say(settings: Settings, *told: Report) -> None:
    """Put them onto the log, and wait until they are applied."""
    await publish(settings, "test", told)
    await wait_applied(settings)


async def latest_of(settings: Settings) -> Latest:
    return decode_latest(last_values(await read_all(settings, topics(settings).latest.name))[SELECTOR])


async def refused(settings: Settings) -> list[Rejected]:
    messages = await read_all(settings, topics(settings).rejected.name)
    return [msgspec.json.decode(message.value or b"", type=Rejected) for message in messages]


async def command(worker: Worker, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """`pushtokens release SELECTOR …`: exit code and what it says."""
    parser = argparse.ArgumentParser()
    release.add_arguments(parser)
    arguments = parser.parse_args([SELECTOR, "--wait", "30", *words])
    code = await asyncio.to_thread(release.run, arguments, worker.settings)
    return code, "".join(capsys.readouterr())


def looked_up(worker: Worker, capsys: pytest.CaptureFixture[str]) -> str:
    """What `pushtokens lookup` prints."""
    parser = argparse.ArgumentParser()
    lookup.add_arguments(parser)
    assert lookup.run(parser.parse_args([SELECTOR]), worker.settings) == 0
    return capsys.readouterr().out


def known(worker: Worker) -> tuple[str | None, str | None]:
    """The calls token and the account that it is bound to, by the lookup, once the table holds all that was fetched:
    Kafka shows a batch's offset as committed a moment before the batch is in the table."""

    def ask() -> dict[str, Any] | None:
        found: dict[str, Any] = worker.get(f"/v1/selectors/{SELECTOR}").json()
        return found if found["as_of"]["lag"] == 0 else None

    found = until(ask, "the table has caught up")
    return found["calls"]["token"], found.get("bound_to")


async def test_refused_released_taken(
    topics_for: SettingsWithTopics, start_worker: StartWorker, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = await topics_for()
    worker = start_worker(settings).wait_ready()
    await say(settings, by("ann", "ann-1"), by("bob", "bob-1"), a_report(SELECTOR))
    assert known(worker) == ("ann-1", "ann")
    bad = await refused(settings)
    assert [(one.reason, one.input["selector"], one.input["authenticated_username"]) for one in bad] == [
        ("bound_to_other", SELECTOR, "bob"),
        ("bound_to_other", SELECTOR, None),
    ]
    assert "bob-1" not in repr(bad)
    assert worker.metrics()["pushtokens_compactor_bound_refused_total"] == 2

    on_its_way = by("ann", "ann-1")
    assert await command(worker, capsys) == (0, "applied: released\n")
    assert known(worker) == ("ann-1", None)
    assert "bound to    -\n" in looked_up(worker, capsys)
    await say(settings, on_its_way)
    assert known(worker)[1] is None
    await say(settings, by("bob", "bob-2"), by("ann", "ann-1"))
    assert known(worker) == ("bob-2", "bob")
    assert "bound to    bob\n" in looked_up(worker, capsys)
    assert (await latest_of(settings)).bound_to == "bob"

    code, shown = await command(worker, capsys, "--to", "ann", "--json")
    assert (code, json.loads(shown)["known"]["bound_to"]) == (0, "ann")
    assert "bob-2" not in shown
    await _through_a_log_out_and_a_rebuild(settings, worker, start_worker, capsys)


async def _through_a_log_out_and_a_rebuild(
    settings: Settings, worker: Worker, start_worker: StartWorker, capsys: pytest.CaptureFixture[str]
) -> None:
    await say(settings, by("ann", "ann-1"), by("ann", "ann-1", kind="removal"), by("bob", "bob-3"))
    held = last_values(await read_all(settings, topics(settings).removals.name))
    assert decode_removed(held[SELECTOR]).bound_to == "ann"
    assert await differences(settings) == []
    worker.stop()
    done = await asyncio.to_thread(run_command, settings, "rebuild")
    assert done.returncode == 0, done.stderr
    code, shown = await command(worker, capsys, "--to", "bob", "--wait", "1")
    assert code == 1 and "the compactor has not come that far" in shown
    again = start_worker(settings).wait_ready()
    await wait_applied(settings)
    assert again.get(f"/v1/selectors/{SELECTOR}").status_code == 404
    code, shown = await command(again, capsys, "--to", "bob")
    assert code == 0 and "no pair now" in shown
    await say(settings, by("ann", "ann-1"), by("bob", "bob-3"))
    assert known(again) == ("bob-3", "bob")
    # What is refused once more is told once more, under its id; nothing else is.
    assert all(line.startswith("rejected: ") for line in await differences(settings))
    ids = [one.id for one in await refused(settings)]
    assert (len(ids), len(set(ids))) == (6, 5)

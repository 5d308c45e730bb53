"""One worker and several: what is on the topics, what lookups say, and where a restart begins."""

import argparse
import asyncio
import json
import os
import signal
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest

from deploy.cli import lookup
from schemas.records import Pair, Report, encode
from schemas.settings import Settings
from schemas.topics import topics
from tests.compaction import Feed, Worker, differences, model_of, wait_applied
from tests.integration.compactor.conftest import SettingsWithTopics, StartWorker
from tests.poll import until
from tests.reference import Known

ODD = "a/b:c+d@e f%2F?ü#"


async def fed(settings: Settings, count: int, seed: int = 5) -> None:
    """Put `count` records on the log."""
    feed = Feed(settings, seed, selectors=200)
    async with feed:
        await feed.write(count)


@pytest.mark.parametrize("store", ["rocksdb", "memory"])
async def test_topics_and_lookups_equal_the_reference(
    topics_for: SettingsWithTopics, start_worker: StartWorker, store: str
) -> None:
    settings = await topics_for(compact={"store": store})
    await fed(settings, 3000)
    worker = start_worker(settings).wait_ready()
    await wait_applied(settings)
    assert await differences(settings) == []
    model = await model_of(settings)
    for selector, known in model.known.items():
        check(worker, selector, known)
    for name in {known.username for known in model.known.values() if known.username}:
        wanted = sorted(s for s, known in model.known.items() if known.present and known.username == name)
        answer = worker.get(f"/v1/accounts/{quote(name, safe='')}")
        assert [found["selector"] for found in answer.json().get("selectors", [])] == wanted
        assert answer.status_code == (200 if wanted else 404)
    worker.stop()


async def test_a_backlog_of_many_full_fetches_loses_nothing(
    topics_for: SettingsWithTopics, start_worker: StartWorker
) -> None:
    """Queues fill, partitions are paused and resumed, and the take-over seeks into what was fetched before it."""
    settings = await topics_for(compact={"max_batch": 500})
    await fed(settings, 40_000)
    worker = start_worker(settings).wait_ready()
    await wait_applied(settings)
    assert await differences(settings) == []
    assert "has no offsets" not in worker.output()


def check(worker: Worker, selector: str, known: Known) -> None:
    """A lookup says what the model says."""
    answer = worker.get(f"/v1/selectors/{selector}")
    if not known.present:
        assert answer.status_code == 404
        assert answer.json()["as_of"]["lag"] == 0
        return
    found = answer.json()
    slots = {name: known.slots[name] for name in ("calls", "other")}
    assert {name: found[name] for name in slots} == slots
    assert (found["username"], found["last_seen"]) == (known.username, known.last_seen)
    assert found["as_of"]["partition"] == found["source"]["partition"]


async def send(settings: Settings, report: Report) -> None:
    """One good record."""
    from aiokafka import AIOKafkaProducer

    producer = AIOKafkaProducer(bootstrap_servers=settings.bootstrap)
    await producer.start()
    try:
        await producer.send_and_wait(topics(settings).reports.name, encode(report), report.selector.encode())
    finally:
        await producer.stop()


def a_report(selector: str, **given: Any) -> Report:
    fields: dict[str, Any] = {"username": None, "calls": Pair("token", "app"), "other": None}
    return Report(schema_version=1, id="r", kind="report", received_at=1, selector=selector, **(fields | given))


async def test_http_of_a_worker(
    topics_for: SettingsWithTopics, start_worker: StartWorker, capsys: pytest.CaptureFixture[str]
) -> None:
    """Odd names, many at once, limits, health, and nothing of Faust's own pages."""
    settings = await topics_for(lookup={"max_batch": 3})
    await send(settings, a_report(ODD, username=ODD))
    worker = start_worker(settings).wait_ready()
    await wait_applied(settings)
    name = quote(ODD, safe="")
    assert worker.get(f"/v1/selectors/{name}").json()["selector"] == ODD
    assert worker.get(f"/v1/accounts/{name}").json()["selectors"][0]["selector"] == ODD
    assert worker.get("/v1/selectors/nobody").status_code == 404
    many = worker.post("/v1/selectors", {"selectors": [ODD, "x", ODD]}).json()
    assert ([found["selector"] for found in many["selectors"]], many["unknown"]) == ([ODD], ["x"])
    assert worker.post("/v1/selectors", {"selectors": ["a", "b", "c", "d"]}).status_code == 413
    assert worker.post("/v1/selectors", {"selectors": []}).status_code == 400
    assert worker.get("/healthz").status_code == worker.get("/readyz").status_code == 200
    until(lambda: worker.metrics()["pushtokens_compactor_lag_records"] == 0, "the gauge, set once a second, says so")
    for page in ("/table", "/table/x", "/router", "/router/x", "/graph", "/", "/stats", "/schema"):
        assert worker.get(page).status_code == 404
    cli(worker, capsys)
    log = worker.output()
    assert '"asked"' in log and "token" not in log.replace("pushtokens", "")


def cli(worker: Worker, capsys: pytest.CaptureFixture[str]) -> None:
    """`pushtokens lookup`, by selector and by account."""

    def run(*arguments: str) -> tuple[int, str, str]:
        parser = argparse.ArgumentParser()
        lookup.add_arguments(parser)
        code = lookup.run(parser.parse_args(arguments), worker.settings)
        return code, *capsys.readouterr()

    code, out, _ = run(ODD)
    assert code == 0
    assert ODD in out and "<token 5>" in out and " app " in out
    assert " token " in run(ODD, "--show-tokens")[1]
    code, out, _ = run("--username", ODD, "--json")
    assert (code, json.loads(out)["selectors"][0]["calls"]["token"]) == (0, "token")
    code, _, error = run("nobody")
    assert code == 1 and "Unknown selector" in error
    code, _, error = run("nobody", "--url", "http://127.0.0.1:9")
    assert code == 1 and "pushtokens compact" in error


async def test_beyond_loopback_only_with_a_key(topics_for: SettingsWithTopics, start_worker: StartWorker) -> None:
    settings = await topics_for(lookup={"host": "0.0.0.0"})
    refused = start_worker(settings, "open")
    assert refused.process.wait(30.0) and refused.process.exit_code == 2
    assert "PUSHTOKENS_LOOKUP_API_KEY" in refused.output()
    settings = await topics_for(lookup={"host": "0.0.0.0", "api_key": "k3y"})
    worker = start_worker(settings, "keyed").wait_ready()
    path = "/v1/selectors/x"
    assert worker.get(path).status_code == 401
    assert worker.get(path, headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert worker.get(path, headers={"Authorization": "Bearer k3y"}).status_code == 404
    assert worker.get(path, headers={"X-API-Key": "k3y"}).status_code == 404


async def test_a_restart_reads_only_the_tail(topics_for: SettingsWithTopics, start_worker: StartWorker) -> None:
    """After a clean stop and after a kill; without the store everything is read again."""
    settings = await topics_for()
    await fed(settings, 2000)
    worker = start_worker(settings).wait_ready()
    await wait_applied(settings)
    worker.stop()
    again = start_worker(settings).wait_ready()
    assert again.metrics()["pushtokens_compactor_followed_total"] == 0
    await fed(settings, 500, seed=6)
    await wait_applied(settings)
    # Kafka shows an offset as committed a moment before the batch is in the store.
    names = list((await model_of(settings)).known)
    until(lambda: {again.get(f"/v1/selectors/{name}").json()["as_of"]["lag"] for name in names} == {0}, "all is stored")
    again.process.kill()
    killed = start_worker(settings).wait_ready()
    assert killed.metrics()["pushtokens_compactor_followed_total"] == 0
    killed.stop()
    empty = start_worker(settings, "without-a-store").wait_ready()
    assert empty.metrics()["pushtokens_compactor_followed_total"] >= 200
    model = await model_of(settings)
    for selector, known in model.known.items():
        check(empty, selector, known)


async def test_several_workers_answer_for_each_other(topics_for: SettingsWithTopics, start_worker: StartWorker) -> None:
    """Every worker answers for every selector and account; after a kill a known one is 200 or 503, never 404."""
    settings = await topics_for()
    await fed(settings, 1500)
    first, second = start_worker(settings, "one"), start_worker(settings, "two")
    first.wait_ready()
    second.wait_ready()
    await wait_applied(settings)
    until(lambda: owned(first) == owned(second) == 2, "two partitions each", 60.0)
    model = await model_of(settings)
    present = [selector for selector, known in model.known.items() if known.present]
    for worker in (first, second):
        until(partial(all_found, worker, present), "every selector from every worker", 30.0)
        name = next(known.username for known in model.known.values() if known.present and known.username)
        assert worker.get(f"/v1/accounts/{name}").status_code == 200
        assert worker.get("/v1/accounts/nobody").status_code == 404
    until(lambda: second.metrics()["pushtokens_compactor_partitions_standby"] == 2, "standby copies", 30.0)
    followed = second.metrics()["pushtokens_compactor_followed_total"]
    first.process.kill()
    seen: set[int] = set()

    def served() -> bool:
        now = answers(second, present)
        seen.update(now)
        return now == {200}

    until(served, "the survivor serves all of them", 15.0)
    assert seen <= {200, 503}
    assert second.metrics()["pushtokens_compactor_followed_total"] == followed  # the standby copies were complete


async def test_one_worker_in_two_processes(topics_for: SettingsWithTopics, start_worker: StartWorker) -> None:
    """They share the partitions and answer for each other; a restart finds each partition where its store is; one that
    dies is started again; SIGTERM drains both."""
    settings = await topics_for(compact={"processes": 2})
    await fed(settings, 3000)
    first = start_worker(settings)
    until(lambda: halves(first), "both processes have two partitions each", 60.0)
    await wait_applied(settings)
    first.stop()
    worker = start_worker(settings)
    both = [worker, worker.beside(1)]
    until(lambda: halves(worker), "they have them again", 60.0)
    # The first to join has all partitions for a moment; what it reads of the other's then is no loss.
    assert 0 in [each.metrics()["pushtokens_compactor_followed_total"] for each in both]
    model = await model_of(settings)
    present = [selector for selector, known in model.known.items() if known.present]
    for each in both:
        until(partial(all_found, each, present), "every selector from every process", 30.0)
        assert each.metrics()["pushtokens_compactor_partitions_standby"] == 0
    os.kill(worker.processes()[-1], signal.SIGKILL)
    await fed(settings, 500)
    await wait_applied(settings)
    until(lambda: halves(worker), "both are back", 60.0)
    assert await differences(settings) == []
    worker.stop()


async def test_what_is_confirmed_is_found_at_once(topics_for: SettingsWithTopics, start_worker: StartWorker) -> None:
    """A phone's report is on the log some milliseconds before it is in the table: a lookup in between waits."""
    settings = await topics_for()
    worker = start_worker(settings).wait_ready()
    async with Feed(settings, seed=1) as feed:
        for number in range(60):
            selector = f"now-{number}"
            await feed.put(a_report(selector))
            found = await asyncio.to_thread(worker.get, f"/v1/selectors/{selector}")
            assert found.status_code == 200, found.text
    assert worker.get("/v1/selectors/never").status_code == 404


def halves(worker: Worker) -> bool:
    """Whether both processes of a worker are ready, each with two partitions."""
    return all(each.ready() and owned(each) == 2 for each in (worker, worker.beside(1)))


def owned(worker: Worker) -> float:
    return worker.metrics().get("pushtokens_compactor_partitions_ready", 0.0)


def all_found(worker: Worker, selectors: list[str]) -> bool:
    return answers(worker, selectors) == {200}


def answers(worker: Worker, selectors: list[str]) -> set[int]:
    """The statuses of a lookup of each."""
    return {worker.get(f"/v1/selectors/{selector}").status_code for selector in selectors[::7]}

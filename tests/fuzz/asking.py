"""Requests straight to the application, with a sink in memory, and what is checked of every one of them."""

import asyncio
import contextlib
import json
import logging
import os
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_plus

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase

from schemas.records import decode_report
from tests.fuzz.count import COUNTS
from tests.fuzz.setups import PASSWORD, SECRET, SETUPS, Setup
from tests.unit.ingest.asgi import Answer, Bench

OPENAPI = json.loads((Path(__file__).resolve().parents[2] / "schemas" / "openapi.json").read_text())
# With Kafka in memory nothing is busy: every other documented answer may come, and no other.
DOCUMENTED = {int(status) for status in OPENAPI["paths"]["/token/"]["get"]["responses"]} - {503, 429}
# What answers and logs may say in any case: hypothesis tries words of our own code as tokens, `request_id` among them.
OWN_WORDS = "\n".join(
    path.read_text() for path in (Path(__file__).resolve().parents[2] / "ingest").rglob("*.py")
) + str(vars(logging.makeLogRecord({})))
TIMES = 50 if os.environ.get("SOAK") else 1
SEED = int(os.environ.get("FUZZ_SEED") or (random.SystemRandom().getrandbits(32) if TIMES > 1 else 20261124))


class Watch(logging.Handler):
    """Keeps what is logged, as it would be written."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        """A failure fails the test; the rest is kept."""
        self.text += " ".join([record.getMessage(), *(f"{name}={value}" for name, value in record.__dict__.items())])
        assert record.levelno < logging.ERROR and record.exc_info is None, self.text


class Asking:
    """The applications of all setups, on one loop."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.benches = {setup.name: Bench(setup.settings) for setup in SETUPS}
        for bench in self.benches.values():
            self.loop.run_until_complete(bench.start())
        self.log = Watch()
        logger = logging.getLogger("ingest")
        self._before = (logger.propagate, logger.level)
        logger.propagate = False
        logger.setLevel(logging.DEBUG)
        logger.addHandler(self.log)

    def close(self) -> None:
        """As it was before."""
        logger = logging.getLogger("ingest")
        logger.removeHandler(self.log)
        logger.propagate, level = self._before
        logger.setLevel(level)
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self.loop.run_until_complete(asyncio.wait(tasks, timeout=10))
        self.loop.close()

    def ask(
        self,
        setup: Setup,
        method: str,
        target: bytes,
        headers: list[tuple[bytes, bytes]],
        body: bytes,
        secrets: list[str],
    ) -> tuple[Answer, dict[str, Any] | None]:
        """Send one request; the answer, and the record if it was accepted."""
        bench = self.benches[setup.name]
        bench.sink.partitions = [[] for _ in bench.sink.partitions]
        bench.rejected.clear()
        self.log.text = ""
        answer = self.loop.run_until_complete(_call(bench, method, target, headers, body))
        assert answer.status in DOCUMENTED, (answer.status, answer.body)
        said = answer.body.decode() + str(answer.headers) + self.log.text
        told = [secret for secret in (*secrets, SECRET, PASSWORD) if len(secret) > 7 and secret in said]
        assert not [secret for secret in told if secret not in OWN_WORDS], said
        record = _record(answer, bench)
        if record is not None and setup.secret:
            sent = [unquote_plus(target.decode("latin-1")), str(headers), *texts(target, body)]
            assert any(setup.secret in text for text in sent), sent
        return answer, record


@pytest.fixture(scope="module")
def asking() -> Iterator[Asking]:
    """The applications."""
    found = Asking()
    yield found
    found.close()


async def _call(bench: Bench, method: str, target: bytes, headers: list[tuple[bytes, bytes]], body: bytes) -> Answer:
    path, _, query = target.partition(b"?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": unquote(path.decode("ascii")),
        "raw_path": path,
        "root_path": "",
        "query_string": query,
        "scheme": "http",
        "headers": headers,
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8080),
        "state": {},
    }
    events: list[Any] = []
    parts = [body[:7], body[7:]]

    async def receive() -> dict[str, Any]:
        if not parts:
            return {"type": "http.disconnect"}
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    async def send(event: Any) -> None:
        events.append(event)

    await bench.app(scope, receive, send)
    start = events[0]
    return Answer(start["status"], list(start["headers"]), b"".join(event.get("body", b"") for event in events[1:]))


def _record(answer: Answer, bench: Bench) -> dict[str, Any] | None:
    """The record of a 200, which is the only one and whole; of a refusal there is none."""
    messages = bench.sink.messages
    if answer.status != 200:
        assert messages == [] and len(bench.rejected) <= 1
        problem = json.loads(answer.body)
        assert problem["status"] == answer.status and problem["reason"]
        assert answer.header("content-type") == "application/problem+json"
        return None
    assert (answer.headers, answer.body, bench.rejected) == ([(b"content-length", b"0")], b"", [])
    (message,) = messages
    report = decode_report(message.value)
    assert message.key == report.selector.encode() and report.selector
    found: dict[str, Any] = json.loads(message.value)
    return found


def values(record: dict[str, Any]) -> dict[str, str]:
    """What of a record came from the request, by field, without what is absent."""
    found = {name: record[name] for name in ("selector", "username", "install_id")}
    for slot in ("calls", "other"):
        pair = record[slot] or {}
        found |= {f"{slot}_{name}": pair.get(name) for name in ("token", "app_id")}
    return {name: value for name, value in found.items() if value is not None}


def texts(target: bytes, body: bytes) -> list[str]:
    """All that a request says, in every way it may be meant."""
    found = []
    for part in (target, body):
        text = part.decode("utf-8", "replace")
        found += [text, unquote(text), unquote_plus(text)]
    with contextlib.suppress(ValueError, RecursionError):
        found += _strings(json.loads(body.decode("utf-8-sig", "replace")))
    return found


def _strings(document: Any) -> list[str]:
    if isinstance(document, dict):
        return [text for item in document.items() for part in item for text in _strings(part)]
    if isinstance(document, list):
        return [text for part in document for text in _strings(part)]
    return [str(document)]


def was_sent(value: str, sent: list[str]) -> bool:
    """Whether `value` stands in the request; what is `+` and what a space is another question."""
    plain = re.sub(r"[ +]", "", value)
    return any(plain in re.sub(r"[ +]", "", text) for text in sent)


class Tried:
    """Which inputs there were (each counts once), and how they were answered."""

    def __init__(self) -> None:
        self.inputs: set[int] = set()
        self.by: dict[int, int] = {}

    def note(self, *request: Any) -> bool:
        """One more; False if it was tried before."""
        before = len(self.inputs)
        self.inputs.add(hash(request))
        return len(self.inputs) > before

    def answered(self, status: int) -> None:
        """How the last one ended."""
        self.by[status] = self.by.get(status, 0) + 1


def fuzz(name: str, draws: int, inputs: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run a property on `draws` draws of hypothesis, each made into a request for every setup; 50 times as many in
    `make soak`. They must come to `inputs` different requests, or the test fails; their number is said at the end."""

    def around(given: Callable[..., None]) -> Callable[..., None]:
        settings = hypothesis.settings(
            max_examples=draws * TIMES,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
        )
        inner = hypothesis.seed(SEED)(settings(given))

        def run(asking: Asking) -> None:
            tried = Tried()
            inner(asking=asking, tried=tried)
            by = ", ".join(f"{status}: {count}" for status, count in sorted(tried.by.items()))
            COUNTS.append(f"{len(tried.inputs)} inputs, {name} (seed {SEED}); answers {by}")
            assert len(tried.inputs) >= inputs * TIMES, COUNTS[-1]

        return run

    return around

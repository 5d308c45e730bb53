"""Restarts and losses of our compactor with a full table: how long until it serves again."""

import json
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from benchmarks.compaction.contender import Contender
from benchmarks.compaction.course import Course
from benchmarks.compaction.race import FailedError, peak_mib
from benchmarks.compaction.spec import Spec
from deploy.local.ports import free_port
from deploy.local.process import Process

POLL: Final = 0.02


class Outage(Struct, frozen=True, kw_only=True):
    """Seconds until served again, and the peak memory (MiB) of the worker that serves."""

    seconds: float
    peak_mib: float


def restart(course: Course, contender: Contender, *, keep_state: bool, deadline: float = 300.0) -> Outage:
    """From the start of the process until it is ready (all partitions recovered), with its local state or without."""
    spec = course.renewed(contender)
    if not keep_state:
        shutil.rmtree(spec.data_dir, ignore_errors=True)
        Path(spec.data_dir).mkdir(parents=True)
    worker = contender.process(spec, course.work / "restart.log")
    begun = time.monotonic()
    worker.start()
    try:
        wait(worker, lambda: ready(spec), deadline)
        return Outage(seconds=time.monotonic() - begun, peak_mib=peak_mib(worker))
    finally:
        worker.stop(30.0)


def lose_one_of_two(course: Course, contender: Contender, *, settle: float, deadline: float = 120.0) -> Outage:
    """kill -9 of one of two workers; then a new token is reported in every partition.

    Counted until the survivor's lookup answers every one of these selectors with its new token: partitions taken over,
    table recovered, reports processed, served. Before the kill the standby copies get `settle` seconds to be filled.
    """
    first = course.renewed(contender)
    second = msgspec.structs.replace(first, data_dir=f"{first.data_dir}-second", lookup_port=free_port())
    Path(second.data_dir).mkdir(parents=True, exist_ok=True)
    workers = [contender.process(spec, course.work / f"pair-{spec.lookup_port}.log") for spec in (first, second)]
    try:
        for worker in workers:
            worker.start()
        wait(workers[0], lambda: course.broker.sharing(first.group, first.reports) == 2, deadline)
        wait(workers[0], lambda: all(ready(spec) for spec in (first, second)), deadline)
        time.sleep(settle)
        workers[0].kill()
        begun = time.monotonic()
        expected = rotate(course)
        wait(workers[1], lambda: all(token_of(second.lookup_port, s) == t for s, t in expected.items()), deadline)
        return Outage(seconds=time.monotonic() - begun, peak_mib=peak_mib(workers[1]))
    finally:
        for worker in workers:
            worker.stop(30.0)
        shutil.rmtree(second.data_dir, ignore_errors=True)


def rotate(course: Course, count: int = 64) -> dict[str, str]:
    """Report a new calls token for `count` selectors (all partitions, near enough surely): selector to token."""
    rotated = [course.fleet.rotate(number) for number in range(count)]
    course.broker.load(course.reports, [(key, value) for key, value, _ in rotated])
    return {key.decode(): token for key, _, token in rotated}


def wait(worker: Process, done: Callable[[], bool], deadline: float) -> None:
    """Poll until `done`, while `worker` runs.

    Raises:
        FailedError: it ended, or `deadline` seconds are past.
    """
    until = time.monotonic() + deadline
    while not done():
        if time.monotonic() > until or not worker.running:
            raise FailedError(f"{worker.name} is not ready; its last lines:\n{worker.tail()}")
        time.sleep(POLL)


def ready(spec: Spec) -> bool:
    """Whether the /readyz of all the worker's processes say so."""
    return all(_get(spec.lookup_port + number, "/readyz")[0] == 200 for number in range(spec.processes))


def token_of(port: int, selector: str) -> str | None:
    """The calls token that the lookup gives for `selector`; None while it gives none."""
    status, body = _get(port, f"/v1/selectors/{selector}")
    if status != 200:
        return None
    found = json.loads(body)
    calls = found.get("calls") or {}
    return str(calls.get("token"))


def _get(port: int, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5.0) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, b""
    except OSError:
        return 0, b""

"""One worker as several processes (`compact.processes`): Python runs on one core, a worker should use them all.

Each process is a member of the consumer group with its own share of the partitions, its own store, and its own port:
`lookup.port`, the next one, and so on. Any of them answers lookups for all, as any worker does. The parent starts them,
starts one again that died, and drains all; it touches neither Kafka nor the table.

Where there is no other worker its processes keep no standby copies for each other: what takes the machine away takes
all of them. Where there are others, a copy may still come to be beside its owner: with k processes on each of m
machines, one in about m (docs/compactor.md).
"""

import ctypes
import logging
import multiprocessing
import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from msgspec.structs import replace

from processors.compactor.urls import member_url
from schemas.settings import Settings

logger: Final = logging.getLogger(__name__)

CHECK_SECONDS: Final = 0.2
RESTART_SECONDS: Final = 1.0  # between two starts of a process that dies at once
GRACE_SECONDS: Final = 40.0  # a process drains within its session timeout, and Faust gets 20 s to stop
SOON_SECONDS: Final = 10.0  # a process that lives longer has come to work
SOON_DEATHS: Final = 5  # then whoever runs the worker has to see it fail: a port that is taken, a broken installation
FAILED: Final = 1
_PR_SET_PDEATHSIG: Final = 1

Role = Callable[[Settings], int]
"""What each process runs; importable by name (it is started in a new interpreter)."""


def settings_of(settings: Settings, number: int) -> Settings:
    """The settings of the process `number` of a worker: a port, a store and a URL of its own. The first one has its
    store where a single process has it. The URL's fragment names the worker: so its processes are known as one."""
    lookup, compact = settings.lookup, settings.compact
    url = urlsplit(member_url(settings))
    port = (url.port or {"http": 80, "https": 443}.get(url.scheme, lookup.port)) + number
    worker = compact.instance_id or socket.gethostname()  # a static member comes back on any machine (KIP-345)
    own = url._replace(netloc=f"{url.netloc.removesuffix(f':{url.port}')}:{port}", fragment=f"{worker}-{lookup.port}")
    own_lookup = replace(lookup, port=lookup.port + number, advertised_url=own.geturl())
    if number == 0:
        return replace(settings, lookup=own_lookup)
    return replace(
        settings,
        data_dir=str(Path(settings.data_dir) / "compactor" / f"process-{number}"),
        lookup=own_lookup,
        compact=replace(compact, instance_id=compact.instance_id and f"{compact.instance_id}.process-{number}"),
    )


class Processes:
    """The processes of one worker, from start to drained stop."""

    def __init__(self, settings: Settings, role: Role, final: frozenset[int]) -> None:
        """Nothing is started yet.

        Args:
            settings: of the worker.
            role: what each process runs; it returns the exit code.
            final: exit codes after which the whole worker ends: starting again does not help.
        """
        self._settings, self._role, self._final = settings, role, final
        self._context = multiprocessing.get_context("spawn")
        self._running: dict[int, BaseProcess] = {}
        self._started: dict[int, float] = {}
        self._quick: Counter[int] = Counter()  # deaths in a row soon after the start
        self._stopping = False

    def run(self) -> int:
        """Run until SIGTERM, SIGINT or an exit code that is final, or until a process does not come to live.

        Returns:
            That exit code; otherwise 0 when all drained, `FAILED` when not.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        wrong = 0
        try:
            while not self._stopping and not wrong:
                wrong = self._look()
                time.sleep(CHECK_SECONDS)
        finally:
            drained = self._drain()
        return wrong or drained

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _look(self) -> int:
        """Start what does not run; an exit code that ends the worker, or 0."""
        for number in range(self._settings.compact.processes):
            process = self._running.get(number)
            if self._stopping or (process is not None and process.is_alive()):
                continue
            if process is not None and (code := self._died(number, process)):
                return code
            try:
                self._start(number)
            except OSError as error:  # no memory or no process to be had now
                logger.warning("process %d cannot be started now: %s", number, error)
        return 0

    def _died(self, number: int, process: BaseProcess) -> int:
        """What to make of a process that ended: the code to end with, or 0 to start it again."""
        code = process.exitcode or 0
        if code in self._final:
            return code
        soon = time.monotonic() - self._started[number] < SOON_SECONDS
        self._quick[number] = self._quick[number] + 1 if soon else 0
        if self._quick[number] >= SOON_DEATHS:
            logger.error("process %d ended with code %d again and again", number, code)
            return code if code > 0 else FAILED
        logger.warning("process %d ended with code %d; started again", number, code)
        time.sleep(RESTART_SECONDS)
        return 0

    def _start(self, number: int) -> None:
        arguments = (settings_of(self._settings, number), self._role, os.getpid())
        process = self._context.Process(target=_work, args=arguments, name=f"compact-{number}")
        process.start()
        self._running[number], self._started[number] = process, time.monotonic()

    def _drain(self) -> int:
        running = self._running.values()
        for process in running:
            process.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        for process in running:
            process.join(max(0.1, deadline - time.monotonic()))
            if process.is_alive():
                logger.error("%s did not drain in time and is killed", process.name)
                process.kill()
                process.join(1.0)
        # One that was still starting had nothing to drain and ends by the signal itself.
        fine = (0, -signal.SIGTERM, -signal.SIGINT)
        return 0 if all(process.exitcode in fine for process in running) else FAILED


def _work(settings: Settings, role: Role, parent: int) -> None:
    """A process of the worker."""
    # Dies with its parent (Linux), at once: whoever takes the parent's place needs the stores and the ports.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    raise SystemExit(role(settings))

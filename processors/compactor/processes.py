"""One worker as several processes (`compact.processes`): Python runs on one core, a worker should use them all.

Each process is a member of the consumer group with its own share of the partitions, its own store, and its own port:
`lookup.port`, the next one, and so on. Any of them answers lookups for all, as any worker does. The parent starts them,
starts one again that died, and drains all; it touches neither Kafka nor the table.

Processes of one worker keep no standby copies for each other where there is no other worker (`app.Assignor`): what
takes the machine away takes all of them.
"""

import ctypes
import logging
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from msgspec.structs import replace

from schemas.settings import Settings

logger: Final = logging.getLogger(__name__)

CHECK_SECONDS: Final = 0.2
RESTART_SECONDS: Final = 1.0  # between two starts of a process that dies at once
GRACE_SECONDS: Final = 40.0  # a process drains within its session timeout, and Faust gets 20 s to stop
_PR_SET_PDEATHSIG: Final = 1

Role = Callable[[Settings], int]
"""What each process runs; importable by name (it is started in a new interpreter)."""


def settings_of(settings: Settings, number: int) -> Settings:
    """The settings of the process `number` of a worker: a port, a store and a URL of its own. The first one has its
    store where a single process has it. The URL's fragment names the worker: so its processes are known as one."""
    lookup, compact = settings.lookup, settings.compact
    url = urlsplit(lookup.advertised_url or f"http://{lookup.host}:{lookup.port}")
    host, port = url.netloc.removesuffix(f":{url.port}"), (url.port or lookup.port) + number
    own = url._replace(netloc=f"{host}:{port}", fragment=f"{socket.gethostname()}-{lookup.port}")
    own_lookup = replace(lookup, port=lookup.port + number, advertised_url=own.geturl())
    if number == 0:
        return replace(settings, lookup=own_lookup)
    return replace(
        settings,
        data_dir=str(Path(settings.data_dir) / "compactor" / f"process-{number}"),
        lookup=own_lookup,
        compact=replace(compact, instance_id=compact.instance_id and f"{compact.instance_id}-{number}"),
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
        self._running: list[BaseProcess] = []
        self._stopping = False

    def run(self) -> int:
        """Run until SIGTERM, SIGINT or a final exit code, which is returned; 0 when all drained."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._running = [self._start(number) for number in range(self._settings.compact.processes)]
        wrong = 0
        while not self._stopping and not wrong:
            time.sleep(CHECK_SECONDS)
            wrong = self._look()
        return self._drain() or wrong

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _start(self, number: int) -> BaseProcess:
        settings = settings_of(self._settings, number)
        process = self._context.Process(
            target=_work, args=(settings, self._role, os.getpid()), name=f"compact-{number}"
        )
        process.start()
        return process

    def _look(self) -> int:
        """Start again what died; a final exit code, or 0."""
        for number, process in enumerate(self._running):
            if process.is_alive() or self._stopping:
                continue
            code = process.exitcode or 0
            if code in self._final:
                return code
            logger.warning("process %d ended with code %d; started again", number, code)
            time.sleep(RESTART_SECONDS)
            self._running[number] = self._start(number)
        return 0

    def _drain(self) -> int:
        for process in self._running:
            process.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        codes = []
        for process in self._running:
            process.join(max(0.1, deadline - time.monotonic()))
            if process.is_alive():
                logger.error("%s did not drain in time and is killed", process.name)
                process.kill()
                process.join(1.0)
            # One that was still starting had nothing to drain and ends by the signal itself.
            codes.append(0 if process.exitcode == -signal.SIGTERM else abs(process.exitcode or 0))
        return max(codes)


def _work(settings: Settings, role: Role, parent: int) -> None:
    """A process of the worker."""
    # Dies with its parent (Linux), at once: whoever takes the parent's place needs the stores and the ports.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    raise SystemExit(role(settings))

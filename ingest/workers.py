"""Several workers behind one port: a parent that starts them, replaces dead ones, and drains them all.

They share one listening socket, so connections that a dying worker had not accepted yet go to the others; with
SO_REUSEPORT each worker has a queue of its own, and its queue dies with it.
"""

import ctypes
import logging
import multiprocessing
import os
import shutil
import signal
import socket
import tempfile
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

from schemas.logs import set_up
from schemas.settings import Settings

log = logging.getLogger(__name__)

_CHECK_SECONDS: Final = 0.2
_RESTART_SECONDS: Final = 1.0  # between two starts of a worker that dies at once
_GRACE_SECONDS: Final = 10.0  # beyond the drain timeout: closing Kafka and the process itself
_PR_SET_PDEATHSIG: Final = 1
_METRICS_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"


def run_workers(settings: Settings, listener: socket.socket) -> int:
    """Run `ingest.workers` processes until SIGTERM or SIGINT. Returns 0 if all drained in time."""
    directory = tempfile.mkdtemp(prefix="pushtokens-metrics-")
    # prometheus-client learns from its environment, as it is imported, where the workers keep their counts.
    os.environ[_METRICS_VARIABLE] = directory
    try:
        return _Parent(settings, listener, directory).run()
    finally:
        listener.close()
        shutil.rmtree(directory, ignore_errors=True)


class _Parent:
    def __init__(self, settings: Settings, listener: socket.socket, directory: str) -> None:
        self._settings = settings
        self._listener = listener
        self._directory = directory
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[BaseProcess] = []
        self._stopping = False

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._workers = [self._start() for _ in range(self._settings.ingest.workers)]
        while not self._stopping:
            time.sleep(_CHECK_SECONDS)
            self._replace()
        return self._drain()

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _start(self) -> BaseProcess:
        arguments = (self._settings, self._listener, self._directory, os.getpid())
        worker = self._context.Process(target=_work, args=arguments, name="ingest-worker")
        worker.start()
        return worker

    def _replace(self) -> None:
        for at, worker in enumerate(self._workers):
            if worker.is_alive() or self._stopping:
                continue
            log.warning("a worker ended with code %s; starting another", worker.exitcode)
            self._forget(worker)
            time.sleep(_RESTART_SECONDS)
            self._workers[at] = self._start()

    def _forget(self, worker: BaseProcess) -> None:
        """Its gauges no longer count; its counters do (what it did, it did)."""
        for file in Path(self._directory).glob(f"gauge_live*_{worker.pid}.db"):
            file.unlink(missing_ok=True)

    def _drain(self) -> int:
        for worker in self._workers:
            worker.terminate()
        deadline = time.monotonic() + self._settings.ingest.drain_timeout + _GRACE_SECONDS
        for worker in self._workers:
            worker.join(max(0.1, deadline - time.monotonic()))
            if worker.is_alive():
                log.error("a worker did not drain in time and is killed")
                worker.kill()
                worker.join(1.0)
        # One that was still starting had nothing to drain and ends by the signal itself.
        wrong = [worker.exitcode for worker in self._workers if worker.exitcode not in (0, -signal.SIGTERM)]
        if wrong:
            log.error("workers ended with codes %s", wrong)
        return 1 if wrong else 0


def _work(settings: Settings, listener: socket.socket, directory: str, parent: int) -> None:
    """A worker's process."""
    # Dies with its parent (Linux): a killed supervisor leaves nothing behind.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        return
    from ingest.role import quiet_libraries
    from ingest.server import serve

    set_up(settings.log, "ingest", texts=False)
    quiet_libraries(settings)
    raise SystemExit(serve(settings, listener, directory))

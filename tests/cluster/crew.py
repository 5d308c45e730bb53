"""The workers: two processes of each role on one cluster, with ports and directories of their own, of this code or of
another version's."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
from msgspec.structs import replace

from deploy.local.environment import environment
from deploy.local.ports import free_port
from deploy.local.process import Process
from schemas.settings import Settings
from tests.cluster.brokers import launch
from tests.poll import until

HERE: Final = Path(__file__).resolve().parent.parent.parent
ROLES: Final = ("ingest", "compact", "sink")
READY_SECONDS: Final = 90.0
STOP_SECONDS: Final = 40.0


class Worker:
    """One process of a role; started again, it finds its data."""

    def __init__(self, role: str, name: str, settings: Settings, directory: Path, code: Path) -> None:
        port = free_port()
        own = replace(settings, data_dir=str(directory / name))
        section = {"ingest": "ingest", "compact": "lookup", "sink": "sink"}[role]
        self.settings: Settings = replace(own, **{section: replace(getattr(own, section), port=port)})
        self.role, self.name, self.port, self.code = role, name, port, code
        self._log = directory / f"{name}.log"
        self._process = self._make()

    @property
    def url(self) -> str:
        """Its HTTP port."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.running

    def start(self) -> "Worker":
        """Start it; does not wait."""
        launch(self._process.start)
        return self

    def ready(self) -> bool:
        """Whether it says that it can do its work."""
        assert self.running, f"{self.name} ended with {self._process.exit_code}: {self.output()[-3000:]}"
        try:
            return httpx.get(f"{self.url}/readyz", timeout=3.0).status_code == 200
        except httpx.HTTPError:
            return False

    def wait_ready(self) -> "Worker":
        """Wait until it can do its work."""
        until(self.ready, f"{self.name} is ready", READY_SECONDS)
        return self

    def stop(self) -> None:
        """SIGTERM; it must drain and end well."""
        stopped = self._process.stop(STOP_SECONDS)
        assert (stopped, self._process.exit_code) == (True, 0), f"{self.name}: {self.output()[-3000:]}"

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()

    def roll(self, code: Path) -> None:
        """Stop it, start it again with that code and wait until it is ready."""
        self.stop()
        self.code = code
        self._process = self._make()
        self.start().wait_ready()

    def output(self) -> str:
        """What it logged, in all its lives."""
        return self._log.read_text() if self._log.exists() else ""

    def _make(self) -> Process:
        # -P: else the directory we are in comes before PYTHONPATH, and every version would be this one.
        command = [sys.executable, "-P", "-m", "deploy.cli.main", self.role]
        return Process(self.name, command, self._log, variables(self.settings, self.code))


class Crew:
    """All workers. `living(role)` are those that should serve now: a load balancer knows no others."""

    def __init__(self, settings: Settings, directory: Path) -> None:
        self.settings = settings
        self._directory = directory
        self._count = 0
        self._workers: list[Worker] = []
        self._gone: list[Worker] = []

    def living(self, role: str) -> list[Worker]:
        """The workers of a role."""
        return [worker for worker in self._workers if worker.role == role]

    def add(self, role: str, code: Path = HERE) -> Worker:
        """Start another worker; does not wait."""
        worker = self._made(role, code).start()
        self._workers.append(worker)
        return worker

    def join(self, role: str) -> Worker:
        """Start another worker; a load balancer learns of it when it is ready."""
        worker = self._made(role, HERE).start().wait_ready()
        self._workers.append(worker)
        return worker

    def remove(self, worker: Worker) -> None:
        """One leaves for good: no new requests first, then SIGTERM."""
        self._workers.remove(worker)
        worker.stop()
        self._gone.append(worker)

    def roll(self, worker: Worker, code: Path) -> None:
        """One is replaced, as an orchestrator does it: it leaves, comes back with that code, and serves when ready."""
        self._workers.remove(worker)
        self._gone.append(worker)  # so that it is ended, too, if it does not come back
        worker.roll(code)
        self._gone.remove(worker)
        self._workers.append(worker)

    def start(self, code: Path = HERE) -> None:
        """Two workers of each role, ready."""
        for role in (*ROLES, *ROLES):
            self.add(role, code)
        for worker in self._workers:
            worker.wait_ready()

    def end(self) -> None:
        """kill -9 all of them."""
        for worker in (*self._workers, *self._gone):
            worker.kill()

    def _made(self, role: str, code: Path) -> Worker:
        self._count += 1
        return Worker(role, f"{role}-{self._count}", self.settings, self._directory, code)


def set_up(settings: Settings, code: Path) -> None:
    """Topics and schema, as `pushtokens init` of that code makes or changes them."""
    command = [sys.executable, "-P", "-m", "deploy.cli.main", "init"]
    done = subprocess.run(
        command, env=variables(settings, code), capture_output=True, text=True, timeout=READY_SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def variables(settings: Settings, code: Path) -> dict[str, str]:
    """The environment of a process with exactly these settings and the code under that directory."""
    return environment(settings, os.environ) | {"PYTHONPATH": str(code)}


@contextmanager
def running_crew(settings: Settings, directory: Path, code: Path = HERE) -> Iterator[Crew]:
    """Two workers of each role, gone at the end."""
    crew = Crew(settings, directory)
    try:
        crew.start(code)
        yield crew
    finally:
        crew.end()

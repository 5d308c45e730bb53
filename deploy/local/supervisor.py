"""Keeps processes running: starts each again when it ends or hangs, with growing delays, and stops all in order."""

import signal
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from deploy.local.background import Task
from deploy.local.console import Console
from deploy.local.probe import Probe
from deploy.local.restarts import Restarts
from deploy.local.services import Service

_HUNG: Final = 60.0  # seconds without an answer to /healthz; an engine's long pause is a tenth of that
_TRIM_SECONDS: Final = 10.0
_TAIL: Final = 5


class Watched:
    """One process and its past."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.restarts = Restarts()
        self.next_start: float | None = None
        self.starting = False

    def spawn(self, now: float) -> None:
        """Start it (again)."""
        self.next_start = None
        self.restarts.started(now)
        self.service.spawn()


class Supervisor:
    """The processes of `up`. All calls come from the main thread (`tether.py` says why)."""

    def __init__(self, console: Console, probe: Probe, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._probe = probe
        self._clock = clock
        self._watched: dict[str, Watched] = {}
        self._trimmed = 0.0

    def start(self, service: Service, *, watch: bool = True) -> None:
        """Start a process and keep it under watch from now on, or (`watch` False) from the call of `watch` on."""
        watched = Watched(service)
        watched.starting = not watch
        self._watched[service.name] = watched
        watched.spawn(self._clock())

    def watch(self, name: str) -> None:
        """From now on start it again when it ends."""
        self._watched[name].starting = False

    def dead(self) -> list[tuple[Service, int]]:
        """The processes that are not running now, each with how many times it was started again."""
        return [
            (each.service, each.restarts.count)
            for each in self._watched.values()
            if not each.starting and not each.service.running
        ]

    def troubles(self) -> tuple[str, ...]:
        """What is not as it should be, for the status line."""
        found = []
        for name, watched in self._watched.items():
            if not watched.service.running:
                found.append(f"{name} is down")
            elif self._probe.knows(name) and not self._probe.health(name).ready:
                found.append(f"{name} is not ready")
        return tuple(found)

    def tick(self) -> None:
        """Notice what ended, start again what is due, kill what hangs, keep logs bounded."""
        now = self._clock()
        for name, watched in self._watched.items():
            if watched.starting:
                continue
            if watched.next_start is not None:
                if now >= watched.next_start:
                    self._start_again(name, watched, now)
            elif not watched.service.running:
                self._note_death(name, watched, now)
            elif self._hangs(name, watched, now):
                self._console.say(f"{name} has given no answer for {_HUNG:.0f} s: killed")
                watched.service.kill()
        if now - self._trimmed > _TRIM_SECONDS:
            self._trimmed = now
            for watched in self._watched.values():
                watched.service.trim_log()

    def stop(self, groups: Sequence[Sequence[str]], deadline: float, hurry: Callable[[], bool]) -> list[str]:
        """Stop the groups one after the other, the processes of a group side by side.

        Args:
            groups: names, in the order of their stopping; names that never started are passed over.
            deadline: seconds for each process to drain, then it is killed.
            hurry: asked meanwhile; once true, everything left is killed.

        Returns:
            The names of those that had to be killed.
        """
        killed = []
        for group in groups:
            there = [self._watched[name].service for name in group if name in self._watched]
            running = [service for service in there if service.running]
            if running:
                self._console.status(f"stopping {', '.join(service.name for service in running)} …")
            killed += self._stop_group(running, deadline, hurry)
        return killed

    def _stop_group(self, services: Sequence[Service], deadline: float, hurry: Callable[[], bool]) -> list[str]:
        tasks = [(service, Task(partial(service.stop, deadline))) for service in services]
        while not all(task.done for _, task in tasks):
            if hurry():
                for service, _ in tasks:
                    service.kill()
            tasks[-1][1].join(0.1)
        return [service.name for service, task in tasks if not task.result()]

    def _note_death(self, name: str, watched: Watched, now: float) -> None:
        delay = watched.restarts.died(now)
        watched.next_start = now + delay
        tail = watched.service.tail(_TAIL)
        text = f"{name} ended ({ending(watched.service.exit_code)}); next start in {delay:g} s."
        self._console.say(f"{text} Its last lines:\n{_indent(tail)}" if tail else text)

    def _start_again(self, name: str, watched: Watched, now: float) -> None:
        try:
            watched.spawn(now)
        except OSError as error:
            watched.next_start = now + watched.restarts.died(now)
            self._console.say(f"{name} cannot be started: {error}")
            return
        self._console.say(f"{name} started again ({watched.restarts.count})")

    def _hangs(self, name: str, watched: Watched, now: float) -> bool:
        if not self._probe.knows(name):
            return False
        return now - max(self._probe.health(name).alive_at, watched.restarts.last_start) > _HUNG


def ending(code: int | None) -> str:
    """How a process ended, for people: `exit code 1`, `killed by SIGKILL`."""
    if code is None or code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _indent(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())

"""What the two embedded engines have in common: a process with a directory that answers, or is stopped or killed."""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from deploy.local.process import Process

_POLL: Final = 0.05  # seconds between two questions at start


class EngineStartError(RuntimeError):
    """The engine did not come up; the text has its last log lines."""


class Engine(ABC):
    """An engine on 127.0.0.1:`port`. It dies with this process; its data stays, and the next start finds it again.

    Args:
        name: for people.
        data_dir: its own directory.
        port: for clients.
    """

    def __init__(self, name: str, data_dir: Path, port: int) -> None:
        self.name = name
        self.directory = data_dir.absolute()
        self.port = port
        self.output = self.directory / "logs" / f"{name}.out"  # its standard output and error
        self.log = self.output
        self._process: Process | None = None

    @abstractmethod
    def prepare(self) -> None:
        """Make ready what a start needs; may take a while, may be called from any thread."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """The process's argument list."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it answers a request now (at most about 2 s)."""

    def environment(self) -> dict[str, str]:
        """Variables on top of this process's own."""
        return {}

    @property
    def pid(self) -> int | None:
        """Its process id, None before the first start."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.running

    @property
    def exit_code(self) -> int | None:
        """How its process ended (minus the signal's number if killed)."""
        return self._process.exit_code if self._process else None

    def spawn(self) -> None:
        """Start the process and return at once; `prepare` comes first. For the calling thread see `tether.py`.

        Raises:
            OSError: a directory that cannot be written.
        """
        self._process = Process(self.name, self.command(), self.output, self.environment())
        self._process.trim_log()
        self._process.start()

    def wait_ready(self, deadline: float = 60.0) -> None:
        """Wait until it answers.

        Raises:
            EngineStartError: it ended, or did not answer within `deadline` seconds.
        """
        end = time.monotonic() + deadline
        while not self.answers():
            if not self.running:
                raise EngineStartError(f"{self.name} ended while starting; its last log lines:\n{self.tail()}")
            if time.monotonic() > end:
                text = f"{self.name} gave no answer within {deadline:.0f} s; its last log lines:\n{self.tail()}"
                raise EngineStartError(text)
            time.sleep(_POLL)

    def start(self, deadline: float = 60.0) -> None:
        """`prepare`, `spawn`, `wait_ready`; an engine that does not come up is killed."""
        self.prepare()
        self.spawn()
        try:
            self.wait_ready(deadline)
        except BaseException:
            self.kill()
            raise

    def stop(self, deadline: float = 20.0) -> bool:
        """Shut down cleanly, or kill after `deadline` seconds; returns whether it was clean."""
        return self._process is None or self._process.stop(deadline)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()

    def tail(self, lines: int = 15) -> str:
        """The last lines (str) of what it wrote."""
        return self._process.tail(lines) if self._process else ""

    def trim_log(self) -> None:
        """Keep its output bounded."""
        if self._process is not None:
            self._process.trim_log()

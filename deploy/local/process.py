"""A child process: dies with its parent, writes to a log file of bounded size, stops in time or is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_TETHER: Final = Path(__file__).with_name("tether.py")
_KILL_SECONDS: Final = (
    10.0  # what SIGKILL may take to show: only a process in an uninterruptible wait needs more than ms
)
LOG_BYTES: Final = 10_000_000  # a log's size before it becomes NAME.1; with the old one, 20 MB a role


class ProcessDiedError(RuntimeError):
    """The process ended where it should have gone on; the text has its exit code and its last log lines."""


class Process:
    """One child in a session of its own (so a terminal's Ctrl-C reaches only us), tied to this process's life.

    Args:
        name: for people.
        command: program (an absolute path) and arguments.
        log: the file to which its standard output and error are appended.
        env: variables on top of this process's own.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.log = log
        self._command = list(command)
        self._env = dict(env or {})
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; call from a thread that lives as long as the process should (see `tether.py`).

        Raises:
            OSError: no such program, or a log that cannot be written.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as out:
            self._child = subprocess.Popen(
                tethered(self._command),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=os.environ | self._env,
                start_new_session=True,
            )

    @property
    def pid(self) -> int | None:
        """Its process id, None before the first start."""
        return self._child.pid if self._child else None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._child is not None and self._child.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How it ended (minus the signal's number if killed); None while it runs or before the first start."""
        return self._child.poll() if self._child else None

    def check(self) -> None:
        """Raises ProcessDiedError if it is not running."""
        if not self.running:
            raise ProcessDiedError(f"{self.name} ended with exit code {self.exit_code}; its last lines:\n{self.tail()}")

    def terminate(self) -> None:
        """Ask it to stop (SIGTERM) and return at once."""
        self._signal(signal.SIGTERM)

    def stop(self, deadline: float) -> bool:
        """SIGTERM, then SIGKILL after `deadline` seconds; returns whether it stopped by itself."""
        self.terminate()
        if self.wait(deadline):
            return True
        self.kill()
        return False

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone.

        Raises:
            TimeoutError: it is still there after 10 s.
        """
        self._signal(signal.SIGKILL)
        if not self.wait(_KILL_SECONDS):
            raise TimeoutError(f"{self.name} (process {self.pid}) survives SIGKILL")

    def wait(self, deadline: float) -> bool:
        """Wait up to `deadline` seconds for its end; returns whether it has ended."""
        if self._child is None:
            return True
        try:
            self._child.wait(max(deadline, 0.0))
        except subprocess.TimeoutExpired:
            return False
        return True

    def tail(self, lines: int = 15) -> str:
        """The last lines of its log (str), at most 64 KiB of them."""
        return tail(self.log, lines)

    def trim_log(self, limit: int = LOG_BYTES) -> None:
        """Move a log longer than `limit` bytes to NAME.1 and empty it (the child keeps its open file)."""
        try:
            if self.log.stat().st_size <= limit:
                return
            self.log.with_name(self.log.name + ".1").write_bytes(self.log.read_bytes())
            os.truncate(self.log, 0)  # opened for appending: the next line goes to the new end
        except OSError:
            return

    def _signal(self, number: signal.Signals) -> None:
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(number)


def tethered(command: Sequence[str]) -> list[str]:
    """The argument list that runs `command` so that it dies with this process (see `tether.py`)."""
    return [sys.executable, "-I", "-S", str(_TETHER), str(os.getpid()), *command]


def python_path() -> dict[str, str]:
    """The variable that lets a Python child find this very code, installed or not, from any directory."""
    root = str(Path(__file__).resolve().parent.parent.parent)
    return {"PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}


def tail(log: Path, lines: int) -> str:
    """The last `lines` lines of a file (str), of its last 64 KiB; empty if it cannot be read."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 65536))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def wait_for(ready: "Sequence[Process]", deadline: float) -> bool:
    """Wait until all have ended or `deadline` (a `time.monotonic()` value) is past; returns whether all have."""
    return all(process.wait(deadline - time.monotonic()) for process in ready)

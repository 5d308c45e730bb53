"""The embedded ClickHouse as a process of its own: `clickhouse_server` over `chdb` on 127.0.0.1."""

import http.client
import sys
import time
from pathlib import Path
from typing import Final

from deploy.local.process import Process, python_path

_POLL: Final = 0.05  # seconds between two questions at start


class ClickHouseStartError(RuntimeError):
    """The engine did not come up; the text has its last log lines."""


class LocalClickHouse:
    """One engine on 127.0.0.1. It dies with this process; its data stays, and the next `start` finds it again.

    Args:
        data_dir: its own directory (`data`, `logs`).
        port: of its HTTP interface.
        connections: statements at once, 2 or more.
        memory_mb: limit of one statement, MiB.
    """

    def __init__(self, data_dir: Path, port: int, *, connections: int = 4, memory_mb: int = 2048) -> None:
        self.directory = data_dir.absolute()
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.log = self.directory / "logs" / "clickhouse.log"
        self._limits = (connections, memory_mb)
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """The engine's process id, None before the first start."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.running

    def spawn(self) -> None:
        """Start the process and return at once. For the calling thread see `tether.py`.

        Raises:
            OSError: a directory that cannot be written.
        """
        (self.directory / "data").mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "deploy.local.clickhouse_server", str(self.directory / "data"), str(self.port)]
        command += [str(limit) for limit in self._limits]
        self._process = Process("clickhouse", command, self.log, python_path())
        self._process.trim_log()
        self._process.start()

    def wait_ready(self, deadline: float = 60.0) -> None:
        """Wait until the engine answers.

        Raises:
            ClickHouseStartError: it ended, or did not answer within `deadline` seconds.
        """
        end = time.monotonic() + deadline
        while not answers(self.port):
            if not self.running:
                raise ClickHouseStartError(f"ClickHouse ended while starting; its last log lines:\n{self.tail()}")
            if time.monotonic() > end:
                text = f"ClickHouse gave no answer within {deadline:.0f} s; its last log lines:\n{self.tail()}"
                raise ClickHouseStartError(text)
            time.sleep(_POLL)

    def start(self, deadline: float = 60.0) -> None:
        """`spawn`, `wait_ready`; an engine that does not come up is killed."""
        self.spawn()
        try:
            self.wait_ready(deadline)
        except BaseException:
            self.kill()
            raise

    def stop(self, deadline: float = 20.0) -> bool:
        """Finish what runs and stop, or kill after `deadline` seconds; returns whether it was clean."""
        return self._process is None or self._process.stop(deadline)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()

    def tail(self, lines: int = 15) -> str:
        """The last lines (str) of its log."""
        return self._process.tail(lines) if self._process else ""


def answers(port: int, timeout: float = 2.0) -> bool:
    """Whether an engine on 127.0.0.1:`port` answers `/ping` within `timeout` seconds."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().read() == b"Ok.\n"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()

"""The embedded ClickHouse as a process of its own: `clickhouse_server` over `chdb` on 127.0.0.1."""

import http.client
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.local.engine import Engine
from deploy.local.process import python_path


class LocalClickHouse(Engine):
    """One ClickHouse engine; `.url` is the address of its HTTP interface.

    Args:
        data_dir: its own directory (`data`, `logs`).
        port: of its HTTP interface.
        connections: statements at once, 2 or more.
        memory_mb: limit of one statement, MiB.
    """

    def __init__(self, data_dir: Path, port: int, *, connections: int = 4, memory_mb: int = 2048) -> None:
        super().__init__("clickhouse", data_dir, port)
        self.url = f"http://127.0.0.1:{port}"
        self._limits = (connections, memory_mb)

    def prepare(self) -> None:
        """Make the data directory.

        Raises:
            OSError: it cannot be written.
        """
        (self.directory / "data").mkdir(parents=True, exist_ok=True)

    def command(self) -> Sequence[str]:
        """The server's argument list."""
        limits = (str(limit) for limit in self._limits)
        module = "deploy.local.clickhouse_server"
        return [sys.executable, "-m", module, str(self.directory / "data"), str(self.port), *limits]

    def environment(self) -> dict[str, str]:
        """Where the server's code is."""
        return python_path()

    def answers(self) -> bool:
        """Whether it answers `/ping`."""
        return answers(self.port)


def answers(port: int, timeout: float = 2.0) -> bool:
    """Whether a ClickHouse on 127.0.0.1:`port` answers `/ping` within `timeout` seconds."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().read() == b"Ok.\n"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()

"""`up` with real engines and stand-in roles: what the supervisor does is tested without waiting for four real ones.

`python -m tests.stand_in_up` runs it with the settings of the environment. A stand-in answers `/healthz`, `/readyz` and
`/metrics` on its role's port and stops on SIGTERM. `STAND_IN_FAILS=NAME` makes one end at once with a last word, and
`STAND_IN_STUBBORN=NAME` makes one ignore SIGTERM.
"""

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from deploy.local import up
from deploy.local.process import Process, python_path
from deploy.local.services import targets
from schemas.settings import Settings
from schemas.settings_source import read_settings

METRICS = {
    "ingest": 'pushtokens_ingest_requests_total{outcome="accepted"} 5\n',
    "compact": "pushtokens_compactor_records_total 4\npushtokens_compactor_lag_records 1\n",
    "sink": "pushtokens_sink_rows_total 3\npushtokens_sink_lag_records 2\n",
}


class StandInRole(Process):
    """Takes the place of `deploy.local.services.Role`."""

    def __init__(self, name: str, settings: Settings, logs: Path) -> None:
        port = next(target.port for target in targets(settings) if target.name == name)
        command = [sys.executable, "-m", "tests.stand_in_up", name, str(port)]
        super().__init__(name, command, logs / f"{name}.log", python_path())

    def spawn(self) -> None:
        """Start it."""
        self.start()


def serve(name: str, port: int) -> int:
    """Be the role until SIGTERM."""
    if os.environ.get("STAND_IN_FAILS") == name:
        sys.stderr.write(f"{name}: the last word\n")
        return 4

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = METRICS.get(name, "").encode() if self.path == "/metrics" else b""
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    stubborn = os.environ.get("STAND_IN_STUBBORN") == name
    signal.signal(signal.SIGTERM, signal.SIG_IGN if stubborn else lambda *_: os._exit(0))
    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.serve_forever()
    return 0


async def nothing(settings: Settings) -> None:
    """In place of the ClickHouse schema, which stand-ins do not need."""


def main(arguments: list[str]) -> int:
    """A role when two arguments name it and its port, else `up`."""
    if arguments:
        return serve(arguments[0], int(arguments[1]))
    for name, stand_in in {"Role": StandInRole, "init_schema": nothing, "STATUS_SECONDS": 0.5}.items():
        assert hasattr(up, name)
        setattr(up, name, stand_in)
    return up.run(read_settings(os.environ))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

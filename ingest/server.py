"""One worker: uvicorn with our protocol and a tick that enforces the deadlines of its connections."""

import asyncio
import gc
import signal
import socket
from typing import Final, cast

from uvicorn import Config, Server

from ingest.app import make_app
from ingest.crowd import Member, sweep
from ingest.http_protocol import IngressProtocol
from schemas.settings import Settings

_BACKLOG: Final = 2048
_SWEEP_TICKS: Final = 3  # uvicorn ticks ten times a second


class IngressServer(Server):
    """A uvicorn server that closes what is overdue, and leaves signals handled: SIGTERM drains and ends with 0."""

    async def on_tick(self, counter: int) -> bool:
        """Called by uvicorn every 0.1 s."""
        if counter % _SWEEP_TICKS == 0:
            now = asyncio.get_running_loop().time()
            sweep(cast(set[Member], self.server_state.connections), now)
        return await super().on_tick(counter)


def listen(settings: Settings) -> socket.socket:
    """The listening socket (also for several workers to share).

    Raises:
        OSError: the port is taken or the address is not this machine's.
    """
    host = settings.ingest.host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, settings.ingest.port))
    except OSError:
        listener.close()
        raise
    listener.listen(_BACKLOG)
    listener.setblocking(False)
    return listener


def serve(settings: Settings, listener: socket.socket, metrics_directory: str = "") -> int:
    """Serve until SIGTERM or SIGINT, drain, and return the exit code.

    Raises:
        TemplateError: a template that cannot be used.
    """
    config = Config(
        make_app(settings, metrics_directory),
        loop="uvloop",
        http=IngressProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=max(1, round(settings.ingest.drain_timeout)),
    )
    server = IngressServer(config)

    def stop(*_: object) -> None:
        server.should_exit = True

    # For a signal before uvicorn listens to them; and it raises them again once it has drained, when they must find a
    # handler, or the exit code is not 0.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    _spare_the_collector()
    server.run(sockets=[listener])
    return 0 if server.started else 1


def _spare_the_collector() -> None:
    """Requests leave next to nothing for Python's cycle collector, which took a tenth of their time to find that out.

    What is loaded by now stays for good, so it is not visited any more (`gc.freeze`), and the collector comes by for
    every 50,000 new objects rather than 700: at most some 10 MB of cycles wait for it. Measured: docs/benchmarks.md.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)

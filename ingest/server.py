"""One worker: uvicorn with our protocol and a tick that enforces the deadlines of its connections."""

import asyncio
import gc
import logging
import signal
import socket
from typing import TYPE_CHECKING, Any, Final, cast

from msgspec.structs import replace
from uvicorn import Config, Server
from uvicorn.config import STARTUP_FAILURE

from ingest import metrics
from ingest.app import make_app
from ingest.crowd import Member, sweep
from ingest.descriptors import make_room
from ingest.http_limits import LINGER_SECONDS
from ingest.http_protocol import IngressProtocol
from schemas.settings import Ingest, Settings

if TYPE_CHECKING:
    from ingest.tls import Certificates

log = logging.getLogger(__name__)

_BACKLOG: Final = 2048
_SWEEP_TICKS: Final = 3  # uvicorn ticks ten times a second
_LOOK_TICKS: Final = 10


class IngressServer(Server):
    """A uvicorn server that closes what is overdue, looks after its certificate, and bounds TLS handshakes."""

    def __init__(self, config: Config, certificates: "Certificates | None", handshake_timeout: float) -> None:
        """As uvicorn's; without certificates the port speaks plain HTTP."""
        super().__init__(config)
        self._certificates = certificates
        # How `create_server` is called: uvicorn's own call leaves a handshake a minute.
        self._tls: dict[str, Any] = {}
        if certificates is not None:
            self._tls = {
                "ssl": certificates.context,
                "ssl_handshake_timeout": handshake_timeout,
                "ssl_shutdown_timeout": LINGER_SECONDS,
            }

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """In place of uvicorn's: only sockets that are there already, and our options of TLS."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            raise SystemExit(STARTUP_FAILURE)
        loop = asyncio.get_running_loop()
        self.servers = [
            await loop.create_server(self._connection, sock=listener, backlog=_BACKLOG, **self._tls)
            for listener in sockets or []
        ]
        self.started = True

    def _connection(self) -> IngressProtocol:
        return IngressProtocol(self.config, self.server_state, self.lifespan.state)

    async def on_tick(self, counter: int) -> bool:
        """Called by uvicorn every 0.1 s."""
        try:
            self._look_after(counter, asyncio.get_running_loop().time())
        except Exception as error:  # it would end the worker
            log.error("the connections could not be looked after: %s", type(error).__name__)
        return await super().on_tick(counter)

    def _look_after(self, counter: int, now: float) -> None:
        metrics.connections(len(self.server_state.connections))
        if counter % _SWEEP_TICKS == 0:
            sweep(cast(set[Member], self.server_state.connections), now)
        if self._certificates is not None and counter % _LOOK_TICKS == 0:
            self._certificates.look(now)


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


def certificates_of(settings: Ingest) -> "Certificates | None":
    """The certificate that the settings name; None: no TLS, and nothing of it is imported.

    Raises:
        UnusableError: its files cannot be used.
    """
    if not settings.tls_cert_file:
        return None
    from ingest.tls import Certificates

    return Certificates(settings)


def serve(settings: Settings, listener: socket.socket, metrics_directory: str = "") -> int:
    """Serve until SIGTERM or SIGINT, drain, and return the exit code.

    Raises:
        TemplateError: a template that cannot be used.
        UnusableError: another setting that cannot be used.
    """
    own = settings.ingest
    # A handshake has a descriptor, and no connection yet that would be counted.
    room = make_room(own.max_connections, own.max_connections * (2 if own.tls_cert_file else 1))
    settings = replace(settings, ingest=replace(own, max_connections=room))
    config = Config(
        make_app(settings, metrics_directory),
        loop="uvloop",
        http=IngressProtocol,
        interface="asgi3",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=max(1, round(settings.ingest.drain_timeout)),
    )
    server = IngressServer(config, certificates_of(own), own.header_timeout)

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

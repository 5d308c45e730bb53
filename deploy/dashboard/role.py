"""The dashboard role: refuses to be open to others without a password, serves until it is told to stop."""

import logging
import signal
import socket
from typing import Final

from uvicorn import Config, Server

from deploy.dashboard.addresses import AddressError, addresses
from deploy.dashboard.app import make_app
from deploy.dashboard.login import is_loopback
from schemas.logs import set_up
from schemas.settings import Settings

log = logging.getLogger(__name__)

_WRONG_SETTINGS: Final = 2
_DRAIN_SECONDS: Final = 5  # a query of the default views takes far less; `up` waits 10 s


def run(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT, drain. Returns 0; 1 if it cannot serve; 2 if the settings cannot be used."""
    set_up(settings.log, "dashboard")
    for name in ("httpx", "httpcore", "uvicorn"):
        logging.getLogger(name).setLevel(logging.WARNING)
    host, port = settings.dashboard.host, settings.dashboard.port
    if not is_loopback(host) and not settings.dashboard.password:
        log.error("beyond this machine (%s) a login is needed: set PUSHTOKENS_DASHBOARD_PASSWORD", host)
        return _WRONG_SETTINGS
    try:
        addresses(settings)
    except AddressError as error:
        log.error("%s", error)
        return _WRONG_SETTINGS
    try:
        listener = _listen(host, port)
    except OSError as error:
        log.error("cannot listen on %s:%d: %s (PUSHTOKENS_DASHBOARD_PORT sets the port)", host, port, error.strerror)
        return 1
    config = Config(
        make_app(settings),
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )
    server = Server(config)
    # uvicorn raises the signal again once it has drained: then it must find a handler, or the exit code is not 0.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    log.info("listening on %s port %d", host, port)
    server.run(sockets=[listener])
    return 0 if server.started else 1


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.listen()
    listener.setblocking(False)
    return listener

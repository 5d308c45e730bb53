"""TCP ports of this machine: whether one can be bound, and a free one."""

import errno
import itertools
import secrets
import socket
from pathlib import Path
from typing import Final

# Every port handed out has room behind it: the processes of one worker listen on ports that follow each other.
ROOM: Final = 4
FIRST: Final = 10_000
# Where Linux begins to take the ports of outgoing connections from (ip(7), `ip_local_port_range`).
_EPHEMERAL: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST_EPHEMERAL: Final = 32_768  # of Linux; higher elsewhere


class PortInUseError(RuntimeError):
    """A port that another program holds, or that may not be bound; the text names the port and its setting."""


def check_port(host: str, port: int, setting: str) -> None:
    """Make sure that `host`:`port` can be bound now.

    Args:
        host: the address the server will bind.
        port: its port.
        setting: the variable that changes it, for the message.

    Raises:
        PortInUseError: it cannot be.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as every server does: TIME_WAIT is no obstacle
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            raise PortInUseError(_explain(host, port, setting, error)) from None


def free_port() -> int:
    """A port of 127.0.0.1 that was free a moment ago, with `ROOM` - 1 free ones behind it; no process gets one twice.

    It lies below those of outgoing connections: one of these could take the port while its server is not up, even a
    connection of a client that tries to reach this very server, which then talks to itself.

    Raises:
        PortInUseError: all are taken.
    """
    for port in itertools.islice(_ports, len(_range)):
        if all(_is_free(port + behind) for behind in range(ROOM)):
            return port
    raise PortInUseError(f"no port from {_range.start} to {_range.stop} is free")


def _ports_of_servers() -> range:
    try:
        lowest = int(_EPHEMERAL.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        lowest = _LOWEST_EPHEMERAL
    return range(FIRST, max(lowest, 2 * FIRST) - ROOM, ROOM)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


_range: Final = _ports_of_servers()
# Two programs that ask at the same time hardly begin at the same place.
_ports: Final = itertools.islice(itertools.cycle(_range), secrets.randbelow(len(_range)), None)


def _explain(host: str, port: int, setting: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use by another program: stop that, or choose another with {setting}=PORT"
    if error.errno == errno.EACCES:
        return f"port {port} may not be bound by this user: choose one above 1023 with {setting}=PORT"
    return f"{host}:{port} cannot be bound ({error.strerror}): see {setting} and its host setting"

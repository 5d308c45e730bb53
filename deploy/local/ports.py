"""TCP ports of this machine: whether one can be bound, and a free one."""

import errno
import socket


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
    """A port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _explain(host: str, port: int, setting: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use by another program: stop that, or choose another with {setting}=PORT"
    if error.errno == errno.EACCES:
        return f"port {port} may not be bound by this user: choose one above 1023 with {setting}=PORT"
    return f"{host}:{port} cannot be bound ({error.strerror}): see {setting} and its host setting"

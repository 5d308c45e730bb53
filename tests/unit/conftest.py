"""Unit tests stay offline: reaching the network fails the test that tries."""

import socket
from typing import Any, NoReturn

import pytest


class NetworkUsedError(AssertionError):
    """A unit test opened a connection or bound a port."""


def _refuse(original: Any) -> Any:
    def guarded(self: socket.socket, *arguments: Any) -> Any:
        if self.family == socket.AF_UNIX:  # asyncio's own wake-up pair
            return original(self, *arguments)
        raise NetworkUsedError("tests under tests/unit must not use the network")

    return guarded


def _refuse_lookup(*_: Any, **__: Any) -> NoReturn:
    raise NetworkUsedError("tests under tests/unit must not look up names")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes connecting, binding, sending and name look-up away."""
    for name in ("connect", "connect_ex", "bind", "sendto"):
        monkeypatch.setattr(socket.socket, name, _refuse(getattr(socket.socket, name)))
    monkeypatch.setattr(socket, "getaddrinfo", _refuse_lookup)

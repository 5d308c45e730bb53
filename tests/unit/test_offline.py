"""The guard that keeps unit tests off the network works."""

import asyncio
import socket

import pytest

from tests.unit.conftest import NetworkUsedError


def test_connecting_is_refused() -> None:
    with socket.socket() as client, pytest.raises(NetworkUsedError):
        client.connect(("127.0.0.1", 9))


def test_binding_is_refused() -> None:
    with socket.socket() as server, pytest.raises(NetworkUsedError):
        server.bind(("127.0.0.1", 0))


async def test_asyncio_connections_are_refused() -> None:
    with pytest.raises(NetworkUsedError):
        await asyncio.open_connection("127.0.0.1", 9)


def test_looking_up_names_is_refused() -> None:
    with pytest.raises(NetworkUsedError):
        socket.create_connection(("localhost", 9), 1.0)

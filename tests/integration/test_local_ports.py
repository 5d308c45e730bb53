"""Ports for servers: free, apart, and not among those that outgoing connections get."""

import itertools
import socket

from deploy.local.ports import ROOM, free_port


def test_no_port_is_handed_out_twice_and_each_has_room() -> None:
    ports = sorted(free_port() for _ in range(50))
    assert all(after - before >= ROOM for before, after in itertools.pairwise(ports))


def test_an_outgoing_connection_does_not_get_one() -> None:
    """Of 200 connections none gets a port of the servers' range, where a bind to port 0 would be among them."""
    with socket.create_server(("127.0.0.1", free_port()), backlog=200) as server:
        port = server.getsockname()[1]
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
        lowest = min(client.getsockname()[1] for client in clients)
        for client in clients:
            client.close()
    assert max(free_port() for _ in range(20)) + ROOM <= lowest


def test_a_port_with_a_server_behind_it_is_not_free() -> None:
    first = free_port()
    with socket.create_server(("127.0.0.1", first + 2 * ROOM - 1)):
        assert free_port() != first + ROOM

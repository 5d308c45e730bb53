"""Asks a broker whether it answers: one Metadata request over a plain socket, without a client."""

import socket
import struct
from typing import Final

from aiokafka.protocol.metadata import MetadataResponse_v1

_METADATA: Final = 3  # Kafka protocol, api key
_VERSION: Final = 1
_MAX_RESPONSE: Final = 1 << 20


def answers(port: int, timeout: float = 2.0) -> bool:
    """Whether a broker on 127.0.0.1:`port` answers within `timeout` seconds and knows itself and its controller."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout) as connection:
            connection.settimeout(timeout)
            connection.sendall(_request())
            (size,) = struct.unpack(">i", _exactly(connection, 4))
            if not 0 < size <= _MAX_RESPONSE:
                return False
            body = _exactly(connection, size)
    except OSError:
        return False
    return _is_ready(body)


def _request() -> bytes:
    """Metadata v1 for no topic at all: header v1 (api key, version, correlation id, client id), an empty array."""
    client = b"pushtokens-probe"
    body = struct.pack(">hhih", _METADATA, _VERSION, 1, len(client)) + client + struct.pack(">i", 0)
    return struct.pack(">i", len(body)) + body


def _is_ready(body: bytes) -> bool:
    try:
        response = MetadataResponse_v1.decode(body[4:])  # after the correlation id
    except (ValueError, struct.error):
        return False
    return bool(response.brokers) and response.controller_id >= 0


def _exactly(connection: socket.socket, length: int) -> bytes:
    found = b""
    while len(found) < length:
        part = connection.recv(length - len(found))
        if not part:
            raise ConnectionResetError("closed in the middle of an answer")
        found += part
    return found

"""How the parts of a record are written in Kafka's record batch, format v2 (KIP-98): lengths, and the headers (KIP-82)
of our CloudEvents, as far as they can be written once for many records."""

from functools import lru_cache
from typing import Final

from aiokafka.record.util import encode_varint

from schemas.cloudevents import headers, rfc3339

FEW: Final = 8192


def _varint(number: int) -> bytes:
    found = bytearray()
    encode_varint(number, found.append)
    return bytes(found)


SMALL: Final = [_varint(number) for number in range(FEW)]
"""The lengths under `FEW`, which are nearly all."""

_NULL: Final = b"\x01"  # -1: no key, or no value


def varint(number: int) -> bytes:
    """A length or offset delta (0 or more) in ZigZag, as Protocol Buffers have it."""
    return SMALL[number] if number < FEW else _varint(number)


def sized(data: bytes | None) -> bytes:
    """A key, value, header name or header value with its length before it; None is Kafka's null."""
    return _NULL if data is None else varint(len(data)) + data


# A header section is fixed_headers(type), the length of the event's id, the id, time_header(seconds), THOUSANDTHS[ms].


@lru_cache(maxsize=16)
def fixed_headers(event_type: str) -> bytes:
    """The header section of events of a type, up to the name of `ce_id`."""
    found = dict(headers(event_type, "", 0))
    same = [(name, value) for name, value in found.items() if name not in ("ce_id", "ce_time")]
    start = b"".join(sized(name.encode()) + sized(value) for name, value in same)
    return varint(len(found)) + start + sized(b"ce_id")


@lru_cache(maxsize=4096)
def time_header(seconds: int) -> bytes:
    """The header `ce_time` up to the full stop; thousands of records share a second."""
    time = rfc3339(1000 * seconds).removesuffix("000Z").encode()
    return sized(b"ce_time") + varint(len(time) + len(THOUSANDTHS[0])) + time


THOUSANDTHS: Final = tuple(f"{ms:03d}Z".encode() for ms in range(1000))
"""What follows the full stop, by the ms of the second."""

"""Kafka's default partitioner: murmur2 of the key, the same on every topic and changelog (design.md section 2).

The algorithm is `org.apache.kafka.common.utils.Utils.murmur2` and `toPositive(...) % partitions`.
"""

from typing import Final

_M: Final = 0x5BD1E995
_SEED: Final = 0x9747B28C
_MASK: Final = 0xFFFFFFFF


def murmur2(key: bytes) -> int:
    """Kafka's murmur2 of `key` as an unsigned 32-bit number."""
    length = len(key)
    h = _SEED ^ length
    whole = length & ~3
    for k in memoryview(key[:whole]).cast("I") if _LITTLE else _words(key[:whole]):
        k = (k * _M) & _MASK
        k ^= k >> 24
        h = ((h * _M) & _MASK) ^ ((k * _M) & _MASK)
    if tail := key[whole:]:
        h = ((h ^ int.from_bytes(tail, "little")) * _M) & _MASK
    h ^= h >> 13
    h = (h * _M) & _MASK
    return h ^ (h >> 15)


def partition_of(key: bytes, partitions: int) -> int:
    """The partition (0 to `partitions` - 1) that Kafka's own clients choose for `key`."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def _words(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data), 4)]


_LITTLE: Final = memoryview(b"\x01\x00\x00\x00").cast("I")[0] == 1

"""Kafka's default partitioner: murmur2 of the key, the same on every topic and changelog (design.md section 2).

The algorithm is `org.apache.kafka.common.utils.Utils.murmur2` and `toPositive(...) % partitions`.
"""

import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Final

M: Final = 0x5BD1E995
SEED: Final = 0x9747B28C
_MASK: Final = 0xFFFFFFFF


def murmur2(key: bytes) -> int:
    """Kafka's murmur2 of `key` as an unsigned 32-bit number.

    The words are mixed all at once, as two long numbers in which each has a lane of 64 bits, room for a product of two:
    a quarter faster than one after the other. Only the sum over them has to go word by word.
    """
    length = len(key)
    words = length >> 2
    low, high, split = _lanes(words)
    number = int.from_bytes(key[: words << 2], "little")
    even, odd = (number & low) * M & low, (number >> 32 & low) * M & low
    even, odd = (even ^ even >> 24 & high) * M & low, (odd ^ odd >> 24 & high) * M & low
    h = SEED ^ length
    for k in split((even | odd << 32).to_bytes(words << 2, "little")):
        h = (h * M ^ k) & _MASK
    if tail := key[words << 2 :]:
        h = (h ^ int.from_bytes(tail, "little")) * M & _MASK
    h = (h ^ h >> 13) * M & _MASK
    return h ^ h >> 15


def partition_of(key: bytes, partitions: int) -> int:
    """The partition (0 to `partitions` - 1) that Kafka's own clients choose for `key`."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


@lru_cache(maxsize=64)  # selectors have one length, or a few
def _lanes(words: int) -> tuple[int, int, Callable[[bytes], tuple[int, ...]]]:
    """For a key of so many words: the lower half of each lane, the 8 bits that 32 leave of a shift by 24, and what
    takes the words apart again."""
    ones = sum(1 << 64 * lane for lane in range((words + 1) // 2))
    return ones * _MASK, ones * (_MASK >> 24), struct.Struct(f"<{words}I").unpack

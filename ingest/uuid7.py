"""UUID version 7 (RFC 9562 section 5.7): the time in ms in front, random behind, so that ids sort by time."""

from random import Random
from typing import Final

# Seeded by the system in each process. Ids must be unique, not secret, and a system call for each has its price.
_RANDOM: Final = Random()  # noqa: S311


def uuid7(time_ms: int) -> str:
    """A new id (str, 36 characters) for an event at `time_ms` (ms since the epoch, UTC)."""
    number = time_ms << 80 | _RANDOM.getrandbits(80)
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

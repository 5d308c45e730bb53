"""A rate for each of any number of keys, in memory that never grows. Pure: the clock is passed in.

GCRA (ITU-T I.371, "virtual scheduling") over the cells of a sketch with conservative update (Estan and Varghese 2002;
the error is that of a count-min sketch, Cormode and Muthukrishnan 2005). GCRA keeps one number a key, the time at which
its next event would be due; here each key has one cell in each of two rows, and the earlier of both counts. No key is
ever forgotten, so a flood of other keys frees nobody: what it can do is make a key look busier than it is, if it fills
both of its cells. A table that forgets keys would let a flood wash the limited ones out.
"""

import hashlib
from array import array
from typing import Final

PERIOD: Final = 60.0  # seconds that a rate is about
_ROUNDING: Final = 1e-6  # of a period: sums of floats must not refuse the last event of a burst


class RateSketch:
    """At most `rate` events a minute of each key, all of them at once if need be. 16 bytes of memory a cell."""

    def __init__(self, rate: int, cells: int, secret: bytes) -> None:
        """`cells`: in each row; `secret`: 16 bytes or more that nobody else knows, lest somebody aim at a cell."""
        self._interval = PERIOD / rate
        self._ahead = PERIOD - self._interval + PERIOD * _ROUNDING
        self._cells = cells
        self._due = array("d", [0.0]) * (2 * cells)
        self._secret = secret

    def take(self, key: bytes, now: float) -> float:
        """Count an event of `key` at `now` (s, any clock that only goes forward).

        Returns:
            0 if it is within the rate; else, and nothing is counted, the seconds until it would be.
        """
        digest = hashlib.blake2b(key, digest_size=16, key=self._secret).digest()
        first = int.from_bytes(digest[:8], "little") % self._cells
        second = self._cells + int.from_bytes(digest[8:], "little") % self._cells
        due = self._due
        at = max(now, min(due[first], due[second]))
        if at - now > self._ahead:
            return at - now - self._ahead
        at += self._interval
        if due[first] < at:
            due[first] = at
        if due[second] < at:
            due[second] = at
        return 0.0

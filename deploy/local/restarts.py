"""When to start a process again: at once after a long good run, later and later while it keeps dying."""

from typing import Final

FIRST: Final = 0.5  # seconds
LONGEST: Final = 30.0
STABLE: Final = 60.0  # seconds of life after which the past is forgotten


class Restarts:
    """The delays of one process; times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._delay = FIRST
        self.last_start = 0.0
        self.count = 0

    def started(self, now: float) -> None:
        """It was started."""
        self.last_start = now

    def died(self, now: float) -> float:
        """It ended; returns the seconds before the next start: 0.5, doubling to 30; 0.5 again after 60 s of life."""
        if now - self.last_start >= STABLE:
            self._delay = FIRST
        delay, self._delay = self._delay, min(LONGEST, self._delay * 2)
        self.count += 1
        return delay

"""A budget of bytes that fills up again with time. Pure: the clock is passed in."""


class TokenBucket:
    """At most `rate` bytes a second on average, and one second's worth at once."""

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._left = rate
        self._at = now

    def take(self, size: int, now: float) -> bool:
        """Spend `size` bytes at `now` (s, any clock that only goes forward); False, and nothing spent, if too many."""
        self._left = min(self._rate, self._left + max(0.0, now - self._at) * self._rate)
        self._at = max(self._at, now)
        if size > self._left:
            return False
        self._left -= size
        return True

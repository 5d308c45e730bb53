"""How long the oldest record that is not applied yet has waited, at most; told from what a role knows anyway."""

import time
from collections.abc import Callable
from typing import Final

_MILLI: Final = 1000
AGE_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 86400.0)


class Wait:
    """Of one partition, from when this process has it.

    What waits was appended after the newest record that is applied, and also after the moment at which nothing was
    waiting: the later of the two bounds its age from above. Under load the first one is near, after a quiet hour the
    second one; when a role is stuck, both grow old.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """`clock`: seconds since the epoch; append times are the broker's, so its clock counts, too."""
        self._clock = clock
        self._begun = clock()
        self._applied = self._even = 0.0

    def applied(self, appended_at: int) -> None:
        """All up to a record that was appended at `appended_at` (ms since the epoch) is applied."""
        self._applied = appended_at / _MILLI

    def seconds(self, behind: int) -> float:
        """The bound (seconds), while `behind` records wait; 0.0 if none does."""
        now = self._clock()
        if behind <= 0:
            self._even = now
            return 0.0
        return max(0.0, now - (max(self._applied, self._even) or self._begun))

    def age(self, appended_at: int) -> float:
        """How old (seconds) a record is that was appended at `appended_at` (ms since the epoch)."""
        return max(0.0, self._clock() - appended_at / _MILLI)

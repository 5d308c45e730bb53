"""The simulated day: when phones start their app, hour by hour."""

from bisect import bisect_right
from itertools import accumulate
from typing import Final

DAY_MS: Final = 86_400_000
_HOUR_MS: Final = 3_600_000

# Shares of a day's app starts by hour: asleep until six, a morning peak when the alarm goes, a second one after work.
_WEIGHTS: Final = (6, 4, 3, 3, 4, 10, 28, 60, 74, 66, 58, 54, 56, 54, 52, 54, 60, 72, 78, 70, 58, 44, 26, 12)
_UNTIL: Final = tuple(total / sum(_WEIGHTS) for total in accumulate(_WEIGHTS))


def moment(share: float) -> int:
    """When `share` (0 to 1) of the day's starts have happened: ms since midnight, never falling as `share` grows."""
    hour = min(bisect_right(_UNTIL, share), 23)
    before = _UNTIL[hour - 1] if hour else 0.0
    return min(int((hour + (share - before) / (_UNTIL[hour] - before)) * _HOUR_MS), DAY_MS - 1)

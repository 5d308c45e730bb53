"""When a refused request may come again: `Retry-After` with jitter (RFC 9110 section 10.2.3)."""

import random
from typing import Final

# A fleet that was refused in one second and told one number would come back in one second.
_SPREAD: Final = 2


def retry_after(least: float) -> bytes:
    """Whole seconds (digits, bytes) between `least` (s) and twice that, any as likely; at least 1."""
    lowest = max(1, -int(-least // 1))
    return b"%d" % random.randint(lowest, _SPREAD * lowest)  # noqa: S311 - spreads load, guards nothing

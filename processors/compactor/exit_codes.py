"""Exit codes of the role `compact`."""

from typing import Final

DONE: Final = 0
FAILED: Final = 1
WRONG: Final = 2
"""The settings or the topics are wrong."""
WRONG_LOG: Final = 3
"""An operator has to decide (`adopt-log` or `rebuild`); restarting does not help."""

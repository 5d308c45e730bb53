"""The account that has authenticated, and the one that the report names. Pure."""

import re
from typing import Final

from ingest.reading import Reading
from ingest.refusal import RefusedError
from ingest.values import SPACES

_MAX: Final = 1024  # bytes; a record takes 8192, a report's user name 4096
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def possible(username: str) -> bool:
    """Whether this can be an account's name at all (what else comes is answered as an unknown one)."""
    return bool(username.strip()) and not _CONTROL.search(username) and len(username.encode()) <= _MAX


def bind(reading: Reading, username: str, *, differs: bool) -> str:
    """Make the report one of the account that has authenticated.

    Args:
        reading: the report; if it names no account, `username` is filled in.
        username: as authenticated.
        differs: accounts report under another name than they authenticate with, so that nothing can be said of it.

    Returns:
        The authenticated name for the record, without surrounding spaces (as reported ones are kept).

    Raises:
        RefusedError: 403, the report names another account.
    """
    username = username.strip(SPACES)
    if not differs and reading.values.setdefault("username", username) != username:
        raise RefusedError(403, "other_account", "the report names another account than its credentials", "username")
    return username

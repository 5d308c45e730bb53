"""A file of users as Apache's htdigest writes it, `user:realm:HA1` a line. Pure.

HA1 of 32 hex digits is MD5, of 64 SHA-256 (RFC 7616); a user may have a line of each. Empty lines and those that start
with `#` mean nothing. Lines of another realm are left out.
"""

import re
from typing import Final

from ingest.auth.account import possible
from schemas.settings_ingest import Algorithm

_LENGTHS: Final[dict[int, Algorithm]] = {32: "MD5", 64: "SHA-256"}
_HEX: Final = re.compile(r"[0-9a-fA-F]+", re.ASCII)
Users = dict[Algorithm, dict[str, bytes]]


class UsersError(ValueError):
    """A file that cannot be used; the text names the line and holds nothing of it."""


def parse(text: str, realm: str) -> Users:
    """The users of `realm`: by algorithm and name, HA1 (bytes, lower-case hex).

    Raises:
        UsersError: a line that is none, a user twice, or nobody of this realm.
    """
    found: Users = {"SHA-256": {}, "MD5": {}}
    for number, line in enumerate(text.split("\n"), 1):
        line = line.rstrip("\r")
        if not line.strip() or line.startswith("#"):
            continue
        username, own_realm, digest = _parts(number, line)
        if own_realm != realm:
            continue
        users = found[_LENGTHS[len(digest)]]
        if username in users:
            raise UsersError(f"line {number} names a user for the second time")
        users[username] = digest.lower().encode()
    if not any(found.values()):
        raise UsersError(f'no line is of the realm "{realm}" (auth_realm)')
    return found


def complete(users: Users) -> tuple[Algorithm, ...]:
    """The algorithms that every user has a line of, the stronger first: only those can be offered, since who is asked
    to choose takes the strongest."""
    everybody = users["SHA-256"].keys() | users["MD5"].keys()
    return tuple(algorithm for algorithm, own in users.items() if own.keys() == everybody)


def _parts(number: int, line: str) -> tuple[str, str, str]:
    # Neither realm nor HA1 has a colon; a name may (`sip:…`), which is why it is taken from the right.
    username, _, rest = line.rpartition(":")
    username, _, realm = username.rpartition(":")
    if len(rest) not in _LENGTHS or not _HEX.fullmatch(rest) or not possible(username):
        raise UsersError(f"line {number} is not `user:realm:HA1`, HA1 being 32 (MD5) or 64 (SHA-256) hex digits")
    return username, realm, rest

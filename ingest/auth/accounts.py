"""Where the credentials of accounts come from, as HA1: the hash of `user:realm:password` (RFC 7616 section 3.4.2)."""

import hashlib
import hmac
import os
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from schemas.secret import Secret
from schemas.settings_ingest import Algorithm

HASHES: Final[dict[Algorithm, Callable[..., Any]]] = {  # the stronger first (RFC 7616 section 3.7)
    "SHA-256": hashlib.sha256,
    "MD5": hashlib.md5,
}


class Accounts(Protocol):
    """Knows accounts by name."""

    # Whether a name is one account's own.
    personal: bool

    def algorithms(self) -> tuple[Algorithm, ...]:
        """Those that every account can answer with now, the strongest first."""

    async def find(self, username: str, algorithm: Algorithm) -> tuple[bytes, ...]:
        """The HA1 that count (bytes, lower-case hex); for an unknown name as many, made by `unknown`, which fit nobody.

        Raises:
            BusyError: 503, who would know does not answer.
        """

    async def open(self) -> None:
        """Start what keeps it up to date."""

    async def close(self) -> None:
        """Let go of everything."""


class OneAccount:
    """The credentials that all apps share: a password, and perhaps the one before it."""

    personal = False

    def __init__(self, username: str, passwords: Iterable[Secret], realm: str, algorithms: tuple[Algorithm, ...]):
        self._username = username.encode()
        self._algorithms = algorithms or tuple(HASHES)
        plain = [secret.reveal() for secret in passwords]
        self._known = {name: tuple(ha1(name, username, realm, text) for text in plain) for name in HASHES}
        self._unknown = {name: tuple(unknown(name) for _ in plain) for name in HASHES}

    def algorithms(self) -> tuple[Algorithm, ...]:
        """As `Accounts.algorithms`."""
        return self._algorithms

    async def find(self, username: str, algorithm: Algorithm) -> tuple[bytes, ...]:
        """As `Accounts.find`."""
        known = hmac.compare_digest(self._username, username.encode("utf-8", "replace"))
        return (self._known if known else self._unknown)[algorithm]

    async def open(self) -> None:
        """Nothing to start."""

    async def close(self) -> None:
        """Nothing to let go of."""


def ha1(algorithm: Algorithm, username: str, realm: str, password: str) -> bytes:
    """The hash (bytes, lower-case hex) of `user:realm:password`."""
    text = f"{username}:{realm}:{password}".encode("utf-8", "surrogateescape")
    return HASHES[algorithm](text).hexdigest().encode()  # type: ignore[no-any-return]


def unknown(algorithm: Algorithm) -> bytes:
    """An HA1 (bytes) that no password has: who is unknown is checked against it, and takes as long as who is known."""
    return os.urandom(HASHES[algorithm]().digest_size).hex().encode()

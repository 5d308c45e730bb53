"""Accounts from a file, read again when it changes."""

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Final

from ingest.auth.accounts import unknown
from ingest.auth.htdigest import Users, UsersError, complete, parse
from schemas.settings_ingest import Algorithm

log = logging.getLogger(__name__)

_Stamp = tuple[int, int, int]
_NONE: Final[_Stamp] = (0, 0, 0)


class UsersFile:
    """The users of one realm in an htdigest file. A new one that cannot be used is logged, and the old one counts."""

    personal = True

    def __init__(self, path: str, realm: str, algorithms: tuple[Algorithm, ...], interval: float) -> None:
        """Read the file.

        Args:
            path: of the file.
            realm: whose lines count.
            algorithms: what Digest offers; none: what every user has a line of.
            interval: how often the file is looked at, s.

        Raises:
            UsersError: it cannot be read or used.
        """
        self._path = Path(path)
        self._realm = realm
        self._wanted = algorithms
        self._interval = interval
        self._unknown = {name: (unknown(name),) for name in ("SHA-256", "MD5")}
        self._stamp = self._look()
        self._users, self._offered = self._read()
        self._watch: asyncio.Task[None] | None = None

    def algorithms(self) -> tuple[Algorithm, ...]:
        """As `Accounts.algorithms`."""
        return self._offered

    async def find(self, username: str, algorithm: Algorithm) -> tuple[bytes, ...]:
        """As `Accounts.find`."""
        digest = self._users[algorithm].get(username)
        return self._unknown[algorithm] if digest is None else (digest,)

    async def open(self) -> None:
        """Watch the file."""
        self._watch = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Stop watching."""
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            if (stamp := self._look()) == self._stamp:
                continue
            self._stamp = stamp
            try:
                # In a thread: a million lines take a second, and reports go on meanwhile.
                self._users, self._offered = await asyncio.to_thread(self._read)
                log.info("users of realm %s read again: %d", self._realm, max(map(len, self._users.values())))
            except UsersError as error:
                log.error("the users file is not used, the one before counts: %s", error)

    def _look(self) -> _Stamp:
        try:
            found = self._path.stat()
        except OSError:
            return _NONE
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> tuple[Users, tuple[Algorithm, ...]]:
        try:
            text = self._path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsersError(f"cannot read {self._path}: {type(error).__name__}") from None
        users = parse(text, self._realm)
        offered = complete(users)
        wanted = self._wanted or offered
        if not wanted:
            raise UsersError("some users have MD5 lines only and some SHA-256 only: name one in auth_algorithms")
        return users, wanted

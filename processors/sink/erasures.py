"""Who was forgotten (`push_tokens.erasures`): their old records must not come back by a replay."""

from datetime import datetime
from hashlib import sha256
from typing import Final

from processors.clickhouse import AsyncClickHouse

SELECTOR: Final = "selector"
USERNAME: Final = "username"


def digest(text: str) -> str:
    """What the table holds of a selector or user name: its SHA-256 in hex."""
    return sha256(text.encode()).hexdigest()


class Erasures:
    """The list, read now and then. A forgotten selector that reports again later is a new one: only what it reported
    up to its erasure stays out. `known`: the list was read at least once.

    User names are on it as well: a selector that has passed to another account keeps that one's rows, while what it
    reported for the forgotten account must not come back."""

    def __init__(self, clickhouse: AsyncClickHouse, database: str) -> None:
        self._clickhouse = clickhouse
        self._table = f"{database}.erasures"
        self._selectors: dict[str, int] = {}
        self._usernames: dict[str, int] = {}
        self.known = False

    async def load(self) -> None:
        """Read the list.

        Raises:
            AwayError, RefusedError: as `AsyncClickHouse.query`.
        """
        found = await self._clickhouse.query(
            f"SELECT what, digest, max(erased_at) FROM {self._table} GROUP BY what, digest"  # noqa: S608
        )
        read: dict[str, dict[str, int]] = {SELECTOR: {}, USERNAME: {}}
        for what, text, at in found.rows:
            read.setdefault(what, {})[_text(text)] = _milliseconds(at)
        self._selectors, self._usernames = read[SELECTOR], read[USERNAME]
        self.known = True

    def holds(self, selector: str, username: str | None, received_at: int) -> bool:
        """Whether what `selector` reported at `received_at` (ms) was erased: its own erasure, or its account's."""
        if self._selectors and received_at <= self._selectors.get(digest(selector), -1):
            return True
        return bool(self._usernames and username and received_at <= self._usernames.get(digest(username), -1))


def _text(value: bytes | str) -> str:
    return value.decode("ascii") if isinstance(value, bytes) else value


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)

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
    up to its erasure stays out. `known`: the list was read at least once."""

    def __init__(self, clickhouse: AsyncClickHouse, database: str) -> None:
        self._clickhouse = clickhouse
        self._table = f"{database}.erasures"
        self._erased: dict[str, int] = {}
        self.known = False

    async def load(self) -> None:
        """Read the list.

        Raises:
            AwayError, RefusedError: as `AsyncClickHouse.query`.
        """
        found = await self._clickhouse.query(
            f"SELECT digest, max(erased_at) FROM {self._table} WHERE what = {{what:String}} GROUP BY digest",  # noqa: S608
            {"what": SELECTOR},
        )
        self._erased = {_text(row[0]): _milliseconds(row[1]) for row in found.rows}
        self.known = True

    def holds(self, selector: str, received_at: int) -> bool:
        """Whether what `selector` reported at `received_at` (ms) was erased."""
        if not self._erased:
            return False
        erased_at = self._erased.get(digest(selector))
        return erased_at is not None and received_at <= erased_at


def _text(value: bytes | str) -> str:
    return value.decode("ascii") if isinstance(value, bytes) else value


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)

"""The table's storage in memory: gone with the process, read again from the changelog at the next start."""

from bisect import insort
from collections.abc import Iterable, Iterator, Sequence

from processors.compactor.store import Position, Write


class _Partition:
    def __init__(self) -> None:
        self.latest: dict[bytes, bytes] = {}
        self.removals: dict[bytes, bytes] = {}
        self.accounts: dict[str, list[bytes]] = {}
        self.position: Position | None = None


class MemoryStore:
    """A `Store` in dictionaries."""

    def __init__(self) -> None:
        self._partitions: dict[int, _Partition] = {}

    def latest(self, partition: int, keys: Sequence[bytes]) -> list[bytes | None]:
        """As `Store.latest`."""
        found = self._partitions.get(partition)
        return [None] * len(keys) if found is None else [found.latest.get(key) for key in keys]

    def removals(self, partition: int, keys: Sequence[bytes]) -> list[bytes | None]:
        """As `Store.removals`."""
        found = self._partitions.get(partition)
        return [None] * len(keys) if found is None else [found.removals.get(key) for key in keys]

    def selectors(self, partition: int, username: str) -> list[bytes]:
        """As `Store.selectors`."""
        found = self._partitions.get(partition)
        return [] if found is None else list(found.accounts.get(username, ()))

    def scan(self, partition: int, count: int) -> Iterator[list[tuple[bytes, bytes]]]:
        """As `Store.scan`."""
        keys = list(self._latest(partition))
        for start in range(0, len(keys), count):
            held = self._latest(partition)
            if found := [(key, held[key]) for key in keys[start : start + count] if key in held]:
                yield found

    def _latest(self, partition: int) -> dict[bytes, bytes]:
        found = self._partitions.get(partition)
        return {} if found is None else found.latest

    def position(self, partition: int) -> Position | None:
        """As `Store.position`."""
        found = self._partitions.get(partition)
        return None if found is None else found.position

    def write(self, partition: int, write: Write) -> None:
        """As `Store.write`."""
        held = self._partitions.setdefault(partition, _Partition())
        _put(held.latest, write.latest)
        _put(held.removals, write.removals)
        for username, key in write.dropped:
            keys = held.accounts.get(username, [])
            if key in keys:
                keys.remove(key)
            if not keys:
                held.accounts.pop(username, None)
        for username, key in write.added:
            keys = held.accounts.setdefault(username, [])
            if key not in keys:
                insort(keys, key)
        held.position = write.position

    def drop(self, partition: int) -> None:
        """As `Store.drop`."""
        self._partitions.pop(partition, None)

    def held(self) -> list[int]:
        """As `Store.held`."""
        return sorted(self._partitions)

    def close(self) -> None:
        """As `Store.close`."""
        self._partitions.clear()


def _put(held: dict[bytes, bytes], values: Iterable[tuple[bytes, bytes | None]]) -> None:
    for key, value in values:
        if value is None:
            held.pop(key, None)
        else:
            held[key] = value

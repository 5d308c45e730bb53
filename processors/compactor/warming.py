"""Makes fingerprints of what a partition's copy holds, a little at a time, in between other work.

After a restart most of what phones report is what the store holds already. How far this comes does not matter: what is
not known goes the exact way. But nothing old may be noted. So each turn reads the store as it is at that moment, and
leaves out the selectors that have moved since, in batches that are merged and not in the store yet.
"""

from collections.abc import Container, Iterable, Iterator
from typing import Final

import msgspec

from processors.compactor.known import Known, Told, read_told
from processors.compactor.store import Store

TURN: Final = 500  # states in one turn of the event loop: about 1 ms


class Warming:
    """The fingerprints of one partition, and how far they are made."""

    def __init__(self, store: Store, partition: int, known: Known) -> None:
        """Nothing is read yet. `known`: of that partition, as its owner has it."""
        self.known = known
        self._store, self._partition = store, partition
        self._parts = store.scan(partition, TURN)

    def again(self) -> None:
        """Begin once more; what is known stays."""
        self._parts = self._store.scan(self._partition, TURN)

    def turn(self, *moving: Container[bytes]) -> bool:
        """Read on a little.

        Args:
            moving: keys of selectors whose states are about to move in the store, or have just begun to.

        Returns:
            Whether there was something left to read.
        """
        found = next(self._parts, None)
        if found is None:
            return False
        for keys in moving:
            found = [pair for pair in found if pair[0] not in keys]
        self.known.fill(_readable(found))
        return True


def _readable(found: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, Told]]:
    for key, value in found:
        try:
            yield key, read_told(value)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue  # whoever needs that state will say so

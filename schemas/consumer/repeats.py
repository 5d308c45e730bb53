"""Repeated changes: an at-least-once consumer gets some twice, and this says which."""

from typing import Final

from msgspec import Struct

from schemas.records import Change


class Place(Struct, frozen=True):
    """How far one partition of one log of `reports` has been handled: an offset, and the `id`s of its changes."""

    log_id: str
    partition: int
    offset: int
    ids: tuple[str, ...]


class Repeats:
    """Tells a change that was handled before. Exact, and small: one `Place` per partition, however long it runs.

    It rests on the order: the changes of a partition are in the order of the reports they come from, and a report
    makes at most a few. Keep `places` with your results (in the same transaction, if there is one), and give them back
    at the next start. A database of your own does as well without this, with `id` as a unique key.
    """

    def __init__(self, places: tuple[Place, ...] = ()) -> None:
        self._places: Final = {(place.log_id, place.partition): place for place in places}

    @property
    def places(self) -> tuple[Place, ...]:
        """What to keep."""
        return tuple(self._places.values())

    def is_new(self, change: Change) -> bool:
        """Whether it is handled for the first time; asking counts as handling it."""
        source = change.source
        where = (source.log_id, source.partition)
        place = self._places.get(where)
        if place is not None and (source.offset < place.offset or change.id in place.ids):
            return False
        earlier = place.ids if place is not None and place.offset == source.offset else ()
        self._places[where] = Place(source.log_id, source.partition, source.offset, (*earlier, change.id))
        return True

"""Stored values, and the states that they stand for."""

from collections.abc import Sequence
from typing import NamedTuple

from processors.compactor.rules import State
from schemas.records import decode_latest, decode_removed


class Values(NamedTuple):
    """Stored values: `latest` for `keys`, `removals` for those without one."""

    keys: Sequence[bytes]
    latest: list[bytes | None]
    missing: Sequence[bytes]
    removals: list[bytes | None]


def decode(values: Values) -> dict[bytes, State]:
    """The states that stored values stand for."""
    states: dict[bytes, State] = {
        key: None if value is None else decode_latest(value)
        for key, value in zip(values.keys, values.latest, strict=True)
    }
    for key, value in zip(values.missing, values.removals, strict=True):
        if value is not None:
            states[key] = decode_removed(value)
    return states

"""A batch of one partition, folded into what is to be written: pure, so that a crash anywhere leaves nothing half done.

Several updates of a selector in one part of a batch become one message on `latest`; every change still gets its own.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from processors.compactor.merge import merge
from processors.compactor.reading import WRONG_PARTITION, Log, Read, reject, reject_bound
from processors.compactor.rules import REFUSED, Rules, State
from schemas.partitions import partitions_of
from schemas.records import Change, Rejected, Source

Move = tuple[State, State]
"""A selector whose state moved: before the batch, and after it."""


class Folded(NamedTuple):
    """What a batch did: moved selectors by key (bytes), the changes in log order, what was wrong, and how often
    each disposition came up."""

    moves: dict[bytes, Move]
    changes: list[Change]
    rejected: list[Rejected]
    counts: dict[str, int]


def fold(records: Sequence[Read], states: Mapping[bytes, State], log: Log, rules: Rules) -> Folded:
    """Merge `records` (log order) into `states`, which holds what is known of each of their keys.

    A selector that belongs to another partition is found here, when it is unknown: a known one was checked when it
    came.
    """
    moves: dict[bytes, Move] = {}
    foreign = _foreign(list({record[0] for record in records if states[record[0]] is None}), log)
    changed: list[Change] = []
    rejected: list[Rejected] = []
    counts: dict[str, int] = {}
    for key, report, offset, appended_at, value in records:
        if key in foreign:
            detail = f"belongs to partition {foreign[key]}"
            rejected.append(reject(WRONG_PARTITION, detail, value, log.source(offset), appended_at))
            continue
        move = moves.get(key)
        state = states[key] if move is None else move[1]
        source = Source(log_id=log.log_id, partition=log.partition, offset=offset)
        outcome = merge(state, report, source, appended_at, rules)
        disposition = outcome.disposition
        counts[disposition] = counts.get(disposition, 0) + 1
        if disposition is REFUSED:
            rejected.append(reject_bound(report, source, appended_at))
        if outcome.state is not state:
            moves[key] = (state if move is None else move[0], outcome.state)
            changed += outcome.changes
    return Folded(moves, changed, rejected, counts)


def _foreign(keys: Sequence[bytes], log: Log) -> dict[bytes, int]:
    """Those of `keys` that belong to another partition, and to which."""
    numbers = partitions_of(keys, log.partitions)
    return {key: number for key, number in zip(keys, numbers, strict=True) if number != log.partition}

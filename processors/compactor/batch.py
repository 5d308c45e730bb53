"""A batch of one partition, folded into what is to be written: pure, so that a crash anywhere leaves nothing half done.

Several updates of a selector in one batch become one message on `latest`; every change still gets its own.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from processors.compactor.merge import merge
from processors.compactor.partitions import partitions_of
from processors.compactor.reading import WRONG_PARTITION, Log, Read, reject
from processors.compactor.rules import Rules, State
from schemas.records import Change, Latest, Rejected, Removed, Source

Move = tuple[State, State]
"""A selector whose state moved: before the batch, and after it."""


class Folded(NamedTuple):
    """What a batch did: moved selectors by key (bytes), the changes in log order, what was wrong, and how often
    each disposition came up."""

    moves: dict[bytes, Move]
    changes: list[Change]
    rejected: list[Rejected]
    counts: Counter[str]


def fold(records: Sequence[Read], states: Mapping[bytes, State], log: Log, rules: Rules) -> Folded:
    """Merge `records` (log order) into `states`, which holds what is known of each of their keys.

    A selector that belongs to another partition is found here, when it is unknown: a known one was checked when it
    came.
    """
    before: dict[bytes, State] = {}
    now: dict[bytes, State] = dict(states)
    foreign = _foreign([key for key, state in states.items() if state is None], log)
    changed: list[Change] = []
    rejected: list[Rejected] = []
    counts: dict[str, int] = {}
    for key, report, offset, appended_at, value in records:
        if key in foreign:
            detail = f"belongs to partition {foreign[key]}"
            rejected.append(reject(WRONG_PARTITION, detail, value, log.source(offset), appended_at))
            continue
        state = now[key]
        source = Source(log_id=log.log_id, partition=log.partition, offset=offset)
        after, changes, disposition = merge(state, report, source, appended_at, rules)
        counts[disposition] = counts.get(disposition, 0) + 1
        if after is not state:
            if key not in before:
                before[key] = state
            now[key] = after
            changed.extend(changes)
    return Folded({key: (state, now[key]) for key, state in before.items()}, changed, rejected, Counter(counts))


def _foreign(keys: Sequence[bytes], log: Log) -> dict[bytes, int]:
    """Those of `keys` that belong to another partition, and to which."""
    numbers = partitions_of(keys, log.partitions)
    return {key: number for key, number in zip(keys, numbers, strict=True) if number != log.partition}


def join(parts: Sequence[Folded]) -> Folded:
    """The consecutive parts of one batch as one."""
    whole = Folded({}, [], [], Counter())
    for part in parts:
        for key, move in part.moves.items():
            first = whole.moves.get(key)
            whole.moves[key] = move if first is None else (first[0], move[1])
        whole.changes.extend(part.changes)
        whole.rejected.extend(part.rejected)
        whole.counts.update(part.counts)
    return whole


def in_latest(state: State) -> Latest | None:
    """The state as `latest` has it: None where that topic holds nothing (or a tombstone)."""
    return state if isinstance(state, Latest) else None


def in_removals(state: State) -> Removed | None:
    """The state as `removals` has it: None where that topic holds nothing (or a tombstone)."""
    return state if isinstance(state, Removed) else None

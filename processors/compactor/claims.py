"""Which partitions the members of the group are taken to have when partitions are handed out: pure.

Faust's assignor leaves partitions with whoever says to have them. What members say is trimmed first: a partition that
does not exist (a store from another cluster, a topic made again with fewer) makes it fail, and a newcomer whose old
store has a copy must not take a partition from a member that works on it, except one that this member has to give away
in any case: the first process of a restarted worker has all partitions for a moment.
"""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import NamedTuple


class Claim(NamedTuple):
    """What a member says: partitions it has a good copy of, and whether it had been given any before."""

    partitions: Sequence[int]
    settled: bool


def granted(claims: Mapping[str, Claim], partitions: int) -> dict[str, list[int]]:
    """What each member is taken to have, of `partitions` in all."""
    fair = ceil(partitions / len(claims))  # the most that Faust's assignor leaves with one member
    had = {member: {at for at in claim.partitions if 0 <= at < partitions} for member, claim in claims.items()}
    holds = {at: member for member, claim in claims.items() if claim.settled for at in had[member]}
    for newcomer in sorted(member for member, claim in claims.items() if not claim.settled):
        wanted, had[newcomer] = had[newcomer], set()
        for at in sorted(wanted, key=lambda at: (at in holds, at)):
            holder = holds.get(at)
            if holder is not None:
                if len(had[holder]) <= fair or len(had[newcomer]) >= fair:
                    continue
                had[holder].discard(at)
            holds[at] = newcomer
            had[newcomer].add(at)
    return {member: sorted(partitions) for member, partitions in had.items()}

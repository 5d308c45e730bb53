"""Which partitions the members of the group are taken to have when partitions are handed out: pure.

Faust's assignor leaves partitions with whoever says to have them. What members say is trimmed first: a partition that
does not exist (a store from another cluster, a topic made again with fewer) makes it fail, and a newcomer whose old
store has a copy must not take a partition from a member that works on it.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Claim(NamedTuple):
    """What a member says: partitions it has a good copy of, and whether it had been given any before."""

    partitions: Sequence[int]
    settled: bool


def granted(claims: Mapping[str, Claim], partitions: int) -> dict[str, list[int]]:
    """What each member is taken to have, of `partitions` in all."""
    working = {at for claim in claims.values() if claim.settled for at in claim.partitions}
    return {
        member: sorted(
            at for at in set(claim.partitions) if 0 <= at < partitions and (claim.settled or at not in working)
        )
        for member, claim in claims.items()
    }

"""What members may claim, and that Faust's assignor copes with whatever is left."""

from faust.assignor.client_assignment import CopartitionedAssignment
from faust.assignor.copartitioned_assignor import CopartitionedAssignor
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.compactor.claims import Claim, granted

PARTITIONS = 6
claims = st.dictionaries(
    st.sampled_from(("a", "b", "c")),
    st.builds(Claim, st.lists(st.integers(-1, 9), max_size=8), st.booleans()),
    min_size=1,
)


def test_what_does_not_exist_is_not_claimed() -> None:
    assert granted({"a": Claim([7, 0, 5, 0], True)}, PARTITIONS) == {"a": [0, 5]}


def test_a_newcomer_takes_nothing_from_who_works_on_it() -> None:
    told = {"new": Claim([0, 1, 2, 3], False), "old": Claim([0, 1], True)}
    assert granted(told, 4) == {"new": [2, 3], "old": [0, 1]}


def test_a_newcomer_gets_of_what_is_given_away_what_it_has_a_copy_of() -> None:
    told = {"new": Claim([1, 3], False), "old": Claim([0, 1, 2, 3], True)}
    assert granted(told, 4) == {"new": [1, 3], "old": [0, 2]}
    told = {"new": Claim([1, 3], False), "old": Claim([0, 2, 3], True)}  # the fourth was still being read in
    assert granted(told, 4) == {"new": [1, 3], "old": [0, 2]}
    told = {"new": Claim([0, 1, 2, 3], False), "old": Claim([0, 1, 2, 3], True)}
    assert granted(told, 4) == {"new": [0, 1], "old": [2, 3]}
    told = {"a": Claim([0, 1], False), "b": Claim([0, 1], False), "old": Claim([0, 1, 2, 3], True)}
    assert granted(told, 4) == {"a": [0, 1], "b": [], "old": [2, 3]}


def test_of_two_newcomers_with_the_same_copies_each_gets_its_share() -> None:
    told = {"a": Claim([0, 1, 2, 3], False), "b": Claim([1, 3], False)}
    assert granted(told, 4) == {"a": [0, 2], "b": [1, 3]}


def test_newcomers_come_back_to_their_copies() -> None:
    assert granted({"a": Claim([0, 1], False), "b": Claim([2, 3], False)}, 4) == {"a": [0, 1], "b": [2, 3]}


@settings(deadline=None)
@given(claims, st.integers(0, 2))
def test_every_partition_finds_one_owner(told: dict[str, Claim], replicas: int) -> None:
    taken = granted(told, PARTITIONS)
    settled = [claim.partitions for claim in told.values() if claim.settled]
    if len({at for held in settled for at in held}) == sum(len(set(held)) for held in settled):  # no zombies
        assert len({at for each in taken.values() for at in each}) == sum(len(each) for each in taken.values())
    for member, claim in told.items():  # nobody is given what it has no copy of, and who works keeps a fair share of it
        assert set(taken[member]) <= set(claim.partitions)
        working = {at for at in claim.partitions if 0 <= at < PARTITIONS} if claim.settled else set()
        assert len(taken[member]) >= min(len(working), -(-PARTITIONS // len(told)))
    held = {
        member: CopartitionedAssignment(actives=set(partitions), standbys=set(), topics={"t"})
        for member, partitions in taken.items()
    }
    given_out = CopartitionedAssignor({"t"}, held, PARTITIONS, replicas).get_assignment()
    assert sorted(at for each in given_out.values() for at in each.actives) == list(range(PARTITIONS))

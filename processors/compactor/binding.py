"""Whose a selector is: bound to the first account that the ingress authenticated for it (docs/compactor.md, "Binding").

Then no other account's report or removal, and none that is not authenticated, changes it until an operator's record of
kind `release`: else a subscriber who knows another's selector could take over the calls pushed to it.
"""

from typing import Final

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from processors.compactor.rules import CHANGED, IGNORED, UNCHANGED, Outcome, State
from schemas.records import Report, Source

RELEASE: Final = "release"
FORGET: Final = "forget"
# Records of the operator's own making neither bind nor are they refused. An origin that nobody knows is an app's.
_TRUSTED: Final = frozenset({"import", "operator"})
_BOUND: Final = frozenset({"report", "removal"})

Account = str | UnsetType
"""The account that a selector is bound to; UNSET: none."""


def bound_after(held: Account, report: Report, state: State) -> Account | None:
    """What a selector bound to `held` is bound to once `report` has been taken; None: it must not be taken.

    What was received before `state` was released may be the former account's, on its way since: it does not bind.
    """
    told = report.authenticated_username or UNSET
    if held == told or report.kind not in _BOUND or report.origin in _TRUSTED:
        return held
    if held is not UNSET:
        return None
    released = released_after(state, held)
    return told if released is UNSET or report.received_at >= released else held


def released_after(state: State, bound: Account) -> int | UnsetType:
    """When `state` was released (ms), to be remembered until it is bound again; UNSET: never, or `bound` binds it."""
    return UNSET if state is None or bound is not UNSET else state.released_at


def bound_removed(held: Account, bound: Account, report: Report, reason: str | None) -> Account:
    """What a selector without pairs is bound to after a removal: a log-out must not open it to others; an erasure
    leaves no name behind, and neither does a log-out after it.

    Args:
        held: what it was bound to before.
        bound: as of `bound_after`.
        report: the removal.
        reason: the reason remembered from now on.
    """
    if report.reason == FORGET:
        return UNSET
    return held if reason == FORGET else bound


def release(state: State, report: Report, source: Source) -> Outcome:
    """What an operator's release makes of `state`: bound to the account that it names, else to the next that comes."""
    if report.origin != "operator":
        return Outcome(state, (), IGNORED)
    to = report.authenticated_username or UNSET
    if state is None or state.bound_to == to:
        return Outcome(state, (), UNCHANGED)
    at = report.received_at if to is UNSET else UNSET
    return Outcome(replace(state, bound_to=to, released_at=at, source=source), (), CHANGED)

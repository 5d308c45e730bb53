"""The pure merge of a removal (design.md section 5, companions.md "Account Removal Reporter")."""

from msgspec import UNSET, UnsetType

from processors.compactor.binding import Account, bound_removed, released_after
from processors.compactor.rules import CHANGED, LATE, UNCHANGED, Outcome, State
from processors.compactor.slots import REMOVED, slot_change
from schemas.records import Change, Latest, Pair, Removed, Report, Slot, Source


def remove(state: State, report: Report, source: Source, late: bool, bound: Account) -> Outcome:
    """What a removal makes of `state`; arguments and result as of `merge`, `bound` as of `bound_after`.

    A removal takes the whole selector, slots never seen included, unless it names a token that a slot no longer holds:
    then its sender did not know the newer one, and it removes only the slots whose token it names.
    """
    if isinstance(state, Latest):
        return _remove_slots(state, report, source, late, bound)
    return _remember(state, report, source, bound)


def _remember(state: Removed | None, report: Report, source: Source, bound: Account) -> Outcome:
    """No pair is held: only the memory of the removal moves, for late reports and imports to meet."""
    at = report.received_at
    if state is None:
        bound = bound_removed(UNSET, bound, report, report.reason)
        return Outcome(_removed(report, at, at, source, report.reason, bound, None), (), CHANGED)
    calls_at, other_at = max(state.calls_removed_at or 0, at), max(state.other_removed_at or 0, at)
    reason = report.reason or state.reason
    bound = bound_removed(state.bound_to, bound, report, reason)
    held = (state.calls_removed_at, state.other_removed_at, state.reason, state.bound_to)
    if (calls_at, other_at, reason, bound) == held:
        return Outcome(state, (), UNCHANGED)
    return Outcome(_removed(report, calls_at, other_at, source, reason, bound, state), (), CHANGED)


def _remove_slots(state: Latest, report: Report, source: Source, late: bool, bound: Account) -> Outcome:
    at = report.received_at
    partial = _outdated(state.calls, report.calls) or _outdated(state.other, report.other)
    calls, calls_at = _without(state.calls, state.calls_removed_at, report.calls, at, partial, late)
    other, other_at = _without(state.other, state.other_removed_at, report.other, at, partial, late)
    changes: list[Change] = []
    if calls is not state.calls:
        changes.append(slot_change(REMOVED, "calls", state.calls, None, state.username, report, source))
    if other is not state.other:
        changes.append(slot_change(REMOVED, "other", state.other, None, state.username, report, source))
    if calls is None and other is None:
        times = [None if at is UNSET else at for at in (calls_at, other_at)]
        bound = bound_removed(state.bound_to, bound, report, report.reason)
        gone = _removed(report, times[0], times[1], source, report.reason, bound, state)
        return Outcome(gone, tuple(changes), CHANGED)
    moved = (calls_at, other_at, bound) != (state.calls_removed_at, state.other_removed_at, state.bound_to)
    if not changes and not moved:
        return Outcome(state, (), UNCHANGED if partial else LATE)
    latest = Latest(
        selector=state.selector,
        username=state.username,
        calls=calls,
        other=other,
        first_seen=state.first_seen,
        last_seen=state.last_seen,
        source=source,
        username_since=state.username_since,
        calls_removed_at=calls_at,
        other_removed_at=other_at,
        bound_to=bound,
        released_at=released_after(state, bound),
    )
    return Outcome(latest, tuple(changes), CHANGED)


def _outdated(slot: Slot | None, pair: Pair | None) -> bool:
    return slot is not None and pair is not None and pair.token != slot.token


def _without(
    slot: Slot | None, removed_at: int | UnsetType, pair: Pair | None, at: int, partial: bool, late: bool
) -> tuple[Slot | None, int | UnsetType]:
    """The slot and its `removed_at` after a removal at `at`: by log order not before the pair that it removes."""
    if partial and (slot is None or pair is None or pair.token != slot.token):
        return slot, removed_at
    if slot is not None and late and at < slot.since:
        return slot, removed_at
    gone_at = at if slot is None else max(at, slot.since)
    return None, gone_at if removed_at is UNSET else max(removed_at, gone_at)


def _removed(
    report: Report,
    calls_at: int | None,
    other_at: int | None,
    source: Source,
    reason: str | None,
    bound: Account,
    before: State,
) -> Removed:
    return Removed(
        selector=report.selector,
        calls_removed_at=calls_at,
        other_removed_at=other_at,
        reason=reason or None,
        source=source,
        bound_to=bound,
        released_at=released_after(before, bound),
    )

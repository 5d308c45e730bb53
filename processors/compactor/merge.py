"""The pure merge of one record into what is known of its selector: design.md section 5, every rule of it."""

from msgspec import UNSET, UnsetType

from processors.compactor.binding import RELEASE, Account, bound_after, release, released_after
from processors.compactor.removal import remove
from processors.compactor.rules import CHANGED, IGNORED, LATE, REFUSED, REPLAYED, UNCHANGED, Outcome, Rules, State
from processors.compactor.slots import STALE, account_change, next_slot, slot_change
from schemas.records import Change, Latest, Pair, Removed, Report, Slot, Source


def merge(state: State, report: Report, source: Source, appended_at: int, rules: Rules) -> Outcome:
    """What `report` makes of `state`.

    Args:
        state: what is known of `report.selector`; never changed in place.
        report: a record of `reports`, already checked (`processors.compactor.reading`).
        source: where on the log it stands.
        appended_at: when the log took it (ms since the epoch; the topic's LogAppendTime).
        rules: the tunable numbers.

    Returns:
        The state after it (the same object when nothing moved), the changes, and the disposition.
    """
    held: Account = UNSET
    if state is not None:
        if applied(state.source, source):
            return Outcome(state, (), REPLAYED)
        held = state.bound_to
    bound = held if report.authenticated_username is held else bound_after(held, report, state)
    if bound is None:
        return Outcome(state, (), REFUSED)
    late = appended_at - report.received_at > rules.late_after
    imported = report.origin == "import"
    if report.kind == "removal" and not imported:
        return remove(state, report, source, late, bound)
    if report.kind != "report":
        return release(state, report, source) if report.kind == RELEASE else Outcome(state, (), IGNORED)
    if imported:
        return _fill(state, report, source)
    if isinstance(state, Latest):
        if _repeats(state, report):
            return _touch(state, report.received_at, source, rules, bound)
        return _update(state, report, source, late, bound)
    return _register(state, report, source, late, bound)


def applied(state: Source, source: Source) -> bool:
    """Whether a state made by the record at `state` has seen the one at `source`; another log's offsets say nothing."""
    return source.offset <= state.offset and source.partition == state.partition and source.log_id == state.log_id


def settled(state: Latest, report: Report) -> bool:
    """Whether `report` says nothing that `state` does not say, and comes from whom the selector is bound to."""
    return report.authenticated_username == state.bound_to and _repeats(state, report)


def _repeats(state: Latest, report: Report) -> bool:
    return _same(state.calls, report.calls) and _same(state.other, report.other) and _known(state, report)


def _same(slot: Slot | None, pair: Pair | None) -> bool:
    """Whether `pair` says nothing new of `slot`."""
    if pair is None:
        return True
    return slot is not None and pair.token == slot.token and (not pair.app_id or pair.app_id == slot.app_id)


def _known(state: Latest, report: Report) -> bool:
    return not report.username or report.username == state.username


def _touch(state: Latest, at: int, source: Source, rules: Rules, bound: Account) -> Outcome:
    if at - state.last_seen < rules.touch_interval and bound is state.bound_to:
        return Outcome(state, (), UNCHANGED)
    seen = Latest(
        selector=state.selector,
        username=state.username,
        calls=state.calls,
        other=state.other,
        first_seen=state.first_seen,
        last_seen=max(state.last_seen, at),
        source=source,
        username_since=state.username_since,
        calls_removed_at=state.calls_removed_at,
        other_removed_at=state.other_removed_at,
        bound_to=bound,
        released_at=released_after(state, bound),
    )
    return Outcome(seen, (), CHANGED)


def _register(state: Removed | None, report: Report, source: Source, late: bool, bound: Account) -> Outcome:
    """A selector that holds no pair: unknown, or removed."""
    at, username = report.received_at, report.username or None
    calls_gone = None if state is None else state.calls_removed_at
    other_gone = None if state is None else state.other_removed_at
    calls, calls_change = next_slot(None, calls_gone, report.calls, at, late)
    other, other_change = next_slot(None, other_gone, report.other, at, late)
    if calls is None and other is None:
        return Outcome(state, (), LATE if STALE in (calls_change, other_change) else UNCHANGED)
    changes: list[Change] = []
    if calls is not None and calls_change is not None:
        changes.append(slot_change(calls_change, "calls", None, calls, username, report, source))
    if other is not None and other_change is not None:
        changes.append(slot_change(other_change, "other", None, other, username, report, source))
    latest = Latest(
        selector=report.selector,
        username=username,
        calls=calls,
        other=other,
        first_seen=at,
        last_seen=at,
        source=source,
        calls_removed_at=_remembered(calls, calls_gone),
        other_removed_at=_remembered(other, other_gone),
        bound_to=bound,
        released_at=released_after(state, bound),
    )
    return Outcome(latest, tuple(changes), CHANGED)


def _update(state: Latest, report: Report, source: Source, late: bool, bound: Account) -> Outcome:
    """A selector that holds a pair, and a report that says something new, or something late."""
    at = report.received_at
    calls_gone, other_gone = _time(state.calls_removed_at), _time(state.other_removed_at)
    calls, calls_change = next_slot(state.calls, calls_gone, report.calls, at, late)
    other, other_change = next_slot(state.other, other_gone, report.other, at, late)
    username, since = state.username, state.username_since
    if report.username and report.username != username:
        if late and at < (since or state.first_seen):
            calls_change = calls_change or STALE
        else:
            username, since = report.username, at
    changes: list[Change] = []
    if calls is not state.calls and calls_change is not None:
        changes.append(slot_change(calls_change, "calls", state.calls, calls, username, report, source))
    if other is not state.other and other_change is not None:
        changes.append(slot_change(other_change, "other", state.other, other, username, report, source))
    if username is not None and username != state.username:
        changes.append(account_change(state.username, username, report, source))
    if not changes and bound is state.bound_to:
        return Outcome(state, (), LATE if STALE in (calls_change, other_change) else UNCHANGED)
    latest = Latest(
        selector=state.selector,
        username=username,
        calls=calls,
        other=other,
        first_seen=state.first_seen,
        last_seen=max(state.last_seen, at),
        source=source,
        username_since=since,
        calls_removed_at=_remembered(calls, calls_gone),
        other_removed_at=_remembered(other, other_gone),
        bound_to=bound,
        released_at=released_after(state, bound),
    )
    return Outcome(latest, tuple(changes), CHANGED)


def _fill(state: State, report: Report, source: Source) -> Outcome:
    """An import: absent slots only, never one seen live, never a removed selector."""
    if isinstance(state, Removed):
        return Outcome(state, (), IGNORED)
    if state is None:
        return _register(None, report, source, late=False, bound=UNSET)
    calls, other, username = state.calls, state.other, state.username
    changes: list[Change] = []
    if username is None and report.username:
        username = report.username
    if calls is None and report.calls is not None and state.calls_removed_at is UNSET:
        calls, kind = next_slot(None, None, report.calls, report.received_at, late=False)
        changes.append(slot_change(str(kind), "calls", None, calls, username, report, source))
    if other is None and report.other is not None and state.other_removed_at is UNSET:
        other, kind = next_slot(None, None, report.other, report.received_at, late=False)
        changes.append(slot_change(str(kind), "other", None, other, username, report, source))
    if username is not None and username != state.username:
        changes.append(account_change(state.username, username, report, source))
    if not changes:
        return Outcome(state, (), IGNORED)
    filled = Latest(
        selector=state.selector,
        username=username,
        calls=calls,
        other=other,
        first_seen=state.first_seen,
        last_seen=state.last_seen,
        source=source,
        username_since=state.username_since,
        calls_removed_at=state.calls_removed_at,
        other_removed_at=state.other_removed_at,
        bound_to=state.bound_to,
        released_at=state.released_at,
    )
    return Outcome(filled, tuple(changes), CHANGED)


def _time(at: int | UnsetType) -> int | None:
    return None if at is UNSET else at


def _remembered(slot: Slot | None, removed_at: int | None) -> int | UnsetType:
    """A slot's removal, while it still matters: once the slot's `since` is not older, `since` says the same."""
    return UNSET if removed_at is None or (slot is not None and slot.since >= removed_at) else removed_at

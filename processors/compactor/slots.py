"""One slot: what a reported pair makes of it, and the message that says so (design.md section 5)."""

from typing import Final

from schemas.records import SCHEMA_VERSION, Change, Pair, Report, Slot, Source

REGISTERED: Final = "registered"
ROTATED: Final = "rotated"
APP_CHANGED: Final = "app_changed"
ACCOUNT_CHANGED: Final = "account_changed"
REMOVED: Final = "removed"
STALE: Final = "stale"  # never on the topic: the pair is older than what the slot holds, or than its removal


def next_slot(
    old: Slot | None, removed_at: int | None, pair: Pair | None, at: int, late: bool
) -> tuple[Slot | None, str | None]:
    """The slot after a report, and what happened to it: a `change`, `STALE`, or None for nothing.

    Args:
        old: the slot before; None: empty.
        removed_at: when it was last removed (ms); None: never, or it no longer matters.
        pair: what was reported; None: absent, which never overwrites.
        at: `received_at` of the report (ms).
        late: whether the report reached the log late.
    """
    if pair is None:
        return old, None
    app_id = pair.app_id or None
    if late and ((removed_at is not None and at < removed_at) or (old is not None and at < old.since)):
        return old, STALE
    if old is None:
        return Slot(token=pair.token, app_id=app_id, since=at, rotations=0), REGISTERED
    if pair.token != old.token:
        return Slot(token=pair.token, app_id=app_id, since=at, rotations=old.rotations + 1), ROTATED
    if app_id is None or app_id == old.app_id:
        return old, None
    return Slot(token=old.token, app_id=app_id, since=old.since, rotations=old.rotations), APP_CHANGED


def change_id(source: Source, slot: str | None) -> str:
    """The deterministic id (str) of what `source` did to `slot` (None: to the account)."""
    return f"{source.log_id}-{source.partition}-{source.offset}-{slot or 'account'}"


def slot_change(
    kind: str, slot: str, old: Slot | None, new: Slot | None, username: str | None, report: Report, source: Source
) -> Change:
    """The message of `changes` for one slot that went from `old` to `new`; `username` is the account's name now."""
    return Change(
        schema_version=SCHEMA_VERSION,
        id=change_id(source, slot),
        change=kind,
        slot=slot,
        selector=report.selector,
        username=username,
        previous_username=None,
        token=None if new is None else new.token,
        app_id=None if new is None else new.app_id,
        previous_token=None if old is None else old.token,
        previous_app_id=None if old is None else old.app_id,
        previous_age_ms=None if old is None else max(0, report.received_at - old.since),
        changed_at=report.received_at,
        origin=report.origin,
        source=source,
    )


def account_change(old: str | None, new: str, report: Report, source: Source) -> Change:
    """The message of `changes` for a selector whose account name went from `old` to `new`."""
    return Change(
        schema_version=SCHEMA_VERSION,
        id=change_id(source, None),
        change=ACCOUNT_CHANGED,
        slot=None,
        selector=report.selector,
        username=new,
        previous_username=old,
        token=None,
        app_id=None,
        previous_token=None,
        previous_app_id=None,
        previous_age_ms=None,
        changed_at=report.received_at,
        origin=report.origin,
        source=source,
    )

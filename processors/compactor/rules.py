"""The numbers of the merge rules, and what a merge gives back (design.md section 5)."""

from typing import Final

from msgspec import Struct

from schemas.records import Change, Latest, Removed
from schemas.settings import Compact

State = Latest | Removed | None
"""What is known of a selector: its newest pairs, that it was removed, or nothing."""

# What a record did to its selector; counted by `pushtokens_compactor_records_total`.
CHANGED: Final = "changed"  # the state moved, with or without a message on `changes`
UNCHANGED: Final = "unchanged"  # nothing new in it
REPLAYED: Final = "replayed"  # its offset had been applied before
LATE: Final = "late"  # history only: a newer report or a removal came through another ingress
IGNORED: Final = "ignored"  # an unknown kind, or an import that fills nothing
REFUSED: Final = "refused"  # the selector is bound to another account
DISPOSITIONS: Final = (CHANGED, UNCHANGED, REPLAYED, LATE, IGNORED, REFUSED)


class Rules(Struct, frozen=True, kw_only=True):
    """The tunable numbers of `merge`, in ms."""

    touch_interval: int  # how often `last_seen` is written while nothing else changes
    late_after: int  # from which delay between `received_at` and the append a record is late
    future_tolerance: int  # how far `received_at` may be ahead of the append


class Outcome(Struct, frozen=True, gc=False):
    """The state after a record, the messages for `changes`, and the disposition (one of `DISPOSITIONS`)."""

    state: State
    changes: tuple[Change, ...]
    disposition: str


def rules_of(settings: Compact) -> Rules:
    """The rules for these settings (seconds to ms)."""
    return Rules(
        touch_interval=round(settings.touch_interval * 1000),
        late_after=round(settings.late_after * 1000),
        future_tolerance=round(settings.future_tolerance * 1000),
    )

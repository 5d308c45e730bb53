"""What the lookup API answers (design.md section 2): bodies of `/v1/selectors/…` and `/v1/accounts/…`."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from schemas.records import Count, Latest, Millis, Name, Slot, Source, Text


class AsOf(Struct, frozen=True, kw_only=True):
    """How current an answer is: it holds every record of the partition of `reports` before `offset`; `lag` more are on
    the log (null: not known now)."""

    partition: Count
    offset: Count
    lag: Count | None


class SelectorAnswer(Struct, frozen=True, kw_only=True):
    """The newest pairs of a selector. `bound_to` is there when it is bound to an authenticated account."""

    selector: Name
    username: Text | None
    calls: Slot | None
    other: Slot | None
    first_seen: Millis
    last_seen: Millis
    source: Source
    as_of: AsOf
    bound_to: Text | UnsetType = UNSET


class AccountAnswer(Struct, frozen=True, kw_only=True):
    """All selectors of an account, and how current each partition's part of the answer is."""

    username: Name
    selectors: list[SelectorAnswer]
    as_of: list[AsOf]


class SelectorsQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/selectors`."""

    selectors: Annotated[list[Name], Meta(min_length=1)]


class SelectorsAnswer(Struct, frozen=True, kw_only=True):
    """The answer to `POST /v1/selectors`: what is known, what is not, and as of when in each partition asked."""

    selectors: list[SelectorAnswer]
    unknown: list[Name]
    as_of: list[AsOf]


def answer_of(latest: Latest, as_of: AsOf) -> SelectorAnswer:
    """The answer for one selector."""
    return SelectorAnswer(
        selector=latest.selector,
        username=latest.username,
        calls=latest.calls,
        other=latest.other,
        first_seen=latest.first_seen,
        last_seen=latest.last_seen,
        source=latest.source,
        as_of=as_of,
        bound_to=latest.bound_to,
    )

"""The records on our topics (design.md section 4). Later versions only add optional fields.

`kind` and `change` are open texts: consumers ignore values they do not know. Push tokens are secret in logs, so `repr`
and `str` of every record show a token's length only.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from schemas.secret import mask_token

SCHEMA_VERSION: Final = 1

# 4096-byte fields are the ingress's limit (`ingest.max_field`); other producers get twice that, counted in characters.
Text = Annotated[str, Meta(max_length=8192)]
Name = Annotated[str, Meta(min_length=1, max_length=8192)]
# 2100-01-01: beyond it stands a clock in the wrong unit, and ClickHouse's DateTime64 would take it without a word.
Millis = Annotated[int, Meta(ge=0, le=4_102_444_800_000, description="ms since the epoch, UTC")]
Count = Annotated[int, Meta(ge=0)]

SLOTS: Final = ("calls", "other")


# `gc=False` below: records hold texts, numbers and each other, never a cycle, so Python's collector need not visit them
# (it took a third of the compactor's time).
class _Masked(Struct, frozen=True):
    """Base of records with tokens: `repr` masks the fields named in `__masked__`."""

    def __repr__(self) -> str:
        shown = ((name, getattr(self, name)) for name in self.__struct_fields__)
        parts = (f"{name}={(mask_token(value) if name.endswith('token') else value)!r}" for name, value in shown)
        return f"{type(self).__name__}({', '.join(parts)})"

    __str__ = __repr__


class Pair(_Masked, frozen=True, gc=False):
    """A push token (base64 text as reported) and the app id to use with it; specification, "Parameters"."""

    token: Name
    app_id: Text | None = None


class Report(_Masked, frozen=True, gc=False, kw_only=True):
    """One message of `reports`: what an app reported, a removal, or an operator's release of a bound selector."""

    schema_version: Annotated[int, Meta(ge=1)]
    id: Name
    kind: Name
    received_at: Millis
    selector: Name
    username: Text | None
    calls: Pair | None
    other: Pair | None
    install_id: Text | None = None
    user_agent: Text | None = None
    origin: Name = "app"
    reason: Text | None = None  # of a removal: null (the app's own) or `forget` (an erasure, issued by the operator)
    # The account whose credentials the ingress has checked: a selector is bound to it. Left out where there is none. Of
    # a `release`: whom the selector is bound to from now on.
    authenticated_username: Text | UnsetType = UNSET


class Slot(_Masked, frozen=True, gc=False, kw_only=True):
    """The newest pair of one slot. `since`: `received_at` (ms) of the report that brought the token; `rotations`: times
    the token changed since the slot was first filled."""

    token: Name
    app_id: Text | None
    since: Millis
    rotations: Count


class Source(Struct, frozen=True, gc=False, kw_only=True):
    """The `reports` record that a message comes from: log identity, partition, offset."""

    log_id: Name
    partition: Count
    offset: Count


class Latest(_Masked, frozen=True, gc=False, kw_only=True):
    """One message of `latest`: the newest pairs of a selector (the message's key). A tombstone means: removed.

    `calls_removed_at` and `other_removed_at` (ms) are there while a slot's last removal still matters: a late report
    older than it, or an import, must not fill the slot again (design.md section 5). `username_since` (ms) is there when
    the username is younger than `first_seen`: a late report older than it must not bring the former one back.
    `bound_to` is there when the selector is bound to an authenticated account: what comes under another one is refused.
    `released_at` (ms) is there after an operator's release, until the selector is bound again: what was received before
    does not bind it.
    """

    selector: Name
    username: Text | None
    calls: Slot | None
    other: Slot | None
    first_seen: Millis
    last_seen: Millis
    source: Source
    username_since: Millis | UnsetType = UNSET
    calls_removed_at: Millis | UnsetType = UNSET
    other_removed_at: Millis | UnsetType = UNSET
    bound_to: Text | UnsetType = UNSET
    released_at: Millis | UnsetType = UNSET


class Removed(Struct, frozen=True, gc=False, kw_only=True):
    """One message of `removals`: the compactor's memory of a selector whose slots are all empty (the message's key).

    A late report older than `calls_removed_at` / `other_removed_at` (ms, null: never removed), an import and a replay
    must not bring the slot back. Gone (a tombstone) once the selector is registered again. `reason` is `forget` for an
    erasure. `source` is the removal's record. `bound_to` as in `Latest`: a log-out does not open a selector to others;
    `released_at` too.
    """

    selector: Name
    calls_removed_at: Millis | None
    other_removed_at: Millis | None
    reason: Text | None
    source: Source
    bound_to: Text | UnsetType = UNSET
    released_at: Millis | UnsetType = UNSET


class Change(_Masked, frozen=True, gc=False, kw_only=True):
    """One message of `changes`: something that happened to one slot, or to the account (`slot` null).

    `id` is deterministic (log id, partition, offset, slot), so a consumer can drop a repeated one.
    """

    schema_version: Annotated[int, Meta(ge=1)]
    id: Name
    change: Name
    slot: Name | None
    selector: Name
    username: Text | None
    previous_username: Text | None
    token: Name | None
    app_id: Text | None
    previous_token: Name | None
    previous_app_id: Text | None
    previous_age_ms: Count | None
    changed_at: Millis
    origin: Name
    source: Source


class Rejected(Struct, frozen=True, kw_only=True):
    """One message of `rejected`: why something was refused, and its input with every secret masked.

    `input` holds parsed fields (name to masked text), or of unparsed input its length, SHA-256, content type and shape.
    """

    schema_version: Annotated[int, Meta(ge=1)]
    id: Name
    reason: Name
    detail: Text
    field: Text | None
    received_at: Millis
    template: Text | None
    input: dict[str, str | int | None]
    source: Source | None = None


class InvalidRecordError(ValueError):
    """A message that is not a valid record; the text names the field and holds nothing of the message."""


_encoder = msgspec.json.Encoder()
_report_decoder = msgspec.json.Decoder(Report)
_latest_decoder = msgspec.json.Decoder(Latest)
_removed_decoder = msgspec.json.Decoder(Removed)


encode: Final[Callable[[Report | Latest | Removed | Change | Rejected], bytes]] = _encoder.encode
"""The record as JSON, UTF-8 (bytes), as it goes onto its topic."""


def decode_report(value: bytes) -> Report:
    """Read one message of `reports`.

    Raises:
        InvalidRecordError: not JSON, not UTF-8, or a field missing or wrong; the text names the field.
    """
    return decode(_report_decoder, value)  # type: ignore[no-any-return]


def decode_latest(value: bytes) -> Latest:
    """Read one message of `latest` (never a tombstone).

    Raises:
        InvalidRecordError: as for `decode_report`.
    """
    return decode(_latest_decoder, value)  # type: ignore[no-any-return]


def decode_removed(value: bytes) -> Removed:
    """Read one message of `removals` (never a tombstone).

    Raises:
        InvalidRecordError: as for `decode_report`.
    """
    return decode(_removed_decoder, value)  # type: ignore[no-any-return]


def decode(decoder: Any, value: bytes) -> Any:
    """Read a message with this `msgspec.json.Decoder`; raises as `decode_report` does."""
    try:
        return decoder.decode(value)
    except msgspec.ValidationError as error:
        raise InvalidRecordError(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRecordError(f"not a JSON document in UTF-8 ({type(error).__name__})") from None

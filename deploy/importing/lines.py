"""One line of an import file to one record. Pure; every error names the field and holds nothing of the line."""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import msgspec
from msgspec import Struct

from ingest.refusal import RefusedError
from ingest.values import Limits, normalise
from ingest.variables import FIELDS, Field
from schemas.records import SCHEMA_VERSION, InvalidRecordError, Pair, Report, decode_report, encode

RECEIVED_AT: Final = "received_at"
USER_AGENT: Final = "user_agent"
# Of an export of our own records; they say nothing that an import could keep.
_PASSED_OVER: Final = frozenset({"schema_version", "id", "origin", "reason", "authenticated_username"})
_KIND: Final = "kind"
COLUMNS: Final = (*FIELDS, RECEIVED_AT, USER_AGENT)
_KNOWN: Final = frozenset(COLUMNS) | _PASSED_OVER | {_KIND}
_MAX_USER_AGENT: Final = 512  # as the ingress keeps


class LineError(ValueError):
    """A line that cannot be imported: `field` and `reason` (str), neither of them a value of the line."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class Rules(Struct, frozen=True):
    """What a line must keep to: the ingress's limits, and the latest time a report may have (ms since the epoch)."""

    limits: Limits
    latest: int


def unknown_columns(names: list[str]) -> list[str]:
    """Those of a header's names that mean nothing here; a misspelt one would lose its column without a word."""
    return [name for name in names if name not in _KNOWN]


def report_of(values: Mapping[str, Any], rules: Rules) -> Report:
    """The record of one line.

    Args:
        values: column to value; text, or for `received_at` a number. `calls` and `other` are flat or `{token, app_id}`.
        rules: the limits.

    Raises:
        LineError: a field that is missing or wrong.
    """
    flat = _flat(values)
    if unknown := [name for name in flat if name not in _KNOWN]:
        raise LineError(_shown(unknown[0]), "is no column of an import")
    if flat.get(_KIND) not in (None, "", "report"):
        raise LineError(_KIND, "only reports can be imported")
    found = {field: _value(field, flat.get(field), rules.limits) for field in FIELDS}
    if found["selector"] is None:
        raise LineError("selector", "is missing")
    calls, other = _pair(found, "calls"), _pair(found, "other")
    if calls is None and other is None:
        raise LineError("calls_token", "neither this nor other_token is there")
    received_at = _time(flat.get(RECEIVED_AT), rules.latest)
    return _checked(found, calls, other, received_at, _user_agent(flat.get(USER_AGENT)))


def _checked(
    found: Mapping[Field, str | None], calls: Pair | None, other: Pair | None, received_at: int, user_agent: str | None
) -> Report:
    """The record; its id is made of its content, so that the same line has the same id whenever it is imported."""
    report = Report(
        schema_version=SCHEMA_VERSION,
        id="",
        kind="report",
        received_at=received_at,
        selector=found["selector"] or "",
        username=found["username"],
        calls=calls,
        other=other,
        install_id=found["install_id"],
        user_agent=user_agent,
        origin="import",
    )
    report = msgspec.structs.replace(report, id=f"import-{sha256(encode(report)).hexdigest()[:32]}")
    try:
        return decode_report(encode(report))
    except InvalidRecordError:
        raise LineError("selector", "the line makes no valid record") from None


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if name in ("calls", "other"):
            if value is not None and not isinstance(value, Mapping):
                raise LineError(name, "must be an object with token and app_id")
            for part, inner in (value or {}).items():
                if part not in ("token", "app_id"):
                    raise LineError(name, "must be an object with token and app_id")
                flat[f"{name}_{part}"] = inner
        else:
            flat[name] = value
    return flat


def _value(field: Field, given: Any, limits: Limits) -> str | None:
    if given is None:
        return None
    if not isinstance(given, str):
        raise LineError(field, "must be text")
    try:
        return normalise(field, given, limits) if given else None
    except RefusedError as error:
        raise LineError(field, error.reason.replace("_", " ")) from None


def _pair(found: Mapping[Field, str | None], slot: str) -> Pair | None:
    token, app_id = (found["calls_token"], found["calls_app_id"])
    if slot == "other":
        token, app_id = (found["other_token"], found["other_app_id"])
    return None if token is None else Pair(token, app_id)


def _time(given: Any, latest: int) -> int:
    """ms since the epoch, from a number (or its digits) or RFC 3339 text with its offset from UTC."""
    if given is None or given == "":
        raise LineError(RECEIVED_AT, "is missing")
    if isinstance(given, bool) or not isinstance(given, int | str):
        raise LineError(RECEIVED_AT, "must be ms since the epoch, or RFC 3339 text")
    at = given if isinstance(given, int) else _read_time(given.strip())
    if not 0 <= at <= latest:
        raise LineError(RECEIVED_AT, "is in the future, or not in ms since the epoch")
    return at


def _read_time(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 15:
        return int(text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise LineError(RECEIVED_AT, "must be ms since the epoch, or RFC 3339 text") from None
    if at.tzinfo is None:
        raise LineError(RECEIVED_AT, "has no offset from UTC: write 2026-11-24T03:00:00Z")
    return round(at.timestamp() * 1000)


def _user_agent(given: Any) -> str | None:
    if given is None or given == "":
        return None
    if not isinstance(given, str):
        raise LineError(USER_AGENT, "must be text")
    return "".join(sign for sign in given[:_MAX_USER_AGENT] if sign.isprintable()).strip() or None


def _shown(name: str) -> str:
    """A column's name as far as it can be shown: in a file with shifted columns it may be a value."""
    return name if len(name) <= 30 and name.replace("_", "").isalnum() else f"a name of {len(name)} characters"

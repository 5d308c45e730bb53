"""From what a request says to the record for `push-token.reports`. Pure."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Literal

from msgspec import UNSET, Struct

from ingest.uuid7 import uuid7
from ingest.variables import Field
from schemas.cloudevents import Headers, headers
from schemas.records import SCHEMA_VERSION, Pair, Report, encode

_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_MAX_USER_AGENT: Final = 512  # characters; the app's own has about 30


class Message(Struct, frozen=True):
    """One Kafka message: key and value (bytes) and headers."""

    key: bytes
    value: bytes
    headers: Headers


def report_message(
    kind: Literal["report", "removal"],
    values: Mapping[Field, str],
    received_at: int,
    user_agent: bytes,
    authenticated: str | None = None,
    trace: Headers | None = None,
) -> Message:
    """The message for a request.

    Args:
        kind: the template's.
        values: the fields present; `selector` is.
        received_at: when the request was complete, ms since the epoch, UTC.
        user_agent: the header as it came (bytes, may be empty).
        authenticated: the account whose credentials were checked, if any.
        trace: further headers, of the trace that the request belongs to.
    """
    selector = values["selector"]
    report = Report(
        schema_version=SCHEMA_VERSION,
        id=uuid7(received_at),
        kind=kind,
        received_at=received_at,
        selector=selector,
        username=values.get("username"),
        calls=_pair(values.get("calls_token"), values.get("calls_app_id")),
        other=_pair(values.get("other_token"), values.get("other_app_id")),
        install_id=values.get("install_id"),
        user_agent=_text(user_agent),
        authenticated_username=UNSET if authenticated is None else authenticated,
    )
    found = headers(kind, report.id, received_at)
    if trace:
        found += trace
    return Message(selector.encode(), encode(report), found)


def _pair(token: str | None, app_id: str | None) -> Pair | None:
    """An app id alone says nothing that could be kept (design.md section 5)."""
    return None if token is None else Pair(token, app_id)


@lru_cache(maxsize=256)  # a fleet has few versions of the app
def _text(user_agent: bytes) -> str | None:
    if not user_agent:
        return None
    return _CONTROL.sub("", user_agent[:_MAX_USER_AGENT].decode("latin-1")).strip() or None

"""Messages as their types: the key, value and headers that any Kafka client hands out, to what the topic holds."""

from collections.abc import Iterable
from typing import Final, Literal

import msgspec
from msgspec import Struct

from schemas.cloudevents import TYPE_PREFIX
from schemas.records import Change, InvalidRecordError, Latest, Rejected, Report, decode, decode_latest

Topic = Literal["reports", "latest", "changes", "rejected"]
"""A topic by its role; its name has the prefix in front (`push-token.latest`)."""
Headers = Iterable[tuple[str, bytes | None]] | None
"""As aiokafka and confluent-kafka give them."""

KINDS: Final = frozenset(("report", "removal", "release"))
CHANGES: Final = frozenset(("registered", "rotated", "app_changed", "account_changed", "removed"))
_TYPES: Final = {
    "reports": KINDS,
    "latest": frozenset(("latest",)),
    "changes": frozenset(("change",)),
    "rejected": frozenset(("rejected",)),
}
_REPORT: Final = msgspec.json.Decoder(Report)
_CHANGE: Final = msgspec.json.Decoder(Change)
_REJECTED: Final = msgspec.json.Decoder(Rejected)


class Tombstone(Struct, frozen=True):
    """A message of `latest` without a value: the selector has no pair any more."""

    selector: str


class Unknown(Struct, frozen=True):
    """Something of a later version: a message type, `kind` or `change` that this one has no name for. To be ignored.

    `name`: what it calls itself; `record`: the whole of it where it still has this version's form, else None.
    """

    name: str
    record: Report | Change | None = None


Message = Latest | Tombstone | Change | Report | Rejected | Unknown


def read_message(topic: Topic, key: bytes | None, value: bytes | None, headers: Headers = None) -> Message:
    """What a message is.

    Args:
        topic: the role of the topic that it came from.
        key, value: bytes as they are on the topic (no deserializer).
        headers: the message's; without them a later version's new message types are not told from broken ones.

    Raises:
        InvalidRecordError: it is none of ours (another producer's, or a bug). The text names the field, and holds
            nothing of the message. Count it, and go on.
    """
    name = event_type(headers)
    if name is not None and name not in _TYPES[topic]:
        return Unknown(name)
    if topic == "latest":
        return _latest(key, value)
    if value is None:
        raise InvalidRecordError("a null value, which only `latest` has")
    if topic == "rejected":
        found: Rejected = decode(_REJECTED, value)
        return found
    record: Report | Change = decode(_REPORT if topic == "reports" else _CHANGE, value)
    _same(key, record.selector)
    said, known = (record.kind, KINDS) if isinstance(record, Report) else (record.change, CHANGES)
    return record if said in known else Unknown(said, record)


def event_type(headers: Headers) -> str | None:
    """The CloudEvents type without its prefix (`change`); None: there is none, or it is not one of this pipeline."""
    for name, value in headers or ():
        if name == "ce_type" and value is not None:
            text = value.decode("utf-8", "replace")
            return text.removeprefix(TYPE_PREFIX) if text.startswith(TYPE_PREFIX) else None
    return None


def _latest(key: bytes | None, value: bytes | None) -> Latest | Tombstone:
    if value is not None:
        _same(key, (found := decode_latest(value)).selector)
        return found
    try:
        return Tombstone((key or b"").decode())
    except UnicodeDecodeError:
        raise InvalidRecordError("the key is no UTF-8") from None


def _same(key: bytes | None, selector: str) -> None:
    if key != selector.encode():
        raise InvalidRecordError("the key is not the selector")

"""The record of a refused request, with every secret masked (design.md sections 3 and 4). Pure."""

import hashlib
from collections.abc import Mapping
from typing import Final

from ingest.record import Message
from ingest.refusal import RefusedError
from ingest.uuid7 import uuid7
from ingest.variables import TOKENS, Field
from schemas.cloudevents import headers
from schemas.records import SCHEMA_VERSION, Rejected, encode
from schemas.secret import mask_token

# Refused for what they say; the other refusals are about who asks and where, and are only counted.
RECORDED: Final = frozenset({400, 413, 415})
# Where the body could not be taken apart, so that only its outline is kept.
_UNPARSED: Final = frozenset({"not_json", "content_type", "too_many", "not_http", "too_large"})
_SHAPE: Final = 256  # characters of a shape
# By a table: a flood of bad requests must cost no more than as many good ones.
_OUTLINE: Final = bytes(
    ord("a" if chr(byte).isalpha() else "9" if 48 <= byte <= 57 else chr(byte)) if 32 <= byte < 127 else ord(".")
    for byte in range(256)
)
_TEXT: Final = 256  # characters of a field
# Of other media types only the shape is kept: the header is a client's text like any other.
_MEDIA: Final = frozenset(
    f"{kind}/{name}"
    for kind, names in (
        ("application", ("json", "x-www-form-urlencoded", "xml", "octet-stream", "x-msgpack", "cbor", "problem+json")),
        ("multipart", ("form-data", "mixed")),
        ("text", ("plain", "xml", "html", "json", "csv")),
    )
    for name in names
)


def rejected_message(
    error: RefusedError,
    received_at: int,
    template: str | None,
    values: Mapping[Field, str],
    content_type: str,
    body: bytes | None,
) -> Message:
    """The message for `push-token.rejected`.

    Args:
        error: why.
        received_at: ms since the epoch, UTC.
        template: its name, if one fitted the path.
        values: the fields that had been read by then.
        content_type, body: the request's; kept in outline only, and only if the body could not be read.
    """
    shown: dict[str, str | int | None] = {field: _masked(field, value) for field, value in values.items()}
    if error.reason in _UNPARSED:
        shown |= outline(content_type, body or b"")
    record = Rejected(
        schema_version=SCHEMA_VERSION,
        id=uuid7(received_at),
        reason=error.reason,
        detail=error.detail,
        field=error.field,
        received_at=received_at,
        template=template,
        input=shown,
    )
    key = values.get("selector", "").encode()
    return Message(key, encode(record), headers("rejected", record.id, received_at))


def outline(content_type: str, body: bytes) -> dict[str, str | int | None]:
    """What may be kept of a body nobody understood: length (bytes), SHA-256, media type, shape."""
    media = content_type.partition(";")[0].strip().lower()
    return {
        "body_length": len(body),
        "body_sha256": hashlib.sha256(body).hexdigest(),
        "body_content_type": media if media in _MEDIA else shape(media.encode("utf-8", "replace")[:64]) or None,
        "body_shape": shape(body),
    }


def shape(body: bytes) -> str:
    """The outline of the first 256 bytes (str): letters as `a`, digits as `9`, other ASCII signs as they are."""
    return body[:_SHAPE].translate(_OUTLINE).decode("ascii")


def _masked(field: Field, value: str) -> str | None:
    return mask_token(value) if field in TOKENS else value[:_TEXT]

"""Reading a JSON body. Pure."""

import json
from collections.abc import Collection
from typing import Any, Final

import msgspec

from ingest.names import Names, canonical
from ingest.read_pairs import MAX_NAMES
from ingest.reading import Reading
from ingest.refusal import RefusedError
from ingest.values import PLAIN
from ingest.variables import Field


def read_json(reading: Reading, names: Names, place: str, data: bytes) -> None:
    """Read `data` (bytes, UTF-8) into `reading`; arguments as `read_pairs`.

    Raises:
        RefusedError: 400, not a JSON object, more names than anybody sends, a value that is no text, or as
            `Reading.put` and `Reading.fixed`.
    """
    texts = _texts(data)
    _object(reading, names, place, _parse(data) if texts is None else texts)


class _Object(list[tuple[str, Any]]):
    """A JSON object with every name it has, doubles included."""


# What apps send: texts and nothing else. Four times as fast, but of a name that stands twice it keeps the last value.
_decode_texts: Final = msgspec.json.Decoder(dict[str, str]).decode


def _texts(body: bytes) -> Collection[tuple[str, str]] | None:
    """The pairs of a flat object of texts; None if it is anything else, or holds a name twice."""
    if b"\\" in body:
        return None
    try:
        document = _decode_texts(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    # Without escapes each name and each text has two quotation marks: there are more only if some name was dropped.
    return document.items() if body.count(b'"') == 4 * len(document) else None


def _no_constant(name: str) -> None:
    """`NaN` and `Infinity` are Python's, not JSON's (RFC 8259 section 6)."""
    raise ValueError(name)


# Made once: `json.loads` with arguments makes a decoder for each call.
_decode: Final = json.JSONDecoder(object_pairs_hook=_Object, parse_constant=_no_constant).decode


def _parse(body: bytes) -> _Object:
    try:
        document = _decode(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):  # bad JSON, bad UTF-8, a number of thousands of digits, deep nesting
        raise RefusedError(400, "not_json", "the body is not JSON in UTF-8, or is cut off", "body") from None
    if not isinstance(document, _Object):
        raise RefusedError(400, "not_json", "the body must be a JSON object", "body")
    return document


def _object(reading: Reading, names: Names, place: str, document: Collection[tuple[str, Any]]) -> None:
    if len(document) > MAX_NAMES:
        raise RefusedError(400, "too_many", f"more than {MAX_NAMES} names in a JSON object", "body")
    secret = reading.template.auth_parameter
    whole = names.whole
    longest = reading.max_plain
    plain = PLAIN.fullmatch
    for name, value in document:
        if isinstance(value, str) and (field := whole.get(name)) is not None:
            if plain(value) and len(value) <= longest:
                reading.take(field, value)
            else:
                reading.put(field, value)
            continue
        key = names.key(name)
        pattern = names.patterns.get(key)
        if pattern is not None:
            text = _text(key, pattern.fields, value)
            found = pattern.values(text)
            if found is None:
                reading.unfit(key, pattern.fields, text)
                continue
            for field, part in found:
                reading.put(field, part)
        elif key in names.literals:
            reading.fixed(place, key, names.literals[key], canonical(value))
        elif key in names.nested and isinstance(value, _Object):
            _object(reading, names.nested[key], f"{place}{key}/", value)
        elif secret and key == secret and isinstance(value, str):
            reading.secrets.append(value)


def _text(name: str, fields: tuple[Field | None, ...], value: object) -> str:
    """A JSON value as text: a string, null as absent, a whole number (user names are written so) in decimal."""
    if isinstance(value, str):
        return value
    if value is None or not any(fields):
        return "null" if value is None else ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    field = next(field for field in fields if field is not None)
    raise RefusedError(400, "not_text", f"`{name}` must be a string", field)

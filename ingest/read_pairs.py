"""Reading the `name=value` pairs of a query or form. Pure."""

from typing import Final
from urllib.parse import unquote_plus

from ingest.names import Names
from ingest.reading import Reading
from ingest.refusal import RefusedError
from ingest.values import PLAIN, decode_pair

MAX_NAMES: Final = 1000  # in one query, form or JSON object: a template has a dozen, and each name costs time


def read_pairs(reading: Reading, names: Names, place: str, data: bytes) -> None:
    """Read `data` (bytes, percent-encoded) into `reading`.

    Args:
        reading: takes the values.
        names: the template's names there.
        place: tells the fixed values of query and body apart; empty where they are one.
        data: the query or the body.

    Raises:
        RefusedError: 400, as `Reading.put` and `Reading.fixed`, or more names than anybody sends.
    """
    items = data.decode("utf-8", "surrogateescape").split("&")
    if len(items) > MAX_NAMES:
        raise RefusedError(400, "too_many", f"more than {MAX_NAMES} parameters")
    secret = reading.template.auth_parameter
    whole = names.whole
    longest = reading.max_plain
    plain = PLAIN.fullmatch
    for item in items:
        raw_name, _, raw = item.partition("=")
        field = whole.get(raw_name)
        if field is not None:
            if plain(raw) and len(raw) <= longest:
                reading.take(field, raw)
            else:
                reading.put(field, decode_pair(field, raw))
            continue
        key = names.key(_plain(raw_name))
        pattern = names.patterns.get(key)
        if pattern is not None:
            found = pattern.values(raw)
            if found is None:
                reading.unfit(key, pattern.fields, _plain(raw))
                continue
            for field, text in found:
                reading.put(field, decode_pair(field, text))
        elif key in names.literals:
            reading.fixed(place, key, names.literals[key], _plain(raw))
        elif secret and key == secret:
            reading.secrets.append(_plain(raw))


def _plain(raw: str) -> str:
    """A name, or a value that fills no field, decoded; what is not UTF-8 cannot be one that a template defines."""
    if "%" not in raw and "+" not in raw:
        return raw
    return unquote_plus(raw)

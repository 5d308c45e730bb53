"""Reading one request by its template: values out of path, query and body, in that order. Pure."""

from functools import lru_cache
from typing import Final, Literal

from ingest.read_json import read_json
from ingest.read_pairs import read_pairs
from ingest.reading import Reading
from ingest.refusal import RefusedError
from ingest.template import FORM, looks_like_json, names_json
from ingest.template_set import Candidate
from ingest.values import Limits, decode_path

_UTF8: Final = frozenset({"", "utf-8", "utf8", "us-ascii"})


def read(candidate: Candidate, query: bytes, content_type: str, body: bytes | None, limits: Limits) -> Reading:
    """Read a request.

    Args:
        candidate: the template, and the raw values of the path.
        query: the raw query (bytes).
        content_type: the header's value (str, may be empty).
        body: the body (bytes), or None where the method has none.
        limits: what values may be.

    Raises:
        RefusedError: 400 or 415; `MismatchError` if a fixed value is missing or another.
    """
    reading = Reading(candidate.template, limits)
    fill(reading, candidate, query, content_type, body)
    return reading


def fill(reading: Reading, candidate: Candidate, query: bytes, content_type: str, body: bytes | None) -> None:
    """As `read`, into `reading`, which keeps what was found before an error."""
    template = candidate.template
    for field, raw in candidate.values:
        reading.put(field, decode_path(field, raw))
    place = "" if template.query is template.body else "q"
    if query:
        read_pairs(reading, template.query, place, query)
    if body:
        _read_body(reading, place and "b", content_type, body)
    reading.check()


def _read_body(reading: Reading, place: str, content_type: str, body: bytes) -> None:
    kind = _kind(content_type)
    if kind == "json" or (kind == "form" and looks_like_json(body[:64].decode("utf-8", "replace"))):
        read_json(reading, reading.template.body, place, body)
    elif kind == "form":
        read_pairs(reading, reading.template.body, place, body.strip(b" \t\r\n"))
    # A body that has nothing to do with the report is seen in the field, its values being in the URL.
    elif "selector" not in reading.values:
        raise RefusedError(415, "content_type", "the body must be a form or JSON, in UTF-8", "body")


@lru_cache(maxsize=256)  # apps send a few
def _kind(content_type: str) -> Literal["json", "form", "other"]:
    """What a body of this type is; `form`, and no type at all, may be JSON all the same (companions.md)."""
    media, _, parameters = content_type.partition(";")
    charset = parameters.lower().partition("charset=")[2].partition(";")[0].strip(' "')
    if charset not in _UTF8:
        return "other"
    if names_json(media):
        return "json"
    return "form" if media.strip().lower() in ("", FORM) else "other"

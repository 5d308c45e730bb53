"""Reading one request by its template: values out of path, query and body, in that order. Pure."""

from typing import Final

from ingest.read_json import read_json
from ingest.read_pairs import read_pairs
from ingest.reading import Reading
from ingest.refusal import RefusedError
from ingest.template import FORM, is_json
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
    media, _, parameters = content_type.partition(";")
    charset = parameters.lower().partition("charset=")[2].partition(";")[0].strip(' "')
    start = body[:64].decode("utf-8", "replace")
    known = is_json(media, start) or media.strip().lower() in ("", FORM)
    if not known or charset not in _UTF8:
        # A body that has nothing to do with the report is seen in the field, its values being in the URL.
        if "selector" in reading.values:
            return
        raise RefusedError(415, "content_type", "the body must be a form or JSON, in UTF-8", "body")
    if is_json(media, start):
        read_json(reading, reading.template.body, place, body)
    else:
        read_pairs(reading, reading.template.body, place, body.strip(b" \t\r\n"))

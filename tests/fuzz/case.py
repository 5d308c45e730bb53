"""One case of the table in docs/http-answers.md, and the bytes that cases are made of."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote_from_bytes

SELECTOR = "12869E0E6E553673C54F29105A0647204C416A2A:7C3A0D14"
OTHER = "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF:00000000"
# Whole in no log and in no refusal.
TOKEN = "TOKENtokenTOKENtokenTOKENtoken0123456789"
S, T = SELECTOR.encode(), TOKEN.encode()
PAIRS = b"selector=" + S + b"&token_calls=" + T
JSON = json.dumps({"selector": SELECTOR, "token_calls": TOKEN}).encode()
FORM_TYPE = b"Content-Type: application/x-www-form-urlencoded"
JSON_TYPE = b"Content-Type: application/json"
CHUNKED = b"Transfer-Encoding: chunked"
# What an attacker hides in somebody else's body: accepted as a report, it would be a record too many.
HIDDEN = b"GET /token/?selector=" + OTHER.encode() + b" HTTP/1.1\r\nHost: t\r\n\r\n"

Then = Literal["", "half-close", "stall", "drip"]


@dataclass(frozen=True)
class Case:
    """What is sent, and what is decided about it.

    Attributes:
        about: the case in a few words, unique in the table.
        sent: the bytes.
        answers: the statuses that come back, in order; none: the connection closes without a word.
        why: the rule, with the RFC and section.
        stays: whether the connection takes another request afterwards; else it is closed.
        then: after `sent`, the client waits for the answer (empty), ends its side (half-close), is silent with more
            still due (stall), or goes on with a byte now and then (drip).
        record: what the record of a 200 holds, by JSON name.
        shown: how the table shows `sent`, where that is not plain from the bytes.
    """

    about: str
    sent: bytes
    answers: tuple[int, ...]
    why: str
    stays: bool = False
    then: Then = ""
    record: Mapping[str, Any] = field(default_factory=dict)
    shown: str = ""

    @property
    def name(self) -> str:
        """For pytest: `about` without signs."""
        return "-".join("".join(sign if sign.isalnum() else " " for sign in self.about).split())[:60]

    @property
    def accepted(self) -> int:
        """How many records the case leaves."""
        return self.answers.count(200)


def request(method: bytes, target: bytes, *lines: bytes, host: bytes = b"Host: t", version: bytes = b"1.1") -> bytes:
    """A request's header."""
    head = [method + b" " + target + b" HTTP/" + version, *([host] if host else []), *lines, b"", b""]
    return b"\r\n".join(head)


def get(target: bytes, *lines: bytes) -> bytes:
    """A GET."""
    return request(b"GET", target, *lines)


def query(pairs: bytes = PAIRS, *lines: bytes) -> bytes:
    """A GET of `/token/` with this query."""
    return get(b"/token/?" + pairs, *lines)


def post(body: bytes, *lines: bytes, target: bytes = b"/token/", length: bytes | None = None) -> bytes:
    """A POST with its Content-Length, or another one."""
    size = str(len(body)).encode() if length is None else length
    return request(b"POST", target, *lines, b"Content-Length: " + size) + body


def form(body: bytes, **given: Any) -> bytes:
    """A POST of a form."""
    return post(body, FORM_TYPE, **given)


def document(body: bytes, *lines: bytes, **given: Any) -> bytes:
    """A POST of JSON."""
    return post(body, JSON_TYPE, *lines, **given)


def chunked(data: bytes, *lines: bytes, method: bytes = b"POST", target: bytes = b"/token/") -> bytes:
    """A form in chunks; `data` as it stands on the wire."""
    return request(method, target, FORM_TYPE, *lines or (CHUNKED,)) + data


def chunk(data: bytes, extension: bytes = b"") -> bytes:
    """One chunk."""
    return b"%x" % len(data) + extension + b"\r\n" + data + b"\r\n"


def whole(data: bytes) -> bytes:
    """One chunk and the last one."""
    return chunk(data) + b"0\r\n\r\n"


def escaped(text: bytes) -> bytes:
    """Percent-encoded."""
    return quote_from_bytes(text, safe="").encode()
